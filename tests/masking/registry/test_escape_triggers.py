"""A text is decoded only where an escape may be of a registered value."""

from __future__ import annotations

import pytest

from l7gw.masking.registry.escape_triggers import needs_decoding, special_of


@pytest.mark.parametrize(
    "data, special, needed",
    [
        (b"GET /a%20b", b"!", False),
        (b"GET /a%21b", b"!", True),
        (b"GET /a%2fb", b"/", True),
        (b"GET /a%2Fb", b"/", True),
        (b"GET /a%62b", b"", True),
        (b"GET /a%2Fb", b"", False),
        (b"GET /a%2fb", b"", True),
        (rb"say \"yes\"", b"!", False),
        (rb"say \"yes\"", b'"', True),
        (rb"a\\b", b"\\", True),
        (rb"a\/b", b"/", True),
        (rb"\u00e9", b"!", False),
        (rb"\u00e9", "é".encode(), True),
        (rb"\u0061", b"", True),
        (rb"\u003c", b"<", True),
        (b"A" * 60 + b"\n", b"", True),
        (b"A" * 59 + b"\n", b"", False),
        (b"A" * 60 + rb"\n", b"", True),
        (b"A" * 60 + rb"\\r\\n", b"", True),
        (b"A" * 59 + rb"\n", b"", False),
        (rb"a\bc\f", b"\b", True),
        (b"plain text", b"!", False),
        (b"", b"!", False),
    ],
)
def test_an_escape_asks_for_decoding_where_a_value_may_have_been_escaped_so(data: bytes, special: bytes, needed: bool) -> None:
    assert needs_decoding(data, set(special_of(special))) is needed
