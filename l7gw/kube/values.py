"""What texts mean that stand in several places of a request: in its query, and in the headers of a stream."""

from __future__ import annotations


def port_number(text: str) -> int:
    """A port as Go's ParseUint takes it, in five digits at most; 0 for what is none. Python's int takes `8_0`, `+80`, `٨٠`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return 0
    port = int(text)
    return port if port < 65536 else 0
