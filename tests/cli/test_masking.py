"""`l7gw masking`: what is listed, what is told of a text, and what never is: the value."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from l7gw.cli.main import main
from l7gw.cli.masking import BY_PLACE
from l7gw.masking.detectors.cost import log
from l7gw.masking.detectors.table import BUILT_IN
from tests.support.written_configuration import Written

SECRET = "ghp_" + "aB3d" * 9


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("L7GW_CONFIG", raising=False)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command: its exit status, stdout and stderr."""

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["l7gw", "masking", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


@pytest.fixture
def written(tmp_path: Path) -> Written:
    made = Written(tmp_path)
    made.top["masking"] = {"detectors": {"email": "on"}, "patterns": [{"name": "employee-id", "pattern": "EMP-[0-9]{6}"}]}
    made.load()
    return made


def test_without_a_configuration_the_detectors_that_come_with_l7gw_are_listed(said: Any) -> None:
    status, out, _ = said("detectors", "-o", "json")
    listed = json.loads(out)
    assert status == 0 and [one["name"] for one in listed] == [one.name for one in BUILT_IN]
    assert all(list(one) == ["name", "finds", "anchor", "ns_per_byte", "on"] and one["ns_per_byte"] > 0 for one in listed)
    assert {one["name"] for one in listed if not one["on"]} == {"email", "card-number"}


def test_the_configuration_s_switches_and_patterns_are_listed_too(said: Any, written: Written) -> None:
    _, out, _ = said("detectors", "-o", "json", "--config", str(written.path))
    listed = {one["name"]: one for one in json.loads(out)}
    assert listed["email"]["on"] and listed["employee-id"]["on"] and listed["employee-id"]["anchor"] == "EMP-"
    status, out, _ = said("detectors", "--config", str(written.path))
    assert status == 0 and "employee-id" in out and "EMP-[0-9]{6}" in out


def test_finds_are_told_by_offset_and_line(said: Any, tmp_path: Path) -> None:
    text = f"one\nx password=hunter2\r\n\n  {SECRET}".encode()
    (tmp_path / "a.log").write_bytes(text)
    status, out, _ = said("try", str(tmp_path / "a.log"), "-o", "json")
    found = json.loads(out)
    assert status == 0 and [(one["detector"], one["line"]) for one in found] == [("password", 2), ("github-token", 4)]
    assert [text[one["start"] : one["end"]] for one in found] == [b"hunter2", SECRET.encode()]
    assert all(list(one) == ["detector", "start", "end", "line"] for one in found)


def test_people_see_where_values_stand_and_no_value(said: Any) -> None:
    text = f"login ann password=hunter2 token {SECRET} end\x1b[2J"
    status, out, err = said("try", "-", stdin=text.encode())
    assert status == 0
    assert out == (
        "1:20: password, 7 bytes: login ann password=********\n"
        "1:34: github-token, 40 bytes: login ann password=******* token ********\n"
    )
    assert err == f"2 values would be masked by detectors; {BY_PLACE}\n"


def test_nothing_found_is_a_status_of_0_too(said: Any) -> None:
    assert said("try", "-", "-o", "json", stdin=b"nothing") == (0, "[]\n", "")
    assert said("try", "-", stdin=b"") == (0, "", f"no values would be masked by detectors; {BY_PLACE}\n")


def test_values_far_into_a_long_text_have_their_line_and_place(said: Any, tmp_path: Path) -> None:
    text = log() + b"password=hunter2\n" + log() + b"password=hunter3\n"
    (tmp_path / "long.log").write_bytes(text)
    _, out, _ = said("try", str(tmp_path / "long.log"), "-o", "json")
    found = json.loads(out)
    assert [text[one["start"] : one["end"]] for one in found] == [b"hunter2", b"hunter3"]
    assert [one["line"] for one in found] == [text[: one["start"]].count(b"\n") + 1 for one in found]


def test_patterns_of_the_configuration_are_tried(said: Any, written: Written) -> None:
    _, out, _ = said("try", "-", "-o", "json", "--config", str(written.path), stdin=b"EMP-123456 ann@example.com")
    assert [one["detector"] for one in json.loads(out)] == ["employee-id", "email"]


def test_a_wrong_configuration_and_a_file_that_is_not_there_are_a_status_of_2(said: Any, written: Written, tmp_path: Path) -> None:
    written.top["masking"]["patterns"][0]["pattern"] = "("
    written.load()
    for command in (("detectors",), ("try", "-")):
        status, _, err = said(*command, "--config", str(written.path))
        assert status == 2 and f"{written.path}:" in err and "RE2" in err
    assert said("try", "-", "--config", str(tmp_path / "not-there.yaml"))[0] == 2
    status, _, err = said("try", str(tmp_path / "not-there.log"))
    assert status == 2 and "cannot be read" in err


def test_whoever_reads_no_further_hears_nothing_of_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """As `l7gw masking try app.log | head -1` does."""
    (tmp_path / "app.log").write_text(f"token {SECRET}\n")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "l7gw", "masking", "try", str(tmp_path / "app.log")]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=30)
    os.close(writer)
    assert b"cannot be read" not in done.stderr and b"Traceback" not in done.stderr
