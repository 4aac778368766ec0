"""Evidence: append-only, hash-chained journals of sessions; readers, exports, replay and verification of them.

Guarantees: what cannot be recorded does not pass; a torn or touched journal is told, and what is whole stays readable.
`verify` shares no code with the writer. May import `kube`, `wire`, identity's `Principal`, the shared ground and,
for `backtest`, `policy`.
"""
