"""Execs are found with all that their titles say, and their frames are read anew each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from l7gw.recording import reader
from l7gw.recording.execs import Exec, execs, sizes
from l7gw.recording.export import asciicast
from l7gw.recording.reader import Blocks, Mark
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import key_of, summaries
from tests.support.journals import ANN, recorded, shell


def test_a_terminal_size_without_two_whole_numbers_is_left_out() -> None:
    assert sizes(b'{"Width":100,"Height":30}\n{"width":90,"height":99999}') == [(100, 30), (90, 1000)]
    assert sizes(b'{"Width":1e999,"Height":1}{"Width":80,"Height":24}') == [(80, 24)]
    for none in (
        b"", b"nonsense", b'{"Width":0,"Height":0}', b'{"Width":0,"Height":24}', b'{"Width":null,"Height":24}', b'{"Width":80.5,"Height":24}',
        b'{"Width":-1,"Height":24}', b'{"Width":true,"Height":24}', b'{"Width":"80","Height":24}', b'{"Width":1e999,"Height":24}',
        b'{"Width":NaN,"Height":24}', b'{"Width":80', b'{"Height":24}', b"[" * 100_000, b"{" * 100_000, b'{"Width":{"a":1},"Height":2}', b"\xff\xfe{}",
        b'{"Width":' + b"9" * 5000 + b',"Height":1}',
    ):  # fmt: skip
        assert sizes(none) == [], none


def test_a_terminal_that_never_told_its_size_is_80_by_24(tmp_path: Path) -> None:
    resizes = [("resize", True, b'{"Width":0,"Height":0}'), ("stdout", False, b"x"), ("resize", True, b"nonsense")]
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), resizes))
    (one,) = execs(Blocks(tmp_path, key_of(summaries(tmp_path)[0].id)))
    assert one.size == (80, 24)
    assert [json.loads(line)[1:] for line in list(asciicast(one))[1:]] == [["o", "x"]]


def test_frames_of_an_exec_are_read_from_the_journal_again_and_not_kept_in_memory(tmp_path: Path) -> None:
    """A recording may hold gigabytes."""
    readings: list[int] = []
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, b"x")] * 3))

    def read(begin: Mark | None) -> Any:
        readings.append(1)
        return Blocks(tmp_path, key_of(summaries(tmp_path)[0].id))(begin)

    (one,) = execs(read)
    assert len(readings) == 1 and not isinstance(one.frames, list)
    assert [len(list(one.frames)) for _ in range(2)] == [3, 3]
    assert len(readings) == 3


def test_showing_all_execs_reads_each_block_about_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once to find the execs, and once to show them. Otherwise showing a day of an agent's execs would take a day."""
    read: list[tuple[Path, int]] = []
    events_at = reader.events_at

    def counted(place: reader.Place) -> Any:
        read.append((place.path, place.offset))
        return events_at(place)

    def fill(recorder: Recorder) -> None:
        for number in range(60):
            shell(recorder.session(ANN, "prod"), [("stdout", False, bytes(100_000)), ("stdout", False, b"%d" % number)])

    recorded(tmp_path, fill)
    monkeypatch.setattr(reader, "events_at", counted)
    shown = execs(Blocks(tmp_path, key_of(summaries(tmp_path)[0].id)))
    assert [list(one.frames)[-1].data for one in shown] == [b"%d" % number for number in range(60)]
    blocks = len(set(read))
    assert blocks > 3
    assert len(read) <= 3 * blocks + len(shown)  # a block in which one exec ends and another begins is read for both


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (b'{"status":"Success"}', 0), (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"137"}]}}', 137),
        (b'{"status":"Failure","message":"gone"}', None), (b"", None), (b"plain text", None), (b"[]", None), (b"[" * 100_000, None),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"x"}]}}', None), (b'{"status":"Failure","details":null}', None),
    ],
)  # fmt: skip
def test_the_exit_status_is_what_the_error_channel_says(status: bytes, code: int | None) -> None:
    assert Exec(1, "/exec", "web-0", 0, False, status=status).exit_status == code


def test_an_exec_has_what_its_title_says(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        target = "/api/v1/namespaces/d/pods/web-0/exec?command=sh&command=-c&command=exit%202&container=app&stdout=true"
        failed = b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"2"}]}}'
        shell(session, [("stdout", False, b"x"), ("error", False, failed[:20]), ("error", False, failed[20:])], target)
        shell(session, [("stdout", False, b"x")], "/api/v1/namespaces/d/pods/web-0/attach?stdout=true")

    recorded(tmp_path, fill)
    first, second = execs(Blocks(tmp_path, key_of(summaries(tmp_path)[0].id)))
    assert (first.namespace, first.name, first.container, first.argv, first.exit_status) == (
        "d",
        "web-0",
        "app",
        ("sh", "-c", "exit 2"),
        2,
    )
    assert (second.container, second.argv, second.exit_status) == ("", None, None)
