"""`l7gw sessions`: who did what, as tables and as stories, and what is under way.

Guarantees: what is printed moves no cursor, and a list of thousands reads only what it shows. May import whatever `cli` may. Leaves
to `l7gw.recording` how a journal is read.
"""
