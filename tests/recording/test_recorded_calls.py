"""Recorded calls are found by their Audit-Id, with whether they went to the cluster, in flat memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.clock import SystemClock
from l7gw.identity.principal import Principal
from l7gw.recording.recorded_calls import RecordedCalls
from l7gw.recording.recorder import Recorder
from tests.support.audit_events import PODS, called, changed
from tests.support.journals import ANN, recorded

BOB = Principal("bob", (), "human", "https://idp", "", "10.0.0.2")


def _loaded(state: Path, *others: Path, **more: Any) -> RecordedCalls:
    return RecordedCalls([state, *others], "prod", **more)


def test_a_call_is_found_by_its_id_with_who_and_what(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        called(recorder, "a", "/prod/api/v1/namespaces/shop/pods/web-0/exec?command=ls&stdout=true", "POST", status=101)
        called(recorder, "b", "/version?timeout=32s", who=BOB)
        called(recorder, "c", cluster="other")

    recorded(tmp_path / "state", fill)
    calls = _loaded(tmp_path / "state")
    found = calls.of("a")
    assert found is not None
    assert (found.user, found.exchange, found.verb, found.kind) == (ANN.user, 1, "create", "pods/exec")
    assert (found.namespace, found.name, found.path, found.sent) == ("shop", "web-0", "", "yes")
    assert found.time <= found.answered <= found.ended
    other = calls.of("b")
    assert other is not None and (other.user, other.kind, other.path) == ("bob", "/version", "/version")
    assert calls.of("c") is None and calls.of("") is None and calls.count == 2
    assert calls.has_session(found.session, ANN.user) and not calls.has_session(found.session, "bob")
    assert 0 < calls.oldest <= found.time


SENT = {
    "answered": ({}, "yes"),
    "cut": ({"outcome": "cut"}, "yes"),
    "left by its client within the answer": ({"outcome": "aborted"}, "yes"),
    "left by its client before the answer": ({"outcome": "aborted", "status": 0}, "maybe"),
    "failed": ({"outcome": "failed", "status": 502}, "maybe"),
    "denied": ({"verdict": "deny", "outcome": "denied", "status": 403}, "no"),
    "refused": ({"verdict": "refused", "outcome": "refused", "status": 400}, "no"),
    "denied after it was allowed": ({"outcome": "denied", "status": 403}, "maybe"),
    "running": ({"outcome": None}, "maybe"),
}


@pytest.mark.parametrize("name", SENT)
def test_it_is_known_whether_a_call_went_to_the_cluster(name: str, tmp_path: Path) -> None:
    said, sent = SENT[name]
    recorded(tmp_path / "state", lambda recorder: called(recorder, "a", **said) and None, close=said.get("outcome", "") is not None)
    found = _loaded(tmp_path / "state").of("a")
    assert found is not None and found.sent == sent


def test_a_call_that_was_noted_as_seen_is_not_among_the_unseen(tmp_path: Path) -> None:
    recorded(tmp_path / "state", lambda recorder: [called(recorder, f"a-{n}") for n in range(20)] and None)
    calls = _loaded(tmp_path / "state")
    for number in (0, 7, 8, 19):
        found = calls.of(f"a-{number}")
        assert found is not None
        calls.seen(found, 0)
        assert calls.done_at(found) == 0
        calls.seen(found, 5)
        calls.seen(found, 7)
        assert calls.done_at(found) == 5
    assert calls.seen_count == 4
    left = [one.exchange for one in calls.unseen(0, 2**62)]
    assert left == [n + 1 for n in range(20) if n not in (0, 7, 8, 19)]
    assert list(calls.unseen(2**61, 2**62)) == [] and list(calls.unseen(0, 1)) == []


def test_several_gateways_and_sessions_of_a_process_that_was_killed_are_one(tmp_path: Path) -> None:
    recorded(tmp_path / "one", lambda recorder: called(recorder, "a") and None, close=False)
    recorded(tmp_path / "one", lambda recorder: called(recorder, "b") and None)
    recorded(tmp_path / "two", lambda recorder: called(recorder, "c", outcome=None) and None, close=False)
    calls = _loaded(tmp_path / "one", tmp_path / "two")
    assert [calls.of(one) is not None for one in "abc"] == [True] * 3
    assert (calls.count, calls.unreadable) == (3, 0)


def test_a_block_that_was_changed_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    recorded(state, lambda recorder: called(recorder, "a") and None)
    recorded(state, lambda recorder: called(recorder, "b") and None)
    changed(state)
    calls = _loaded(state)
    assert calls.unreadable == 1 and calls.of("a") is None and calls.of("b") is not None


def test_what_came_long_before_is_not_read(tmp_path: Path) -> None:
    recorded(tmp_path / "state", lambda recorder: called(recorder, "a") and None)
    now = int(SystemClock().wall() * 1e6)
    assert _loaded(tmp_path / "state", since=now + 60 * 3600 * 1_000_000).count == 0
    assert _loaded(tmp_path / "state", since=now + 3600 * 1_000_000).count == 1


def test_a_name_that_is_masked_is_not_compared_and_a_dry_run_is_known(tmp_path: Path) -> None:
    target = f"{PODS}/l7gw-masked-aws-key-0123abcd?dryRun=All"
    recorded(tmp_path / "state", lambda recorder: called(recorder, "a", target, "DELETE") and None)
    found = _loaded(tmp_path / "state").of("a")
    assert found is not None and (found.name, found.dry) == ("", 1)


def test_attempts_without_a_principal_are_calls_that_went_nowhere(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        record = recorder.attempts("prod").begin()
        record.request(method="GET", target=PODS, headers=(), act=None, audit_id="x")
        record.verdict("refused", reason="who are you")
        record.end("refused", "who are you")

    recorded(tmp_path / "state", fill)
    found = _loaded(tmp_path / "state").of("x")
    assert found is not None and (found.user, found.sent) == ("", "no")
