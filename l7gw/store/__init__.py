"""The metadata database: tables, migrations, and the one thread that talks to it.

Guarantees: what `do` runs is one transaction, done whole or not at all, and on the disk before `then` hears of it; the loop never
waits. Knows no hold: `approval` says what the rows mean. Imports nothing of l7gw but the shared ground.
"""
