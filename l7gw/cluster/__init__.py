"""The far side: a cluster's address, its pinned CA, the gateway's credential and identity there, and the pool of connections.

Guarantees: names are checked, redirects never followed, nothing that may have been received is sent twice, a connection
whose framing is in doubt never used again. May import `kube`, `wire`, identity's `Principal`, policy's `Globs` and the shared
ground.
"""
