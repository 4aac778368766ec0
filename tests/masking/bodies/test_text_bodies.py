"""Texts that are no objects are masked as they come, wherever they are cut."""

from __future__ import annotations

import gzip

import pytest

from l7gw.masking.bodies.answers import Choice
from l7gw.obligations import Obligations
from tests.masking.bodies.test_bodies import body, views

TOKEN = b"ghp_" + b"a1B2c3D4e5F6" * 3
TEXT = b"first line\ntoken " + TOKEN + b" and more\n" + b"the end\n" * 50
PATH = "/api/v1/namespaces/d/services/web/proxy/page"


@pytest.mark.parametrize("size", [1, 7, 40, len(TEXT)])
def test_a_token_is_masked_however_the_text_is_cut(size: int) -> None:
    mask = body(PATH, Choice(sort="text"))
    shown, recorded = views(mask, *(TEXT[at : at + size] for at in range(0, len(TEXT), size)))
    (find,) = mask.finds
    placeholder = f"l7gw-masked-{find.detector}-{find.tag}".encode()
    assert shown == recorded == TEXT.replace(TOKEN, placeholder)
    assert (find.where, find.length) == (f"body:{TEXT.index(TOKEN)}", len(TOKEN))


def test_a_packed_text_is_unpacked_masked_and_packed_again() -> None:
    mask = body(PATH, Choice(sort="text", packed="gzip"), Obligations(reveal=frozenset("*")))
    shown, recorded = views(mask, gzip.compress(TEXT))
    assert gzip.decompress(shown) == TEXT and TOKEN not in gzip.decompress(recorded)


def test_a_text_that_may_still_become_a_token_waits_and_the_rest_does_not() -> None:
    mask = body(PATH, Choice(sort="text"))
    pieces = mask.feed(b"a line\n" + TOKEN[:20])
    assert b"".join(piece.shown for piece in pieces).startswith(b"a line\n") and TOKEN[:20] not in pieces[0].shown
