"""The meaning of texts that stand in a query as well as in the headers of a stream."""

from __future__ import annotations


def port_number(text: str) -> int:
    """A port as Go's ParseUint reads it, in five digits at most; 0 for a text that is no port.
    Python's int would take `8_0` and `٨٠` too."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return 0
    port = int(text)
    return port if port < 65536 else 0
