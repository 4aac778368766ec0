"""Which answers may be handed on as the one before, and what stays as it was."""

from __future__ import annotations

import pytest

from l7gw.gateway.known_answer import KnownAnswer, can_be_known
from l7gw.masking.bodies.answers import AS_IT_CAME, Choice
from l7gw.masking.bodies.bodies import ASKED_HERE, Masked
from l7gw.wire.events import CHUNKED, Response

SHAPE = object()
OBJECT = Choice(sort="object")


def answer(status: int = 200, shape: object = SHAPE, date: str = "one") -> Response:
    return Response(status, (("date", date), ("content-type", "application/json")), 2, shape=shape, date=date)


@pytest.mark.parametrize("status", [199, 300, 304, 403, 404, 422, 500])
def test_only_successes_are_known(status: int) -> None:
    assert not can_be_known(answer(status), OBJECT)
    assert can_be_known(answer(200), OBJECT) and can_be_known(answer(201), OBJECT)


@pytest.mark.parametrize(
    "choice",
    [Choice(sort="watch"), Choice(sort="log"), Choice(sort="text"), Choice(sort="unmasked"), Choice(sort="object", packed="gzip")],
)
def test_answers_whose_bodies_are_masked_as_they_come_are_not_known(choice: Choice) -> None:
    assert not can_be_known(answer(), choice)
    assert can_be_known(answer(), AS_IT_CAME)


def test_answers_whose_head_the_codec_does_not_recognise_are_not_known() -> None:
    assert not can_be_known(answer(shape=None), OBJECT)


def known(choice: Choice = AS_IT_CAME) -> KnownAnswer:
    shown = (("date", "one"), ("content-type", "application/json"), ("l7gw-session", "s"), ("audit-id", "first"))
    return KnownAnswer(answer(), shown, choice)


def test_a_head_has_the_audit_id_of_its_call_and_the_date_of_its_answer() -> None:
    head = known().at("two").head("second", 5, 5)
    assert head.headers == (("date", "two"), ("content-type", "application/json"), ("l7gw-session", "s"), ("audit-id", "second"))


def test_bytes_that_were_made_ready_are_those_of_one_date() -> None:
    one = known()
    first, second, third = one.at("one").head("a", 1, 1), one.at("one").head("b", 1, 1), one.at("two").head("c", 1, 1)
    assert first.ready is second.ready and first.ready is not third.ready


def test_a_body_that_passes_as_it_comes_is_framed_as_the_cluster_did() -> None:
    assert known().head("a", CHUNKED, 5).length == CHUNKED


@pytest.mark.parametrize(("size", "held"), [(3, True), (100_000, True), (ASKED_HERE, True), (ASKED_HERE + 1, False)])
def test_a_body_as_large_as_a_read_is_searched_and_no_larger_one(size: int, held: bool) -> None:
    class Masks:
        asked = 0

        one_view = True

        def needs_reading(self, data: bytes, _listed: str = "") -> bool:
            self.asked += len(data)
            return data.startswith(b'{"secret"')

        def mask(self, *_: object, **__: object) -> Masked:
            raise AssertionError

    masks = Masks()
    assert known(OBJECT).passes(masks, b"{" + b" " * (size - 2) + b"}") is held
    assert masks.asked == (size if held else 0)
    assert not known(OBJECT).passes(masks, b'{"secret":1}')
