"""May they: an immutable snapshot of the policy file judges an act of a principal, and can explain itself.

Guarantees: unmatched is denied; a file with a mistake is never half loaded. Pure. May import `kube`, identity's `Principal`
and the shared ground.
"""
