"""`l7gw export` writes a session for other tools to stdout, and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from l7gw.clock import SystemClock
from l7gw.recording import reader
from l7gw.recording.layout import HEADER_SIZE
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, PLAIN, call, cli_run, recorded, shell


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A session of a get, an exec with a terminal and one without."""

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        call(session, "/api/v1/pods").end("complete")
        shell(session, [("resize", True, b'{"Width":90,"Height":30}'), ("stdout", False, "ä\r\n".encode())])
        shell(session, [("stdout", False, b"out\n"), ("stderr", False, b"err\n"), ("error", False, b'{"status":"Success"}')], PLAIN)

    recorded(tmp_path, fill)
    return tmp_path


@pytest.fixture
def session(state: Path) -> str:
    return summaries(state)[0].id


def export(capsys: pytest.CaptureFixture[str], state: Path, what: str, form: str) -> tuple[int, str, str]:
    return cli_run(capsys, "export", what, "--format", form, "--state", state)


def test_json_lines_are_the_session_and_its_events(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = export(capsys, state, session, "jsonl")
    first, *events = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert (first["type"], first["version"], first["id"]) == ("session", 1, session)
    assert [(event["type"], event.get("exchange")) for event in events] == [
        ("run", None),
        ("request", 1), ("verdict", 1), ("end", 1),
        ("request", 2), ("verdict", 2), ("response", 2), ("frame", 2), ("frame", 2), ("end", 2),
        ("request", 3), ("verdict", 3), ("response", 3), ("frame", 3), ("frame", 3), ("frame", 3), ("end", 3),
        ("ended", None),
    ]  # fmt: skip
    assert all({"time", "seq"} <= set(event) for event in events)
    assert {event["run"] for event in events if "exchange" in event} == {"run-1"}


def test_one_exchange_of_a_session_by_a_beginning_of_its_id(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = export(capsys, state, f"{session[:13]}/3", "jsonl")
    assert status == 0
    assert {json.loads(line).get("exchange", 3) for line in out.splitlines()} == {3}


def test_an_asciicast_is_one_exec(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = export(capsys, state, session, "asciicast")
    assert (status, out) == (2, "")
    assert err == (
        "l7gw: there are 2 execs; an asciicast file holds one. Say which:\n"
        f"  {session}/2  web-0 sh\n  {session}/3  web-0 ls\n"
    )  # fmt: skip
    status, out, _ = export(capsys, state, f"{session}/2", "asciicast")
    head, *events = [json.loads(line) for line in out.splitlines()]
    assert (status, head["version"], head["width"], head["height"]) == (0, 2, 90, 30)
    assert [event[1:] for event in events] == [["r", "90x30"], ["o", "ä\r\n"]]
    out = export(capsys, state, f"{session}/3", "asciicast")[1]
    head, *events = [json.loads(line) for line in out.splitlines()]
    assert (head["width"], head["height"]) == (80, 24)
    assert [event[1:] for event in events] == [["o", "out\r\n"], ["o", "err\r\n"]]


def test_exporting_a_session_or_exec_that_does_not_exist_is_exit_status_1(
    state: Path, session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(capsys, state, "ffff", "jsonl")[0] == 1
    assert export(capsys, state, f"{session}/1", "asciicast")[0] == 1
    status, out, err = export(capsys, state, f"{session}/99", "asciicast")
    assert (status, out) == (1, "") and "no exec" in err


def test_wrong_usage_of_export_is_told(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(capsys, state, session, "har")[0] == 2
    assert export(capsys, state, f"{session}/x", "jsonl")[0] == 2
    assert cli_run(capsys, "export", session, "--state", state)[0] == 2


def test_a_damaged_session_is_exported_up_to_the_damage(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = reader.segments(state)[0]
    place = list(reader.places(path))[-2]
    data = bytearray(path.read_bytes())
    data[place.offset + HEADER_SIZE] ^= 1
    path.write_bytes(data)
    status, out, err = export(capsys, state, session, "jsonl")
    assert status == 1 and json.loads(out.splitlines()[0])["id"] == session
    assert "was changed" in err and "hint: l7gw verify" in err


def test_a_running_session_is_exported_so_far_and_marked_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o700)

    async def run() -> str:
        loop = asyncio.get_running_loop()
        recorder = Recorder(tmp_path, clock=SystemClock(), reserve=0, loop=loop)
        recorder.open()
        done = loop.create_future()
        call(recorder.session(ANN, "prod"), "/api/v1/pods").durable(done.set_result)
        assert await done is None
        out = export(capsys, tmp_path, summaries(tmp_path)[0].id, "jsonl")[1]
        recorder.close()
        return out

    first, *_, last = [json.loads(line) for line in asyncio.run(run()).splitlines()]
    assert (first["state"], first["ended"]) == ("open", None)
    assert last == {"type": "open"}


def test_json_lines_escape_what_would_break_a_line_or_harm_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "ä \n\r\x1b]0;x\x07 \x9b6n \u2028 \u2029 \x85 \u202e \U000e0041 \ufeff \u3164 \ufe0f \u2066 \ufffa"
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, hostile.encode())]))
    status, out, _ = export(capsys, tmp_path, summaries(tmp_path)[0].id, "jsonl")
    assert status == 0 and "ä" in out
    assert not set(out) & set("\r\x1b\x07\x9b\u2028\u2029\x85\u202e\U000e0041\ufeff\u3164\ufe0f\u2066\ufffa")
    assert len(out.splitlines()) == out.count("\n")
    (frame,) = [document for document in map(json.loads, out.splitlines()) if document["type"] == "frame"]
    assert frame["text"] == hostile
