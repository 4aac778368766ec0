"""A line of the access log: its keys in their order, and nothing in it that a terminal obeys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.config.settings import Kind
from l7gw.gateway.access_form import LONGEST, LONGEST_ACT, AccessEvent, AccessForm, brief
from l7gw.gateway.access_lines import as_json, as_text
from l7gw.gateway.access_log import Access, Short
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from tests.support import plain_access_lines

KEYS = """
    time level room event address user kind session run cluster verb group resource subresource namespace name verdict rule status
    up down ms cluster_ms disk_ms held_ms audit_id http reason
""".split()


def line(act: Act | None = None, **changed: Any) -> Access:
    said = {
        "address": "10.0.0.9",
        "principal": Principal("ann", kind="agent"),
        "session": "s",
        "run": "r",
        "cluster": "prod",
        "act": act or describe("GET", "/api/v1/namespaces/dev/pods/web-0"),
        "http": "2",
        "verdict": "allow",
        "rule": "all",
        "event": "call",
        "at": 1_700_000_000.25,
        "status": 200,
        "up": 0,
        "down": 12,
        "whole": 0.0123456,
        "at_cluster": 0.01,
        "for_disk": 0.0,
        "for_human": 0.0,
        "audit_id": "a",
        "reason": "",
        **changed,
    }
    form = AccessForm(*[said.pop(key) for key in "address principal session run cluster act http verdict rule".split()])
    return plain_access_lines.Named(form, **said)


def test_a_line_of_json_has_the_keys_in_their_order() -> None:
    said = json.loads(as_json([line()]))
    assert list(said) == KEYS
    assert said == {
        "time": "2023-11-14T22:13:20.250000Z",
        "level": "info",
        "room": "access",
        "event": "call",
        "address": "10.0.0.9",
        "user": "ann",
        "kind": "agent",
        "session": "s",
        "run": "r",
        "cluster": "prod",
        "verb": "get",
        "group": "",
        "resource": "pods",
        "subresource": "",
        "namespace": "dev",
        "name": "web-0",
        "verdict": "allow",
        "rule": "all",
        "status": 200,
        "up": 0,
        "down": 12,
        "ms": 12.346,
        "cluster_ms": 10.0,
        "disk_ms": 0.0,
        "held_ms": 0.0,
        "audit_id": "a",
        "http": "2",
        "reason": "",
    }


def test_what_there_was_not_is_null_or_an_empty_text() -> None:
    said = json.loads(as_json([line(principal=None, status=0, at_cluster=-1.0, verdict="", rule="")]))
    assert (said["user"], said["kind"], said["status"], said["cluster_ms"], said["verdict"], said["rule"]) == (
        "",
        "",
        None,
        None,
        "",
        "",
    )


def test_a_path_that_is_no_resource_is_the_name() -> None:
    said = json.loads(as_json([line(describe("GET", "/healthz?verbose"))]))
    assert (said["verb"], said["resource"], said["name"]) == ("get", "", "/healthz")


def test_the_text_says_who_what_and_how_it_ended_in_one_order() -> None:
    act = describe("POST", "/api/v1/namespaces/dev/pods/web-0/exec?command=sh&stdout=true")
    said = as_text([line(act, verdict="deny", rule="no shells", status=403, at_cluster=-1.0, reason="denied by rule 'no shells'")])
    assert said.decode().split(" ", 1)[1] == (
        "call    403 ann from 10.0.0.9 at prod create pods/web-0/exec -n dev deny by 'no shells' up 0 down 12 bytes 12.3 ms HTTP/2 "
        "session s run r audit a: denied by rule 'no shells'\n"
    )


def test_the_shortest_line_with_a_field_that_is_too_long_is_cut() -> None:
    act = Act(verb="", path="/" + "x" * LONGEST, query="", effects=frozenset())
    empty = dict.fromkeys(("address", "session", "run", "cluster", "verdict", "rule", "audit_id", "http"), "")
    said = json.loads(as_json([line(act, principal=None, status=0, at_cluster=-1.0, **empty)]))
    assert len(said["name"]) == LONGEST and said["name"].endswith("…")


HOSTILE = st.text(st.characters(), max_size=700)


@pytest.mark.parametrize("form", [as_json, as_text], ids=["json", "text"])
@given(name=HOSTILE, user=HOSTILE, reason=HOSTILE)
def test_whatever_a_caller_writes_is_one_bounded_line_that_no_terminal_obeys(form: Any, name: str, user: str, reason: str) -> None:
    act = Act(verb="get", path="/", query="", effects=frozenset(), is_resource=True, resource="pods", name=name, namespace=name)
    shown: bytes = form([line(act, principal=Principal(user), reason=reason)])
    text = shown.decode()
    assert text.endswith("\n") and text.count("\n") == 1 and text[:-1].isprintable()
    assert len(text) < 10 * 4 * LONGEST + 1000


WORDS = st.text(st.sampled_from('ab "\\'), min_size=1, max_size=20)


@given(name=WORDS, space=WORDS, user=WORDS)
def test_what_a_caller_writes_stays_one_word_of_the_text(name: str, space: str, user: str) -> None:
    act = Act(verb="get", path="/", query="", effects=frozenset(), is_resource=True, resource="pods", name=name, namespace=space)
    said = as_text([line(act, principal=Principal(user))]).decode()
    words = re.findall(r'"[^"]*"|[^ ]+', said)
    plain = as_text([line(describe("GET", "/api/v1/namespaces/n/pods/p"), principal=Principal("u"))]).decode()
    assert len(words) == len(plain.split())


# ---------------------------------------------------------------------- the plain twin

SECONDS = st.builds(
    lambda micros, part: max(micros + part, 0.0) / 1e6,
    st.integers(0, 10**11) | st.integers(0, 1_000_100) | st.integers(0, 2),
    st.floats(-0.49, 0.49),
)
PLAIN = st.text(st.sampled_from('ab-1 "\\/\x00\x7f\n\u00e4\ud800'), max_size=8) | st.sampled_from(
    ["x" * LONGEST, "x" * (LONGEST + 1)]
)
ANY = PLAIN | HOSTILE
EVENTS = st.sampled_from(get_args(AccessEvent))
ACTS = st.builds(
    Act, verb=ANY, path=ANY, query=st.just("?q"), effects=st.just(frozenset()), is_resource=st.booleans(),
    group=ANY, resource=ANY, subresource=ANY, namespace=ANY, name=ANY,
)  # fmt: skip
FORMS = st.builds(
    AccessForm, address=ANY, principal=st.none() | st.builds(Principal, user=ANY, kind=st.sampled_from(get_args(Kind))), session=ANY,
    run=ANY, cluster=ANY, act=ACTS, http=st.sampled_from(["1.1", "2"]), verdict=ANY, rule=ANY, ends=st.just((-1, "", "")),
)  # fmt: skip
SIZES = st.just(0) | st.integers(0, 5000) | st.integers(0, 2**63)
# What differs between lines of one form. Times that are half way between two microseconds are left out: they may be told as either
REST = st.fixed_dictionaries(
    {"event": EVENTS, "at": st.floats(1, 4e9), "status": st.sampled_from([0, 101, 200, 404, 503]), "up": SIZES, "down": SIZES, "whole": SECONDS,
    "at_cluster": SECONDS | st.just(-1.0), "for_disk": st.just(0.0) | SECONDS, "for_human": st.just(0.0) | SECONDS,
    "audit_id": st.uuids().map(str), "reason": st.just("") | ANY}
)  # fmt: skip


def told(write: Callable[[list[Any]], bytes], one: Access | Short) -> bytes | None:
    """The line; None where it cannot be made."""
    try:
        return write([one])
    except UnicodeError:
        return None


@pytest.mark.parametrize("plain", [plain_access_lines.as_json, plain_access_lines.as_text], ids=["json", "text"])
@given(form=FORMS, rests=st.lists(REST, min_size=1, max_size=6))
def test_lines_that_share_a_form_are_byte_for_byte_those_made_field_by_field(
    plain: Callable[[Access], bytes], form: AccessForm, rests: list[dict[str, Any]]
) -> None:
    write = as_json if plain is plain_access_lines.as_json else as_text
    lines = [plain_access_lines.Named(form, **rest) for rest in rests]
    singly = [told(lambda some: b"".join(map(plain, some)), one) for one in lines]
    assert [told(write, one) for one in lines] == singly
    if None not in singly:
        assert write(lines) == b"".join(filter(None, singly))


# What is handed on of calls whose head came before: seconds around those of which the digits are looked up, and a call that never went up
SHORTS = st.tuples(
    st.floats(1, 4e9), st.sampled_from([200, 404]), SIZES, st.integers(0, 1_100_000), st.just(0.0) | st.just(10_000.0),
    st.integers(-10, 1_100_000), st.uuids().map(str),
)  # fmt: skip


@pytest.mark.parametrize("plain", [plain_access_lines.as_json, plain_access_lines.as_text], ids=["json", "text"])
@given(
    forms=st.lists(FORMS, min_size=1, max_size=2),
    shorts=st.lists(SHORTS, min_size=1, max_size=6),
    rest=REST,
    place=st.integers(0, 6),
)
def test_short_lines_are_byte_for_byte_those_of_calls_that_are_like_no_other_and_keep_their_order(
    plain: Callable[[Access], bytes], forms: list[AccessForm], shorts: list[tuple[Any, ...]], rest: dict[str, Any], place: int
) -> None:
    write = as_json if plain is plain_access_lines.as_json else as_text
    lines: list[Access | Short] = []
    wanted: list[Access] = []
    for number, (at, status, down, took, went_up, waited, audit_id) in enumerate(shorts):
        form, answered = forms[number % len(forms)], went_up + waited / 1e6
        lines.append((form, at, status, down, took / 1e6, went_up, answered, audit_id))
        at_cluster = answered - went_up if went_up else -1.0
        wanted.append(plain_access_lines.Named(form, "call", at, status, 0, down, took / 1e6, at_cluster, 0.0, 0.0, audit_id, ""))
    other = plain_access_lines.Named(forms[0], **rest)
    lines.insert(place, other)
    wanted.insert(place, other)
    singly = [told(lambda some: b"".join(map(plain, some)), one) for one in wanted]
    assert [told(write, one) for one in lines] == singly
    if None not in singly:
        assert write(lines) == write(lines) == b"".join(filter(None, singly)), "the second time each form is known"


@pytest.mark.parametrize("size", [LONGEST - 20, LONGEST, LONGEST + 1, LONGEST_ACT, 30_000])
@pytest.mark.parametrize(
    "target",
    [
        "/logs/{}",
        "/api/v1/namespaces/dev/pods/{}",
        "/api/v1/namespaces/{}/pods/web-0/log",
        "/api/v1/namespaces/dev/pods?labelSelector={}",
        "/apis/{}/v1/namespaces/dev/things/one",
        "/api/v1/namespaces/dev/pods/%C3%A4{}",
    ],
)
def test_of_a_long_act_no_more_waits_for_its_line_than_that_says(target: str, size: int) -> None:
    act = describe("GET", target.format("a" * size))
    kept = brief(act)
    assert len(kept.path) + len(kept.query) <= LONGEST_ACT
    assert sum(len(text) for text in (kept.verb, kept.group, kept.resource, kept.namespace, kept.name)) <= LONGEST_ACT
    for make in (as_json, as_text):
        assert make([line(kept)]) == make([line(act)])


def test_as_whom_a_call_is_made_does_not_wait_for_its_line() -> None:
    act = msgspec.structs.replace(describe("GET", "/version"), acts_as=ActsAs("bob", tuple(f"group-{n}" for n in range(20))))
    assert brief(act).acts_as is None
    assert as_json([line(brief(act))]) == as_json([line(act)])
