"""Tokens of services stand at the beginning of a word, which in a JSON text may be an escaped line end."""

from __future__ import annotations

import pytest

from l7gw.masking.detectors.engines import compiled
from l7gw.masking.detectors.services import token


@pytest.mark.parametrize("before", [b"", b" ", b'"', b"=", rb"\n", rb"\t", rb"\u003c", b"/"])
def test_a_token_begins_a_word(before: bytes) -> None:
    match = compiled(token("ab[0-9]{3}").pattern).search(before + b"ab123")
    assert match is not None and match.group(1) == b"ab123"


def test_a_token_does_not_begin_within_a_word() -> None:
    assert compiled(token("ab[0-9]{3}").pattern).search(b"xab123 1ab123 _ab123") is None
