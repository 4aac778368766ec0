"""Every key of l7gw.yaml, as a table: what it says, which values it takes, what counts without it, and an example.

Guarantees: the table has the keys that the readers of `config` know, no more and no fewer, and nothing in it is stricter than
they are; tests hold it to them. May import: `config`'s shapes, settings and bounds. Leaves to others: reading (`config.load`),
and how the table is shown (`cli.config`, docs/configuration.md).
"""
