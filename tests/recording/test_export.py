"""Exports say what was recorded. Their words stay the same from release to release."""

from __future__ import annotations

import base64
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from l7gw.recording import events as e
from l7gw.recording.execs import execs
from l7gw.recording.export import asciicast, json_lines
from l7gw.recording.gzip_body import LARGEST_DECODED
from l7gw.recording.reader import Blocks
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import find, key_of, summaries
from tests.support.journals import ANN, PLAIN, TTY, call, recorded, session_events, shell
from tests.support.manual_clock import ManualClock


def lines(state: Path, exchange: int | None = None) -> list[dict[str, Any]]:
    summary = summaries(state)[0]
    return list(json_lines(summary, session_events(state, key_of(summary.id)), exchange))


def test_json_lines_of_a_session_have_a_line_for_each_event(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), "/api/v1/namespaces/d/secrets/s", "DELETE")
        exchange.request_body(b'{"propagationPolicy":"Background"}')
        exchange.response(200, (("content-type", "application/json"),))
        exchange.response_body(b"\xff\x00")
        exchange.end("complete")

    recorded(tmp_path, fill)
    first, *events = lines(tmp_path)
    assert (first["type"], first["version"], first["cluster"], first["state"]) == ("session", 1, "prod", "closed")
    assert first["principal"] == {
        "user": "ann@example.com", "groups": ["engineers"], "kind": "human", "issuer": "https://idp", "actor": "", "address": "10.0.0.1",
    }  # fmt: skip
    by_type = {event["type"]: event for event in events}
    request = by_type["request"]
    assert {key: request[key] for key in ("run", "exchange", "method", "verb", "group", "resource", "subresource", "namespace", "name", "effects")} == {
        "run": "run-1", "exchange": 1, "method": "DELETE", "verb": "delete", "group": "", "resource": "secrets", "subresource": "",
        "namespace": "d", "name": "s", "effects": ["delete", "secrets"],
    }  # fmt: skip
    assert request["headers"] == [["accept", "*/*"], ["authorization", "(credential)"]]
    assert by_type["request-body"]["text"] == '{"propagationPolicy":"Background"}'
    assert by_type["verdict"] | {"time": 0, "seq": 0} == {
        "time": 0,
        "seq": 0,
        "run": "run-1",
        "exchange": 1,
        "type": "verdict",
        "rule": "all",
        "verdict": "allow",
        "reason": "allowed",
    }
    assert base64.b64decode(by_type["response-body"]["base64"]) == b"\xff\x00"
    assert by_type["end"]["outcome"] == "complete"
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert min(event["seq"] for event in events) >= 1
    assert all(event["time"].endswith("Z") and len(event["time"]) == 27 for event in events)
    assert (first["exchanges"], first["bytes"], first["denied"], first["held"]) == (1, 36, 0, 0)


def test_header_bytes_are_shown_as_utf_8_else_as_latin_1(tmp_path: Path) -> None:
    tool = "运维工具/v1.32 (linux/amd64)".encode().decode("latin-1")  # as the codecs give it

    def fill(recorder: Recorder) -> None:
        exchange = recorder.session(ANN, "prod").begin(run_id="run", client=tool, command="kubectl get")
        exchange.request(
            method="GET", target="/version", headers=(("user-agent", tool), ("x-forwarded-user", "Zo\xeb")), act=None, audit_id="A"
        )
        exchange.response(200, (("warning", "299 - \u00c3\u00a4"),))
        exchange.end("complete")

    recorded(tmp_path, fill)
    first, *events = lines(tmp_path)
    by_type = {event["type"]: event for event in events}
    assert by_type["request"]["headers"] == [["user-agent", "运维工具/v1.32 (linux/amd64)"], ["x-forwarded-user", "Zoë"]]
    assert by_type["response"]["headers"] == [["warning", "299 - ä"]]
    assert by_type["run"]["client"] == first["runs"][0]["client"] == "运维工具/v1.32 (linux/amd64)"


def test_frames_tell_channel_direction_stream_and_half_close(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), "/api/v1/namespaces/d/pods/p/portforward")
        exchange.frame("port-8080", up=True, stream=3, data=b"GET /")
        exchange.frame("port-8080", up=False, stream=3, data=b"", final=True)
        exchange.end("complete")

    recorded(tmp_path, fill)
    frames = [
        {k: event[k] for k in ("channel", "direction", "stream", "final", "text")}
        for event in lines(tmp_path)
        if event["type"] == "frame"
    ]
    assert frames == [
        {"channel": "port-8080", "direction": "up", "stream": 3, "final": False, "text": "GET /"},
        {"channel": "port-8080", "direction": "down", "stream": 3, "final": True, "text": ""},
    ]


def test_gzip_bodies_are_unpacked_member_by_member_and_say_so(tmp_path: Path) -> None:
    packed = gzip.compress(b"first") + gzip.compress(b" second")

    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), "/api/v1/pods")
        exchange.response(200, (("content-encoding", "gzip"),))
        exchange.response_body(packed[:7])
        exchange.response_body(packed[7:])
        exchange.end("complete")

    recorded(tmp_path, fill)
    bodies = [event for event in lines(tmp_path) if event["type"] == "response-body"]
    assert "".join(body["text"] for body in bodies) == "first second"
    assert {body["encoding"] for body in bodies} == {"gzip"}


def test_a_gzip_body_beyond_the_limit_is_not_unpacked_further(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), "/api/v1/pods")
        exchange.response(200, (("content-encoding", "gzip"),))
        exchange.response_body(gzip.compress(bytes(LARGEST_DECODED + 1_000_000)))
        exchange.end("complete")

    recorded(tmp_path, fill)
    body = next(event for event in lines(tmp_path) if event["type"] == "response-body")
    assert len(body.get("text", "") or body["base64"]) < 2 * LARGEST_DECODED


def test_json_lines_of_one_exchange_have_its_events_alone(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        for _ in range(3):
            call(recorder.session(ANN, "prod"), "/api/v1/pods").end("complete")

    recorded(tmp_path, fill)
    assert {event["exchange"] for event in lines(tmp_path, 2)[1:]} == {2}


def test_a_torn_session_is_torn_and_reads_up_to_its_end(tmp_path: Path) -> None:
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, b"hi")]), close=False)
    summary = summaries(tmp_path)[0]
    assert summary.state == "torn"
    assert summary.document(all_runs=True)["ended"] is not None
    assert lines(tmp_path)[-1]["type"] == "end"


def test_an_asciicast_has_columns_rows_and_whole_runes(tmp_path: Path) -> None:
    rune = "ä".encode()
    frames = [
        ("resize", True, b'{"Width":100,"Height":30}\n'), ("stdout", False, b"a" + rune[:1]), ("stdout", False, rune[1:]),
        ("stdin", True, b"ls\r"), ("resize", True, b'{"Width":90,"Height":20}'), ("stdout", False, b"\xff"),
    ]  # fmt: skip
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), frames))
    summary = summaries(tmp_path)[0]
    (one,) = execs(Blocks(tmp_path, key_of(summary.id)))
    head, *events = map(json.loads, asciicast(one))
    assert (head["version"], head["width"], head["height"]) == (2, 100, 30)
    assert [event[1:] for event in events] == [
        ["r", "100x30"],
        ["o", "a"],
        ["o", "ä"],
        ["i", "ls\r"],
        ["r", "90x20"],
        ["o", "\ufffd"],
    ]


def test_an_asciicast_loses_no_rune_between_stdout_and_stderr_nor_at_its_end(tmp_path: Path) -> None:
    rune = "ä".encode()
    frames = [
        ("stdout", False, b"a" + rune[:1]), ("stderr", False, b"E" + rune[:1]), ("stdout", False, rune[1:]), ("stderr", False, rune[1:]),
        ("stdin", True, rune[:1]), ("stdout", False, b"end" + rune[:1]),
    ]  # fmt: skip
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), frames, PLAIN))
    (one,) = execs(Blocks(tmp_path, key_of(summaries(tmp_path)[0].id)))
    events = [json.loads(line)[1:] for line in list(asciicast(one))[1:]]
    assert events == [["o", "a"], ["o", "E"], ["o", "ä"], ["o", "ä"], ["o", "end"], ["o", "\ufffd"], ["i", "\ufffd"]]


def test_a_body_that_is_no_gzip_is_shown_as_it_is(tmp_path: Path) -> None:
    packed = gzip.compress(b"first ") + b"then garbage"

    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), "/api/v1/pods")
        exchange.response(200, (("content-encoding", "GZIP"),))
        for part in (packed[:26], packed[26:], b"\xff more"):
            exchange.response_body(part)
        exchange.end("complete")
        plain = call(recorder.session(ANN, "prod"), "/api/v1/pods")
        plain.response(200, ())
        plain.response_body(packed)

    recorded(tmp_path, fill)
    bodies = [event for event in lines(tmp_path) if event["type"] == "response-body"]
    assert [(body.get("text"), body.get("encoding")) for body in bodies] == [
        ("first ", "gzip"), ("then garbage", None), (None, None), (None, None),
    ]  # fmt: skip
    assert base64.b64decode(bodies[2]["base64"]) == b"\xff more"
    assert base64.b64decode(bodies[3]["base64"]) == packed


def test_json_lines_have_runs_clock_steps_and_dropped_attempts_too(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        call(session, "/api/v1/pods").end("complete")
        session.append(e.ClockStepped(1_700_000_000_000_000, -1_500_000))
        session.append(e.AttemptsDropped(1_700_000_000_000_000, 7))

    recorded(tmp_path, fill)
    beside = [{k: v for k, v in event.items() if k != "time"} for event in lines(tmp_path) if "exchange" not in event]
    assert beside[1:] == [
        {"seq": 2, "type": "run", "id": "run-1", "client": "kubectl/v1.33", "command": "kubectl exec"},
        {"seq": 6, "type": "clock", "seconds": -1.5},
        {"seq": 7, "type": "dropped", "count": 7},
        {"seq": 8, "type": "ended", "reason": "shutdown"},
    ]


@pytest.mark.parametrize("seed", range(4))
def test_times_of_exports_and_lists_run_on_when_the_wall_clock_is_set(tmp_path: Path, seed: int) -> None:
    """Checked in casts, replays and the list. A correction of less than a second is no step: it may hold times back by as much."""
    dice = random.Random(seed)
    steps = [0.0, 0.0, 3600.0, -3600.0, 86400.0, -1.5, -86400.0, *([0.5, -0.5] if seed % 2 else [])]
    # (seconds until the next output, seconds by which the clock is set, whether the recorder notices before that output)
    pieces = [(dice.uniform(0, 5), dice.choice(steps), dice.choice((True, False))) for _ in range(30)]
    clock = ManualClock()
    expected: list[float] = []
    began = clock.monotonic()

    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), TTY)
        for seconds, step, noticed in pieces:
            clock.advance(seconds)
            clock._wall += step
            if noticed:
                recorder.tick()
            exchange.frame("stdout", up=False, stream=1, data=b"x")
            recorder.session(ANN, "prod").begin(run_id=f"of-{len(expected)}", client="kubectl", command="get").end("complete")
            expected.append(clock.monotonic() - began)
        exchange.end("complete")

    recorded(tmp_path, fill, clock=clock)
    (summary,) = summaries(tmp_path)
    (one,) = execs(Blocks(tmp_path, key_of(summary.id)))
    times = [json.loads(line)[0] for line in list(asciicast(one))[1:]]
    slack = sum(abs(step) for _, step, _ in pieces if abs(step) <= 1.0) + 1e-4
    assert times == sorted(times)
    assert times == [pytest.approx(seconds, abs=slack) for seconds in expected]
    assert summary.last - summary.started.time == pytest.approx((clock.monotonic() - began) * 1e6, abs=slack * 1e6)
    runs = [(run.time - summary.started.time) / 1e6 for run in find(tmp_path, summary.id).runs][1:]
    assert runs == [pytest.approx(seconds, abs=slack) for seconds in expected]


def test_an_export_remembers_open_exchanges_only(tmp_path: Path) -> None:
    """A session may have the exchanges of a whole day."""

    def fill(recorder: Recorder) -> None:
        for _ in range(20):
            exchange = call(recorder.session(ANN, "prod"), "/api/v1/pods")
            exchange.response(200, (("content-encoding", "gzip"),))
            exchange.response_body(gzip.compress(b"x"))
            exchange.end("complete")

    recorded(tmp_path, fill)
    summary = summaries(tmp_path)[0]
    exported = json_lines(summary, session_events(tmp_path, key_of(summary.id)))
    assert [line["text"] for line in exported if line["type"] == "response-body"] == ["x"] * 20
    exported = json_lines(summary, session_events(tmp_path, key_of(summary.id)))
    for line in exported:
        if line["type"] == "ended":
            assert not exported.gi_frame.f_locals["packed"] and not exported.gi_frame.f_locals["run_of"]  # type: ignore[attr-defined]
