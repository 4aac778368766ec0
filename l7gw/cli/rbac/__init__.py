"""`l7gw rbac`: what a cluster must let the gateway do, and the least that its callers need.

Guarantees: nothing is changed anywhere; objects are printed to be applied. May import whatever `cli` may. Leaves to `l7gw.cluster`
and `l7gw.recording` which rights those are.
"""
