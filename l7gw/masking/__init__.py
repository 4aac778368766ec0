"""What a caller may not see, and what the recording may not hold: which values are masked, and how they come back.

Guarantees: what a rule or detector names leaves in no encoding that docs/masking.md lists; no placeholder becomes data. Pure: the
masking key, clocks and files are passed in. May import `kube`, identity's `Principal` and the shared ground.
"""
