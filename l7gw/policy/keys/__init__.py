"""Every key of the policy, as a table in the form of `config.keys`.

Guarantees: the table has the keys that the readers of `policy` know, no more and no fewer, and nothing in it is stricter than
they are; tests hold it to them. May import: `config`'s shapes, and `policy`'s words and bounds. Leaves to others: reading
(`policy.load`), and how the table is shown (`cli.config`, docs/policy.md).
"""
