"""A wrong number or id gives a sentence and an exit status, never a traceback. The status is 0 for yes, 1 for no (it does not
exist), 2 for wrong usage, 3 where the command could not tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, cli_run, recorded, shell

CLI = Path(__file__).parent.parent.parent / "l7gw" / "cli"
# Texts that Python's own parsers accept or raise on: superscripts, digits of other scripts, signs, underscores, spaces, floats,
# long numbers.
NO_NUMBERS = [
    "",
    "x",
    "\u00b2",
    "\u0663",
    "\uff12",
    "\u2460",
    "-1",
    "+1",
    "1_0",
    " 1",
    "1 ",
    "1.0",
    "0x1",
    "1/2",
    "9" * 5000,
    "\x00",
    "\udcff",
]
# Commands; `@` stands for a session's id.
NUMBERED = [
    ["export", "@/N", "--format", "jsonl"], ["export", "@/N", "--format", "asciicast"], ["replay", "@/N"], ["replay", "@/N", "--text"],
]  # fmt: skip
WHOLE = [["sessions", "show", "@"], ["sessions", "show", "@", "-o", "json"], ["verify", "@"]]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("state")
    place.chmod(0o700)
    recorded(place, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, b"hi\r\n")]))
    return place


def run(capsys: pytest.CaptureFixture[str], state: Path, command: list[str], number: str = "") -> tuple[int, str, str]:
    session = summaries(state)[0].id
    return cli_run(capsys, *(word.replace("@", session).replace("N", number) for word in command), "--state", state)


@pytest.mark.parametrize("command", NUMBERED, ids=" ".join)
@pytest.mark.parametrize("number", NO_NUMBERS, ids=ascii)
def test_an_argument_that_is_no_number_is_wrong_usage(
    state: Path, capsys: pytest.CaptureFixture[str], command: list[str], number: str
) -> None:
    status, out, err = run(capsys, state, command, number)
    assert (status, out) == (2, "") and "must be an exchange's number" in err


@pytest.mark.parametrize("command", NUMBERED, ids=" ".join)
@pytest.mark.parametrize("number", ["0", "2", "99999", "9999999999"])
def test_an_exchange_that_does_not_exist_is_exit_status_1(
    state: Path, capsys: pytest.CaptureFixture[str], command: list[str], number: str
) -> None:
    status, out, err = run(capsys, state, command, number)
    assert (status, out) == (1, "") and "there is no ex" in err
    assert run(capsys, state, command, "1")[0] == run(capsys, state, command, "01")[0] == 0


@pytest.mark.parametrize("command", [*NUMBERED, *WHOLE], ids=" ".join)
@pytest.mark.parametrize("session", ["", "ffff", "\u00b2", "x" * 5000, "..", "\udcff"], ids=ascii)
def test_a_session_that_does_not_exist_is_exit_status_1(
    state: Path, capsys: pytest.CaptureFixture[str], command: list[str], session: str
) -> None:
    words = [word.replace("@", session).replace("N", "1") for word in command]
    if command[0] == "verify" and session in ("", ".."):
        return  # paths
    status, out, err = cli_run(capsys, *words, "--state", state)
    assert (status, out) == (1, "") and "there is no session" in err


@pytest.mark.parametrize("command", WHOLE, ids=" ".join)
def test_a_command_about_a_whole_session_refuses_an_exchange(
    state: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """The number was once ignored: `verify ID/99999` said that it is intact."""
    for number in ("1", "99999", "\u00b2"):
        status, out, _ = run(capsys, state, [word.replace("@", f"@/{number}") for word in command])
        assert (status, out) == (2, "")


@pytest.mark.parametrize("number", ["nan", "NaN", "-nan", "\u00b2", "inf", "x", ""])
def test_a_replay_speed_that_is_no_number_is_wrong_usage(state: Path, capsys: pytest.CaptureFixture[str], number: str) -> None:
    assert run(capsys, state, ["replay", "@", "--speed", number])[:2] == (2, "")
    if number != "inf":  # infinity is allowed here: no pause is cut
        assert run(capsys, state, ["replay", "@", "--max-idle", number])[:2] == (2, "")


@pytest.mark.parametrize("since", ["\u00b2h", "\u0663h", "30", "h", "-1h", "1.5h", "9999999h", " 1h"])
def test_a_span_without_a_number_and_a_unit_is_wrong_usage(state: Path, capsys: pytest.CaptureFixture[str], since: str) -> None:
    assert run(capsys, state, ["sessions", "list", "--since", since])[:2] == (2, "")


def test_no_command_reads_digits_as_python_does() -> None:
    """`isdigit` is true for superscripts, for which `int` raises. `\\d` matches digits of every script."""
    found = [(path.name, word) for path in CLI.glob("*.py") for word in re.findall(r"isdigit|isnumeric|\\d", path.read_text())]
    assert not found
