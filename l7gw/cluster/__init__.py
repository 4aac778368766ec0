"""The far side: a cluster's address, its pinned CA, the gateway's credential and identity there, and the pool of connections.

Guarantees: names are checked; redirects are never followed; a request that may have been received is not sent twice; a connection
whose framing is in doubt is not used again. May import `kube`, `wire`, identity's `Principal`, policy's `Globs` and the shared
ground.
"""
