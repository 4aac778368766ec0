"""What bytes mean to Kubernetes: the verb and the object of a call, its effects, its channels, and the form of a refusal.

Guarantees: a request is read as the API server reads it, or refused. May import `wire` and the shared ground. Pure.
"""
