"""The body of a request is gathered whole, within its bound."""

from __future__ import annotations

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.refusal import LARGEST_BODY
from l7gw.gateway.request_body import RequestBody


def test_the_parts_are_joined_in_their_order() -> None:
    body = RequestBody()
    for part in (b"one ", b"two ", b"three"):
        body.take(part)
    assert body.joined() == body.joined() == b"one two three"


def test_a_request_without_a_body_has_no_bytes() -> None:
    assert RequestBody().joined() == b""


def test_the_step_that_waits_is_given_at_the_end_and_once() -> None:
    body = RequestBody()

    def step() -> None:
        return None

    body.then(step)
    assert not body.whole
    assert body.end() is step
    assert body.whole
    assert body.end() is None


def test_the_largest_body_is_taken_and_a_byte_more_is_a_413() -> None:
    body = RequestBody()
    body.take(b"x" * LARGEST_BODY)
    with pytest.raises(Refusal) as refused:
        body.take(b"x")
    assert refused.value.code == 413


def test_what_is_put_in_its_place_goes_up_and_is_then_kept_no_more() -> None:
    body = RequestBody()
    body.take(b"l7gw-masked-")
    body.take(b"jwt-12345678")
    body.replace(b"value")
    assert body.joined() == b"value"
    body.clear()
    assert body.joined() == b""
