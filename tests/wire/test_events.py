"""Heads as values: what counts when two are compared or shown."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from l7gw.wire import events, spdy_events, websocket_events
from l7gw.wire.events import Body, ReadyHead, Request, Response

HEADERS = (("host", "a"),)
SAID: list[tuple[Callable[..., Request | Response], dict[str, Any], dict[str, Any]]] = [
    (
        Request,
        {
            "method": "GET",
            "target": "/",
            "headers": HEADERS,
            "length": 3,
            "keep_alive": False,
            "upgrade": "SPDY/3.1",
            "expects_continue": True,
        },
        {"whole": True, "meaning": "seen", "ready": ReadyHead()},
    ),
    (
        Response,
        {"status": 200, "headers": HEADERS, "length": 3, "keep_alive": False, "upgrade": "websocket"},
        {"shape": object(), "date": "today", "ready": ReadyHead()},
    ),
]  # a kind of head, what it says, and what is kept with it


@pytest.mark.parametrize("kind, said, kept", SAID)
def test_heads_that_say_the_same_are_equal_whatever_is_kept_with_them(
    kind: Callable[..., Any], said: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert kind(**said) == kind(**said, **kept)
    assert repr(kind(**said)) == repr(kind(**said, **kept)) and all(name not in repr(kind(**said)) for name in kept)
    assert {*said, *kept} == set(kind(**said).__struct_fields__), "a field that this test does not know"


@pytest.mark.parametrize("kind, name", [(kind, name) for kind, said, _ in SAID for name in said])
def test_heads_that_differ_in_one_word_are_not_equal(kind: Callable[..., Any], name: str) -> None:
    said = next(said for one, said, _ in SAID if one is kind)
    assert kind(**said) != kind(**{**said, name: "other"})
    assert f"{name}={said[name]!r}" in repr(kind(**said))


def test_a_head_equals_nothing_of_another_kind() -> None:
    assert Request("GET", "/", ()) != Response(200, ()) and Response(200, ()) != (200, ())


@pytest.mark.parametrize("module", [events, spdy_events, websocket_events])
def test_no_event_but_a_request_can_be_changed(module: object) -> None:
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and hasattr(kind, "__struct_config__")]
    assert kinds and {kind for kind in kinds if not kind.__struct_config__.frozen} <= {Request}


def test_a_request_is_freed_that_what_it_means_refers_to() -> None:
    class Meaning:
        request: Request

    meaning, freed = Meaning(), []
    meaning.request = Request("GET", "/", HEADERS)
    meaning.request.meaning = meaning
    weakref.finalize(meaning, freed.append, True)
    del meaning
    gc.collect()
    assert freed


def test_a_body_is_as_small_as_its_one_field() -> None:
    assert (
        sys.getsizeof(Body(b"")) == sys.getsizeof(object()) + 8
    )  # bytes: it is made for each read, and the collector does not count it
