"""Finds text in recordings: everything that was sent, typed or shown, line by line, in one pass over the journal.

Guarantees: memory is bounded by constants, whatever the recordings hold; a line that came in many pieces is one line; what could
not be read is counted. Knows nothing of how a find is shown, which is left to `cli.grep`. From the bottom: `pattern`, `plain_text`;
`byte_lines`; `calls`; `journal_walk`.
"""
