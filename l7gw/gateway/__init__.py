"""The data path of a worker. Read `exchange.py` first: the life of a call on one page.

Guarantees: nothing reaches a cluster unjudged or unrecorded. Callbacks only: no task, future or timer per request. May
import everything below it.
"""
