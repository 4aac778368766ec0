"""`l7gw kubeconfig`: files with which clients reach the gateway.

Guarantees: what is not changed in a file stays byte for byte, and no credential is written. May import whatever `cli` may. Leaves
to `l7gw.login` where tokens come from.
"""
