"""What was sent is compared with what was shown, and nothing else."""

from __future__ import annotations

import json

import pytest

from l7gw.errors import Refusal
from l7gw.masking.coming_back.restoring import Reading, alike
from tests.support.coming_back import PASSWORD, TAGGER, TOKEN, act, hidden, mask, secret


def test_of_two_placeholders_the_tags_count() -> None:
    one, other = hidden(PASSWORD, "secret-data").encode(), hidden(PASSWORD, "registry").encode()
    assert alike(one, other)
    assert not alike(one, hidden(TOKEN).encode())
    assert not alike(one + b"x", one)
    assert alike(b"a text", b"a text")
    assert not alike(b"a text", b"another")


def test_a_stored_object_is_read_as_it_is_and_as_it_is_shown() -> None:
    field = Reading(stored=json.dumps(secret()).encode(), mask=mask, tagger=TAGGER).field(act())
    (password,) = (inner for data in field.member("data") for inner in data.member("password"))
    assert password.stored.octets() == PASSWORD.encode()
    assert password.masked.octets() == hidden(PASSWORD).encode()
    assert field.secret
    assert not Reading(stored=b"{}", mask=mask, tagger=TAGGER).field(act("secrets", group="example.com")).secret


def test_a_stored_object_that_is_unreadable_is_a_502() -> None:
    with pytest.raises(Refusal) as caught:
        Reading(stored=b"no object", mask=mask, tagger=TAGGER).field(act())
    assert caught.value.code == 502
