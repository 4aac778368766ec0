"""Who calls: a bearer token or a client certificate becomes one `Principal`, or a refusal that says what was wrong.

Guarantees: no principal without proof; no byte of a credential in an error, a log or on the disk. Clocks and keys are passed in.
The only wait is for the fetch of an issuer's keys. May import the shared ground.
"""
