"""Holds, and what people say to them: who is asked, who may answer, what an answer allows, and for how long.

Guarantees: the states of a hold are one table, and the store lets nothing happen that is not in it; an approval lets one call
through; nobody approves his own call. Knows no exchange: messages in, messages out. May import identity's `Principal`, `policy`,
`store` and the shared ground. Leaves to `gateway` what is sent, and to `recording` how it is written down.
"""
