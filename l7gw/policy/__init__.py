"""Whether a principal may do an act: an immutable snapshot of the policy file decides, and can explain its decision.

Guarantees: what no rule matches is denied; a file with a mistake is never half loaded. Pure. May import `kube`, identity's
`Principal` and the shared ground.
"""
