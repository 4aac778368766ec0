"""Every command, with every file that it takes being the wrong one, ends with words, a hint and an exit status: never with an errno, a
traceback or a bug.

The table is made of the commands themselves: a new command is in it at once, and needs only what it cannot do without in GIVEN.
"""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest

from l7gw.cli.main import cli, main
from l7gw.recording.layout import MAGIC, VERSION
from tests.support.journals import ANN, call, recorded
from tests.support.written_configuration import Written

GIVEN = {  # what a command cannot do without
    "name": "prod", "cluster": "prod", "hold": "0198", "grant": "0198", "group": "sre", "session": "0198", "session_id": "0198",
    "verb": "get", "resource": "pods", "issuer": "https://127.0.0.1:1", "client_id": "x", "lasting": "10m", "reason": "r",
    "form": "jsonl", "user": "ann", "address": "localhost:8443", "pattern": "x",
}  # fmt: skip
FILES = ("what", "answer", "files")  # arguments that name files and are not of click's type for them
NEVER = re.compile(r"Errno|Traceback|a bug|\[SSL|_ssl\.c|object at 0x")
ASKS_NOBODY = ("demo",)


def commands(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from commands(inner, (*path, name))


def takes_file(parameter: click.Parameter) -> bool:
    of_files = isinstance(parameter.type, click.Path | click.File) or parameter.name in FILES
    return of_files or "--certificate-authority" in parameter.opts


ROWS = [
    (path, parameter.name or "")
    for path, command in commands()
    if path[0] not in ASKS_NOBODY
    for parameter in command.params
    if takes_file(parameter)
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration without a mistake and its state, and beside them what is none."""
    folder = tmp_path_factory.mktemp("place")
    written = Written(folder)
    written.prod["hosts"] = ["prod.example.com"]
    written.load()
    recorded(folder / "state", lambda recorder: call(recorder.session(ANN, "prod"), "/api").end("complete"))
    wrong = folder / "wrong"
    for path in (wrong / "folder", wrong / "locked", wrong / "later" / "journal"):
        path.mkdir(parents=True)
    (wrong / "link").symlink_to(wrong / "link")
    (wrong / "locked" / "file").write_text("secret")
    (wrong / "later" / "journal" / "00000001-later.l7j").write_bytes(MAGIC + bytes([VERSION + 1]) + bytes(200))
    for path in (wrong / "locked" / "file", wrong / "locked"):
        path.chmod(0)
    return folder


def write_wrong(wrong: Path) -> None:
    """The files that a command may change: `kubeconfig --merge FILE` makes one where there is none."""
    (wrong / "missing").unlink(missing_ok=True)
    (wrong / "empty").write_bytes(b"")
    (wrong / "binary").write_bytes(bytes(range(256)) * 4)
    (wrong / "broken").write_text("a: [b\nc: }\n")
    (wrong / "other").write_text("a letter: to nobody\n")


def wrong_paths(folder: Path) -> dict[str, Path]:
    wrong = folder / "wrong"
    names = ("missing", "empty", "binary", "broken", "other", "folder", "link", "later")
    return {
        **{name: wrong / name for name in names},
        "below a file": wrong / "empty" / "file",
        "too long": wrong / ("x" * 300),
        "a device that cannot be read": Path("/proc/self/mem"),
        "locked": wrong / "locked" / "file",
    }


def words_for(path: tuple[str, ...], name: str, value: Path, folder: Path) -> list[str]:
    """The words of a command whose parameter of this name has this value, and which has all else that it needs."""
    command = dict(commands())[path]
    words = list(path)
    if name in ("certificate_authority", "client_certificate", "client_key") and any(p.name == "server" for p in command.params):
        words += ["--server", "https://127.0.0.1:1"]  # without it nothing reads them
        words += ["--client-certificate", str(folder / "gw.crt")] if name == "client_key" else []
    for parameter in command.params:
        if parameter.name == name:
            words += [parameter.opts[0], str(value)] if isinstance(parameter, click.Option) else [str(value)]
        elif isinstance(parameter, click.Argument) and (parameter.required or parameter.name == "resource"):
            words.append(str(folder / "policy.yaml") if takes_file(parameter) else GIVEN[parameter.name or ""])
        elif isinstance(parameter, click.Option) and parameter.required:
            words += [parameter.opts[0], GIVEN[parameter.name or ""]]
        elif parameter.name == "config" and path != ("policy", "check"):
            words += ["--config", str(folder / "l7gw.yaml")]
    return words


def run(words: list[str]) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command, run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["l7gw", *words])
        main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root reads everything; this user does not."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was == 0:
            os.seteuid(was)


STATES = {  # what is said of a `--state` that is none
    "missing": "there is no state",
    "empty": "there is no state",
    "folder": "there is no journal in",
    "later": "was written by a later version of l7gw",
}


def check(row: tuple[tuple[str, ...], str], kind: str, folder: Path) -> str:
    """What is wrong with how a command ends with the file of this kind; "" for nothing."""
    path, name = row
    write_wrong(folder / "wrong")
    words = words_for(path, name, wrong_paths(folder)[kind], folder)
    with as_nobody() if kind == "locked" else nullcontext():
        status, out, err = run(words)
    found = [match[0] for match in NEVER.finditer(out + err)]
    if status not in (0, 1, 2, 3):
        found.append(f"exit status {status}")
    if status and not re.search(r"hint: |Usage: |`l7gw ", out + err):
        found.append("no hint")
    if name == "config" and kind in ("missing", "broken", "binary", "folder") and status not in (2, 3):
        found.append(f"exit status {status} of a wrong configuration")
    if name in ("state", "states") and kind in STATES and (status != 3 or STATES[kind] not in err):
        found.append("the state is not told to be none")
    return f"{found}: l7gw {' '.join(words)}\n{out}{err}" if found else ""


KINDS = list(wrong_paths(Path()))


def _id(value: object) -> str:
    return "-".join(value[0]) + "-" + value[1] if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("number", "row"), list(enumerate(ROWS)), ids=_id)
def test_a_wrong_file_ends_a_command_with_words_and_a_hint(number: int, row: tuple[tuple[str, ...], str], place: Path) -> None:
    """One of the likeliest two kinds and one of the others: each parameter meets each kind in one command or another."""
    for kind in (("missing", "folder")[number % 2], KINDS[number % len(KINDS)]):
        assert not (wrong := check(row, kind, place)), wrong


NAMES = Counter(name for _, name in ROWS)
SHARED = 3  # commands with a parameter of one name; it is read in one place, so that each meets a quarter of the kinds


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_no_wrong_file_of_any_kind_shows_an_errno_or_a_traceback(kind: str, place: Path) -> None:
    rows = [row for number, row in enumerate(ROWS) if NAMES[row[1]] <= SHARED or (number + KINDS.index(kind)) % 4 == 0]
    assert not [wrong for row in rows if (wrong := check(row, kind, place))]


@pytest.mark.parametrize("kind", STATES)
def test_a_state_that_is_none_is_told_as_such(kind: str, place: Path) -> None:
    assert not (wrong := check((("sessions", "list"), "state"), kind, place)), wrong


def test_the_folder_journal_given_as_a_state_is_told_which_is_meant(place: Path) -> None:
    status, _, err = run(["sessions", "list", "--state", str(place / "state" / "journal")])
    assert status == 3 and f"hint: --state {place / 'state'}, the folder above it" in err
