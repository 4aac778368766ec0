"""The calls of a journal are found whole, whatever else the journal holds and whatever of it is gone."""

from __future__ import annotations

import asyncio
import dataclasses
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from l7gw.clock import SystemClock
from l7gw.kube.act import acting
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from l7gw.limits import Limits
from l7gw.recording import events as e
from l7gw.recording import reader
from l7gw.recording.past_calls import PastCalls, act_of
from l7gw.recording.recorder import Recorder
from tests.support.journals import ANN, TTY, call, recorded, shell

PODS = "/api/v1/namespaces/d/pods"
BOB = dataclasses.replace(ANN, user="bob@example.com", kind="agent", actor="copilot", groups=())


def targets(past: PastCalls) -> list[str]:
    return [one.request.target for one in past]


def test_every_judged_call_is_found_once_with_who_made_it(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        shell(recorder.session(ANN, "prod"), [("stdout", False, b"hi")])
        made = call(recorder.session(BOB, "stage"), PODS, "POST")
        made.request_body(b'{"a":1}')
        made.response(200, ())
        made.end("complete")
        call(recorder.session(ANN, "prod"), f"{PODS}?watch=1")  # it runs

    recorded(tmp_path, fill)
    shelled, watched = PastCalls(tmp_path, user=ANN.user)
    (posted,) = PastCalls(tmp_path, user=BOB.user)
    assert (shelled.act.argv, shelled.act.tty, shelled.cluster, shelled.principal) == (("sh",), True, "prod", ANN)
    assert (posted.body, posted.principal.actor, posted.principal.kind, posted.cluster) == (b'{"a":1}', "copilot", "agent", "stage")
    assert (watched.act.verb, watched.verdict.rule, watched.request.exchange) == ("watch", "all", 2)
    assert [one.body for one in PastCalls(tmp_path, bodies=False)] == [None] * 3


def test_what_was_refused_before_the_policy_was_asked_is_no_call(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        recorder.attempts("prod").begin().end("refused")
        session = recorder.session(ANN, "prod")
        for act, verdict in ((None, "refused"), (None, "deny"), (describe("GET", PODS), "refused"), (describe("GET", PODS), None)):
            record = session.begin(run_id="r", client="c", command="")
            record.request(method="GET", target=PODS, headers=(), act=act, audit_id="")
            if verdict is not None:
                record.verdict(verdict, reason="no")  # type: ignore[arg-type]
            record.end("refused")

    recorded(tmp_path, fill)
    assert targets(PastCalls(tmp_path)) == []


def test_the_first_verdict_of_a_call_counts_and_later_ones_do_not(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        watch = call(recorder.session(ANN, "prod"), f"{PODS}?watch=1")
        watch.verdict("deny", rule="later", reason="the policy changed")
        watch.end("cut", "the policy changed")

    recorded(tmp_path, fill)
    (one,) = PastCalls(tmp_path)
    assert (one.verdict.verdict, one.verdict.rule) == ("allow", "all")


def test_what_the_gateway_asked_for_a_call_is_no_verdict_on_it(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        record = recorder.session(ANN, "prod").begin(run_id="r", client="c", command="")
        record.request(method="POST", target=PODS, headers=(), act=describe("POST", PODS), audit_id="")
        record.request_body(b'{"a":1}')
        record.verdict("allow", reason="the gateway's own", own=True)
        record.verdict("deny", rule="few", reason="no")
        record.end("denied")

    recorded(tmp_path, fill)
    (one,) = PastCalls(tmp_path)
    assert (one.verdict.verdict, one.verdict.rule, one.body) == ("deny", "few", b'{"a":1}')


def test_a_call_is_given_with_what_came_of_it_where_that_is_asked_for(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        held = recorder.session(ANN, "prod").begin(run_id="r", client="c", command="")
        held.request(method="POST", target=PODS, headers=(), act=describe("POST", PODS), audit_id="")
        held.verdict("hold", rule="few", reason="a reviewer is asked")
        held.verdict("allow", reason="the gateway's own: GET /api/v1/pods", own=True)
        held.request_body(b'{"a":1}')
        held.verdict("allow", rule="few", reason="approved")
        held.response(201, ())
        held.response_body(b"{}")
        call(recorder.session(ANN, "prod"), f"{PODS}?watch=1").response(200, ())  # it runs
        held.end("complete")
        denied = recorder.session(ANN, "prod").begin(run_id="r", client="c", command="")
        denied.request(method="GET", target=PODS, headers=(), act=describe("GET", PODS), audit_id="")
        denied.verdict("deny", rule="no", reason="no")
        denied.response(403, ())
        denied.end("denied")

    recorded(tmp_path, fill)
    for bodies in (True, False):
        found = [*PastCalls(tmp_path, answers=True, bodies=bodies)]
        assert [(one.verdict.verdict, one.status, one.outcome) for one in found] == [
            ("hold", 201, "complete"),
            ("deny", 403, "denied"),
            ("allow", 200, ""),
        ]
        assert [own.reason for own in found[0].own] == ["the gateway's own: GET /api/v1/pods"]
        assert found[0].body == (b'{"a":1}' if bodies else None)


def test_a_call_as_somebody_else_is_judged_again_as_one(tmp_path: Path) -> None:
    acts = [acting(describe("GET", PODS), as_whom) for as_whom in (None, ActsAs("jane"), ActsAs("jane", ("developers",)))]

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for act in acts:
            record = session.begin(run_id="r", client="c", command="")
            record.request(method="GET", target=PODS, headers=(), act=act, audit_id="")
            record.verdict("allow", reason="")
            record.end("complete")

    recorded(tmp_path, fill)
    assert [(one.act.acts_as, one.act.effects) for one in PastCalls(tmp_path)] == [(act.acts_as, act.effects) for act in acts]


def test_the_recording_of_a_version_without_the_last_fields_is_read(tmp_path: Path) -> None:
    """They were added at the end of `request`: argv and what follows it. What they say is read from the target."""

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        event = e.RequestRecorded(1, 1, 0, "POST", TTY, (), "create", "", "pods", "exec", "d", "web-0", ("execute",), "audit")
        session.append_encoded(msgspec.msgpack.encode(["request", *msgspec.to_builtins(event)[1:15]]))
        session.append(e.VerdictRecorded(2, 1, "all", "allow", "yes"))

    recorded(tmp_path, fill)
    (one,) = PastCalls(tmp_path)
    assert (one.act.argv, one.act.stdin, one.act.tty, one.act.name) == (("sh",), True, True, "web-0")


def test_events_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        made = call(session, PODS)
        session.append_encoded(msgspec.msgpack.encode(["novelty", 7, {"x": 1}]))
        made.response(200, ())
        made.end("complete")

    recorded(tmp_path, fill)
    past = PastCalls(tmp_path)
    assert (targets(past), past.unreadable) == ([PODS], 0)


def test_a_cluster_in_the_path_is_no_part_of_the_act() -> None:
    event = e.RequestRecorded(1, 1, 0, "GET", f"/prod{PODS}?x=1", (), "list", "", "pods", "", "d", "", ("read",), "audit")
    assert act_of(event, "prod").target == f"{PODS}?x=1"
    odd = msgspec.structs.replace(event, target="/api/v1/namespaces/d/pods/a/exec?command=%zz&command=b", subresource="exec")
    assert act_of(odd, "prod").argv == ("%zz", "b")


# ---------------------------------------------------------------------- journals that are not whole


def small_segments(state: Path, number: int) -> None:
    """A journal of many small segments: one session, with so many calls."""

    async def run() -> None:
        recorder = Recorder(state, clock=SystemClock(), reserve=0, loop=asyncio.get_running_loop(), limits=Limits(segment=500))
        recorder.open()
        for index in range(number):
            done = asyncio.get_running_loop().create_future()
            made = call(recorder.session(ANN, "prod"), f"{PODS}/web-{index}")
            made.end("complete")
            made.durable(done.set_result)
            assert await done is None
        recorder.close()

    state.mkdir(mode=0o700)
    asyncio.run(run())


def test_an_open_or_torn_journal_is_read_up_to_its_last_whole_block(tmp_path: Path) -> None:
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "prod"), PODS).end("complete"), close=False)
    (path,) = reader.segments(tmp_path)
    with path.open("ab") as file:
        file.write(path.read_bytes()[:300])  # a block that is just being written
    recorded(tmp_path, lambda recorder: call(recorder.session(BOB, "prod"), PODS).end("complete"))
    past = PastCalls(tmp_path)
    assert ([one.principal.user for one in past], past.unreadable) == ([ANN.user, BOB.user], 0)


def test_a_missing_segment_and_a_changed_block_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    small_segments(state, 6)
    paths = reader.segments(state)
    place = [place for place in reader.places(paths[2]) if not place.header.flags and place.header.session != bytes(16)][-1]
    data = bytearray(paths[2].read_bytes())
    data[place.offset + 180 + 20] ^= 1
    paths[2].write_bytes(data)
    paths[4].unlink()
    past = PastCalls(state)
    found = targets(past)
    assert past.unreadable >= 2 and 3 <= len(found) <= 4 and found[0] == f"{PODS}/web-0"


def test_calls_of_a_session_whose_beginning_is_gone_are_left_out_and_counted(tmp_path: Path) -> None:
    state = tmp_path / "state"
    small_segments(state, 4)
    reader.segments(state)[0].unlink()
    past = PastCalls(state)
    assert (targets(past), past.unreadable > 0) == ([], True)


def test_a_damaged_header_ends_its_segment_and_is_counted(tmp_path: Path) -> None:
    state = tmp_path / "state"
    small_segments(state, 3)
    path = reader.segments(state)[1]
    data = bytearray(path.read_bytes())
    second = list(reader.places(path))[1].offset
    data[second] ^= 1
    path.write_bytes(data)
    past = PastCalls(state)
    assert len(targets(past)) < 3 and past.unreadable > 0


def test_what_was_before_the_time_is_not_unpacked(tmp_path: Path) -> None:
    """A changed block tells whether it was unpacked."""
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "prod"), PODS).end("complete"))
    (path,) = reader.segments(tmp_path)
    place = next(place for place in reader.places(path) if not place.header.flags and place.header.session != bytes(16))
    data = bytearray(path.read_bytes())
    data[place.offset + 200] ^= 1
    path.write_bytes(data)
    for since, unreadable in ((2**52, 0), (0, 1)):
        past = PastCalls(tmp_path, since=since)
        assert (targets(past), past.unreadable) == ([], unreadable)


@pytest.mark.long
def test_the_memory_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    def peak(calls: int) -> int:
        state = tmp_path / str(calls)

        def fill(recorder: Recorder) -> None:
            for number in range(calls):
                made = call(recorder.session(ANN, "prod"), f"{PODS}/web-{number % 100}")
                made.response_body(bytes(2000))
                made.end("complete")

        recorded(state, fill)
        tracemalloc.start()
        try:
            assert sum(1 for _ in PastCalls(state)) == calls
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(6_000) < peak(2_000) * 1.5
