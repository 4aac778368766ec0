"""What the bytes mean to Kubernetes: which verb on which object, with which effects, on which channels, and how it says no.

Guarantees: reads a request as the API server does, or refuses it. May import `wire` and the shared ground. Pure.
"""
