"""Tells of holds outside, in Slack and by a webhook, and takes Slack's answers.

Guarantees: a change that was committed is told, at least once, also over restarts; nobody waits for a channel, and one that is away
keeps nothing from others; who is told by what it does not name reviews nothing. May import `api`, `approval`, the TLS of
`cluster` and `identity`, `store`, `wire` and the shared ground. Leaves to the Desk what a review does.
"""
