"""What header fields meant on other connections is found by all that a client sends and shows, and never says who calls."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.gateway.familiar import Familiar
from l7gw.gateway.header_fields import HeaderFields
from l7gw.recording.redact import hiding
from l7gw.wire.events import Headers, Request
from tests.gateway.test_known_call import pod_server
from tests.support.raw_client import RawClient
from tests.support.scene import scene

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
OTHER = TOKEN[:-1] + "m"
POD = "/api/v1/namespaces/default/pods/web"


def fields(token: str = TOKEN, run: str = "", **more: str) -> Headers:
    named = {"host": "a", "authorization": f"Bearer {token}", **({"kubectl-session": run} if run else {}), **more}
    return tuple(named.items())


def peer(address: str = "10.0.0.1", http: str = "1.1", certificates: tuple[bytes, ...] = ()) -> Any:
    return SimpleNamespace(address=address, http=http, certificates=certificates)


class Known:
    """Stands for `KnownFields`."""

    def __init__(self, takes_calls: bool = True) -> None:
        self.session = SimpleNamespace(takes_calls=takes_calls)
        self.runs: list[str] = []

    def in_run(self, run: str, _: tuple[Headers, str]) -> Known:
        self.runs.append(run)
        return self


def worker() -> Any:
    return SimpleNamespace(policy=object(), masking=object(), settings=object())


def kept(memory: Familiar, headers: Headers, by: Any = None, under: Any = None, known: Any = None) -> Known:
    """A call with these fields that was proven is known. Returns what is known of it."""
    said = memory.said(headers, by or peer())
    said.known = (one := known or Known(),)
    request = Request("GET", "/", headers)
    said.recorded(hiding(said.token(request), proven=True), proven=True)
    memory.keep(said, under or WORKER)
    return one


WORKER = worker()


@pytest.mark.interpreted
def test_what_is_kept_is_found_by_the_same_fields_from_the_same_address_and_certificate_over_the_same_http_alone() -> None:
    memory = Familiar(32768)
    kept(memory, fields())
    assert memory.said(fields(), peer()).known
    for headers, by in (
        (fields(OTHER), peer()),
        (fields(TOKEN + "A"), peer()),
        (fields()[:1], peer()),
        (fields()[::-1], peer()),
        (fields(accept="a"), peer()),
        (fields(), peer(address="10.0.0.2")),
        (fields(), peer(http="2")),
        (fields(), peer(certificates=(b"a",))),
    ):
        assert not memory.said(headers, by).known


@pytest.mark.interpreted
def test_the_id_of_the_process_alone_may_be_another_and_is_the_one_that_came() -> None:
    memory, first, second = Familiar(32768), str(uuid.UUID(int=0xA1)), str(uuid.UUID(int=0xA2))
    known = kept(memory, fields(run=first))
    said = memory.said(fields(run=second), peer())
    assert said.known and known.runs == [second]
    assert said.run == second and ("kubectl-session", second) in said.recorded(lambda text: text, proven=True)[0]
    for run in ("", "none", second.upper(), f"{second} "):
        assert not memory.said(fields(run=run), peer()).known
    assert not memory.said((*fields(), ("kubectl-session", "")), peer()).known
    known = kept(memory, fields())
    assert memory.said(fields(), peer()).known and known.runs == [""], "without one the run is the connection's"


VALUES = st.sampled_from(("a", "gzip", TOKEN, "l7gw-masked-email-0123456789ab", "application/json", str(uuid.UUID(int=7)), ""))
NAMES = st.sampled_from(("accept", "user-agent", "kubectl-command", "x-own", "impersonate-user", "content-type", "cookie"))


@pytest.mark.interpreted
@given(st.lists(st.tuples(NAMES, VALUES), max_size=5).map(tuple), st.booleans(), st.sampled_from((TOKEN, "")))
def test_fields_that_differ_in_the_process_alone_say_the_same_as_where_they_are_read_anew(
    more: Headers, named: bool, token: str
) -> None:
    def headers(number: int) -> Headers:
        own = (("kubectl-session", str(uuid.UUID(int=number))),) if named else ()
        return (("host", "a"), *more, *own, *((("authorization", f"Bearer {token}"),) if token else ()))

    memory = Familiar(32768)
    kept(memory, headers(1))
    said, plain = memory.said(headers(2), peer()), HeaderFields(headers(2))
    assert said.known
    request = Request("GET", "/", headers(2))
    hide = hiding(plain.token(request), proven=True)
    assert said.recorded(hide, proven=True) == plain.recorded(hide, proven=True)
    assert (said.token(request), said.run, said.placeholder, said.named) == (
        plain.token(request), plain.run, plain.placeholder, plain.named
    )  # fmt: skip
    assert said.passed_on(request) == plain.passed_on(request)


def test_a_call_counts_as_having_come_before_from_its_second_time_on_and_the_oldest_are_forgotten() -> None:
    memory = Familiar(32768, came=2)
    one, two, three = (memory.said(fields(accept=name), peer()) for name in "abc")
    assert [memory.came(said) for said in (one, one, two, three, two, one)] == [False, True, False, False, True, False]


@pytest.mark.interpreted
def test_as_many_places_and_bytes_are_kept_as_there_is_room_for_and_the_oldest_are_forgotten() -> None:
    memory = Familiar(32768, places=3, size=5000)
    for name in "abcd":
        kept(memory, fields(accept=name))
    assert [bool(memory.said(fields(accept=name), peer()).known) for name in "abcd"] == [False, True, True, True]
    kept(memory, fields(accept="e" * 4900))
    assert [bool(memory.said(fields(accept=name), peer()).known) for name in ("b", "c", "d", "e" * 4900)] == [False] * 3 + [True]
    kept(memory, fields(accept="f" * 8200))
    assert not memory.said(fields(accept="f" * 8200), peer()).known, "one head has a quarter of a connection's memory at most"
    assert not memory._size > 5000


@pytest.mark.interpreted
def test_nothing_is_kept_over_another_policy_masking_or_configuration_nor_a_session_that_is_over() -> None:
    for what in ("policy", "masking", "settings"):
        memory, now = Familiar(32768), worker()
        kept(memory, fields(accept="a"), under=now)
        kept(memory, fields(accept="b"), under=now)
        assert memory.said(fields(accept="a"), peer()).known
        setattr(now, what, object())
        kept(memory, fields(accept="c"), under=now)
        assert not memory.said(fields(accept="a"), peer()).known and memory.said(fields(accept="c"), peer()).known, what
    memory = Familiar(32768)
    kept(memory, fields(accept="a"), known=Known(takes_calls=False))
    kept(memory, fields(accept="b"))
    memory.tick()
    assert not memory.said(fields(accept="a"), peer()).known and memory.said(fields(accept="b"), peer()).known


@pytest.mark.interpreted
def test_a_token_that_is_no_longer_than_the_id_of_a_process_is_not_kept() -> None:
    memory = Familiar(32768)
    kept(memory, fields("a" * 36))
    assert not memory.said(fields("a" * 36), peer()).known


def test_users_who_take_turns_over_connections_with_the_same_head_but_for_their_token_are_each_called_as_themselves(
    tmp_path: Any,
) -> None:
    with scene(tmp_path, pod_server) as one:
        bob = one.issuer.token("bob@example.com", ["engineers"])
        stranger = bob[:-8] + ("A" if bob[-8] != "A" else "B") + bob[-7:]
        sessions: dict[str, set[str]] = {one.token: set(), bob: set()}
        for number in range(12):
            for token in (one.token, bob, stranger):
                with RawClient(one.gateway) as client:
                    client.send(one.request(f"GET {POD}", f"Kubectl-Session: {uuid.UUID(int=number)}", token=token))
                    status, headers, _ = client.answer()
                assert status == (401 if token == stranger else 200)
                if token != stranger:
                    sessions[token].add(headers["l7gw-session"])
    (anns,), (bobs,) = sessions.values()
    assert anns != bobs
