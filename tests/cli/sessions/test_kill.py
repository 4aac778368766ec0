"""`l7gw sessions running|kill` at a running gateway: what people type, what they get, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from l7gw.cli.main import cli
from tests.support.faults import until
from tests.support.held import Done, Held, held
from tests.support.raw_client import RawClient

PODS = "/api/v1/namespaces/dev/pods"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with held(tmp_path_factory.mktemp("kill")) as made:
        yield made


def sessions(running: Held, *words: str, token: str = "", server: bool = False) -> Done:
    how: tuple[str | Path, ...] = ("--config", running.gateway.config)
    if server:
        how = ("--server", f"https://{running.gateway.address}", "--certificate-authority", running.gateway.authority.certificate)
    arguments = [str(word) for word in ("sessions", words[0], *how, *words[1:])]
    done = CliRunner().invoke(cli, arguments, env={"L7GW_TOKEN": token, "NO_COLOR": "1"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def waiting(running: Held, client: RawClient, user: str) -> dict[str, Any]:
    """Make a call that waits, and give it as `sessions running` lists it."""
    client.send(running.scene.request(f"GET {PODS}/web-0", token=running.token(user)))

    def found() -> list[dict[str, Any]]:
        calls = json.loads(sessions(running, "running", "-o", "json").stdout or "[]")
        return [call for call in calls if call["principal"]["user"] == user]

    (call,) = until(found)
    return call


def test_what_runs_is_listed_and_ended_by_its_session(running: Held) -> None:
    assert sessions(running, "running").stderr == "no calls that you may end are under way\n"
    with RawClient(running.gateway) as client:
        call = waiting(running, client, "wait-1")
        table = sessions(running, "running").stdout
        assert call["session"] in table and "kubectl get pods web-0 -n dev" in table and "wait-1" in table
        done = sessions(running, "kill", call["session"].upper(), "--reason", "enough")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"ended {call['session']}/{call['exchange']}: kubectl get pods web-0 -n dev of wait-1\n"
        assert b"'local:root' ended this call: enough" in client.answer()[2]
    again = sessions(running, "kill", call["session"])
    assert (again.returncode, "no call is under way here in a session" in again.stderr) == (1, True)


def test_over_https_a_person_ends_his_own_and_nobody_elses(running: Held) -> None:
    with RawClient(running.gateway) as client:
        call = waiting(running, client, "wait-2")
        name = f"{call['session']}/{call['exchange']}"
        eve, own = running.token("eve"), running.token("wait-2")
        for token, status, words in (
            (eve, 1, "no call 1 that you may end is under way"),
            ("", 1, "--token-file FILE, else $L7GW_TOKEN"),
            ("rubbish", 1, "--token-file FILE, else $L7GW_TOKEN"),
        ):
            done = sessions(running, "kill", name, token=token, server=True)
            assert (done.returncode, words in done.stderr) == (status, True), done
        assert sessions(running, "running", token=eve, server=True).stdout == ""
        assert call["session"] in sessions(running, "running", token=own, server=True).stdout
        done = sessions(running, "kill", call["session"], "--exchange", str(call["exchange"]), "-o", "json", token=own, server=True)
        assert (done.returncode, [one["exchange"] for one in json.loads(done.stdout)]) == (0, [call["exchange"]])
        assert client.answer()[0] == 403


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["../holds"], 2),
        (["zz"], 2),
        (["01a2/x"], 2),
        (["01a2/0"], 2),
        (["01a2/7", "--exchange", "8"], 2),
        (["01a2", "--exchange", "0"], 2),
        (["01a2", "--reason", "x" * 301], 2),
        ([], 2),
        (["ffff"], 1),
        (["ffff/7", "--exchange", "7"], 1),
    ],
)
def test_each_no_has_its_exit_status(running: Held, words: list[str], status: int) -> None:
    assert sessions(running, "kill", *words).returncode == status


def test_without_a_gateway_it_could_not_be_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["sessions", "kill", "01a2", "--socket", str(tmp_path / "none.sock")])
    assert (done.exit_code, "no gateway runs here" in done.stderr) == (3, True)
