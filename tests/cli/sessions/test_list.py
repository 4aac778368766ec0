"""`l7gw sessions` list has the sessions, for people and for programs."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from l7gw.cli.sessions.list import short_ids
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.at_terminal import at_terminal
from tests.support.journals import ANN, call, cli_run, recorded, shell

BOB = dataclasses.replace(ANN, user="bob@example.com", groups=(), kind="agent", actor="copilot")
HOSTILE = dataclasses.replace(ANN, user="[red]eve[/] :bomb: \x1b]0;owned\x07\u202e\u3164", groups=("[/]",))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Three sessions: one of ann on prod, one of bob on stage with a denial, and one of strangers."""

    def fill(recorder: Recorder) -> None:
        shell(recorder.session(ANN, "prod"), [("stdout", False, b"hi")])
        denied = call(recorder.session(BOB, "stage"), "/api/v1/namespaces/d/secrets/s", "DELETE", run="run-2")
        denied.verdict("deny", rule="no secrets", reason="never")
        denied.response(403, ())
        denied.end("denied", "never")
        for address, reason in (("10.0.0.7", "no"), ("::1", "no: none"), ("10.0.0.7", "no"), ("10.0.0.8", "no")):
            attempt = recorder.attempts("prod").begin()
            attempt.verdict("refused", reason=f"from {address}: {reason}")
            attempt.end("refused")

    recorded(tmp_path, fill)
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], state: Path, *arguments: str) -> list[str]:
    status, out, _ = cli_run(capsys, "sessions", "list", "-o", "json", "--state", state, *arguments)
    assert status == 0
    return [session["principal"]["user"] for session in json.loads(out)]


def test_the_list_is_one_json_document_newest_first(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, state) == ["", "bob@example.com", "ann@example.com"]
    document = json.loads(cli_run(capsys, "sessions", "list", "-o", "json", "--state", state)[1])
    assert document == [summary.document(all_runs=False) for summary in summaries(state)]


@pytest.mark.parametrize(
    ("arguments", "users"),
    [
        (["--cluster", "stage"], ["bob@example.com"]),
        (["--cluster", "st*"], ["bob@example.com"]),
        (["--user", "ann@example.com"], ["ann@example.com"]),
        (["--user", "*@example.com"], ["bob@example.com", "ann@example.com"]),
        (["--user", "ANN*"], []),
        (["--denied"], ["bob@example.com"]),
        (["--since", "1h"], ["", "bob@example.com", "ann@example.com"]),
        (["--since", "0m"], []),
        (["--limit", "1"], [""]),
        (["--sort", "denied", "--limit", "1"], ["bob@example.com"]),
        (["--sort", "bytes", "--limit", "1"], ["ann@example.com"]),
    ],
)
def test_the_list_can_be_narrowed_and_ordered(
    state: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], users: list[str]
) -> None:
    assert listed(capsys, state, *arguments) == users


@pytest.mark.parametrize(
    "wrong",
    [["--since", "soon"], ["--since", "5w"], ["--limit", "0"], ["--sort", "colour"], ["--nonsense"], ["--all", "--limit", "3"]],
)
def test_wrong_usage_is_exit_status_2(state: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert cli_run(capsys, "sessions", "list", "--state", state, *wrong)[0] == 2


def test_a_pipe_gets_a_line_for_each_session_with_all_columns(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "sessions", "list", "--state", state)
    rows = [re.sub(r"  +", " | ", line.strip()) for line in out.splitlines()]
    ids = [summary.id for summary in summaries(state)]
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert (status, err) == (0, "")
    assert rows[0] == "session | cluster | who | began | lasted | calls | denied | held | bytes | state"
    assert re.fullmatch(
        rf"{ids[0]} \| prod \| failed log-ins \(3 addresses\) \| {when} \| 0:00:00 \| 4 \| 0 \| 0 \| 0 \| closed", rows[1]
    )
    assert re.fullmatch(
        rf"{ids[1]} \| stage \| bob@example.com \(agent\) \| {when} \| 0:00:00 \| 1 \| 1 \| 0 \| 0 \| closed", rows[2]
    )
    assert re.fullmatch(rf"{ids[2]} \| prod \| ann@example.com \| {when} \| 0:00:00 \| 1 \| 0 \| 0 \| 2 \| closed", rows[3])
    assert len(rows) == 4


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty sessions of people with long names on a cluster with a long one, the newest of them without an end."""

    def fill(recorder: Recorder) -> None:
        for number in range(60):
            who = dataclasses.replace(ANN, user=f"ann.with-a-long-name.{number:02}@engineering.example.com", kind="agent")
            call(recorder.session(who, "production-eu-west-1.example.com"), "/api").end("complete")

    state = tmp_path_factory.mktemp("many")
    recorded(state, fill, close=False)
    return state


@pytest.mark.parametrize("columns", [80, 100, 132, 200, 300])
def test_a_table_is_not_wider_than_its_terminal_and_leaves_no_letter_out(
    many: Path, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    lines = at_terminal(capsys, columns, "sessions", "list", "--state", many)
    assert max(map(len, lines)) <= columns
    assert lines[-1] == "10 more; --all or --limit N shows them"
    head = lines[0].split()
    assert head[:6] == ["session", "began", "lasted", "calls", "who", "cluster"] and ("bytes" in head) is (columns >= 200)
    where = lines[0].index("who"), lines[0].index("cluster"), lines[0].find("bytes")
    said = "".join("".join(line[slice(*where[:2])].split()) for line in lines[1:-1])
    assert said == "".join(f"ann.with-a-long-name.{number:02}@engineering.example.com(agent)" for number in range(59, 9, -1))
    assert "torn" in lines[1]


def test_a_short_id_names_its_session_alone(many: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = at_terminal(capsys, 80, "sessions", "list", "--state", many, "--all")
    ids = [line.split(" ")[0] for line in lines[1:] if line[0] != " "]
    assert len(ids) == 60
    whole = [one.id for one in summaries(many)]
    assert [[one for one in whole if one.startswith(short)] for short in ids] == [[one] for one in whole]


def test_short_ids_have_what_tells_them_apart_and_thirteen_characters() -> None:
    assert short_ids(
        ["01a22171-8895-7f9d-b6e8-f4091ac6efae", "01a22171-8895-7f5f-94cf-79dbd13b83af", "01a2217f-0000-7000-8000-0"]
    ) == {
        "01a22171-8895-7f9d-b6e8-f4091ac6efae": "01a22171-8895-7f9",
        "01a22171-8895-7f5f-94cf-79dbd13b83af": "01a22171-8895-7f5",
        "01a2217f-0000-7000-8000-0": "01a2217f-0000",
    }
    assert short_ids([]) == {}


@pytest.mark.parametrize(
    ("arguments", "rows", "more"),
    [([], 50, 10), (["--limit", "3"], 3, 57), (["--limit", "60"], 60, 0), (["--all"], 60, 0), (["--user", "*.0[0-3]@*"], 4, 0)],
)
def test_a_table_has_the_newest_fifty_unless_more_are_asked_for(
    many: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], rows: int, more: int
) -> None:
    lines = cli_run(capsys, "sessions", "list", "--state", many, *arguments)[1].splitlines()
    assert len(lines) == 1 + rows + bool(more)
    assert not more or lines[-1].startswith(f"{more} more; ")
    assert len(listed(capsys, many)) == 60


def test_the_command_of_a_run_is_looked_for_whole_or_in_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(recorder: Recorder) -> None:
        for user, client, command in (
            ("a", "kubectl/v1", "kubectl delete"),
            ("b", "kubectl/v1", "kubectl get"),
            ("c", "Helm/3.15", ""),
        ):
            session = recorder.session(dataclasses.replace(ANN, user=user), "prod")
            session.begin(run_id="1", client="other", command="other").end("complete")
            session.begin(run_id="2", client=client, command=command).end("complete")

    recorded(tmp_path, fill)
    for wanted, users in (
        ("delete", "a"),
        ("kubectl *", "ba"),
        ("delete*", ""),
        ("Helm", "c"),
        ("kubectl/v1", ""),
        ("other", "cba"),
        ("*", "cba"),
    ):
        assert "".join(listed(capsys, tmp_path, "--command", wanted)) == users, wanted


def test_list_without_a_state_is_exit_status_3_and_without_sessions_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = cli_run(capsys, "sessions", "list", "--state", tmp_path / "none")
    assert (status, out) == (3, "") and "hint: say where" in err
    (tmp_path / "journal").mkdir()
    assert cli_run(capsys, "sessions", "list", "--state", tmp_path)[:2] == (0, "")
    assert cli_run(capsys, "sessions", "list", "-o", "json", "--state", tmp_path)[1] == "[]\n"


def test_the_state_is_found_through_the_configuration(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.written_configuration import Written

    folder = tmp_path / "etc"
    folder.mkdir()
    written = Written(folder)
    written.top["state"] = str(state)
    written.load()
    assert json.loads(cli_run(capsys, "sessions", "list", "-o", "json", "--config", written.path)[1])
    monkeypatch.setenv("L7GW_CONFIG", str(written.path))
    assert json.loads(cli_run(capsys, "sessions", "list", "-o", "json")[1])
    monkeypatch.setenv("L7GW_CONFIG", str(tmp_path / "none.yaml"))
    assert cli_run(capsys, "sessions", "list")[0] == 2


def test_hostile_names_reach_no_terminal_and_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(recorder: Recorder) -> None:
        exchange = recorder.session(HOSTILE, "prod").begin(run_id="run-1", client="\x1b[2J[bold]", command="[/x]")
        exchange.request(method="GET", target="/[red]\x1b[6n", headers=(), act=None, audit_id="")
        exchange.verdict("allow", rule="[/rule]\u202e", reason="")
        exchange.end("complete")

    recorded(tmp_path, fill)
    for arguments in (["list"], ["show", summaries(tmp_path)[0].id]):
        status, out, _ = cli_run(capsys, "sessions", *arguments, "--state", tmp_path)
        assert status == 0
        assert "[red]eve[/] :bomb: " in out
        assert not set(out) & {"\x1b", "\x07", "\u202e", "\u3164"}
