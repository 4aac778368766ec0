"""What real kubectls run is followed as it happens, and ended by a person who is named to them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.both_ways import Both, before
from tests.support.compared_commands import Side
from tests.support.faults import until
from tests.support.gateway_process import EVERYTHING, L7GW
from tests.support.kubernetes.cluster import RealCluster

SOON = 30.0


@pytest.fixture(scope="module")
def both(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with before(cluster, tmp_path_factory.mktemp("kill"), EVERYTHING, watched=False) as both:
        yield both


@pytest.fixture(scope="module")
def ann(both: Both) -> Side:
    return both.fresh()[1]


def l7gw(both: Both, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    command = [L7GW, "sessions", words[0], "--config", both.gateway.config, *words[1:]]
    env = {"PATH": "/usr/bin:/bin", "L7GW_TOKEN": token} if token else {"PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def running(both: Both, words: str) -> dict[str, Any]:
    """The call under way whose command begins so."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [one for one in json.loads(l7gw(both, "running", "-o", "json").stdout) if one["command"].startswith(words)]
        return bool(found)

    until(there, SOON)
    return found[0]


class Process:
    """A kubectl that runs, with the lines that it writes."""

    def __init__(self, command: list[Any], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ended(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=SOON)
        return self.process.returncode, out, err


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_an_exec_is_followed_as_it_writes_and_ended_by_name(both: Both, ann: Side, websocket: str) -> None:
    ann.environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket}
    script = "printf 'begun\\033[2J\\033]0;owned\\007\\n'; sleep 60"
    kubectl = Process(ann.command(both.cluster.built.kubectl, "exec", "web-0", "--", "sh", "-c", script), ann.env())
    try:
        assert kubectl.line().startswith("begun")
        call = running(both, "kubectl exec web-0")
        name = f"{call['session']}/{call['exchange']}"
        following = subprocess.Popen(
            [L7GW, "sessions", "tail", name, "-f", "--config", both.gateway.config], stdout=subprocess.PIPE, text=True
        )
        assert following.stdout is not None
        shown = [following.stdout.readline() for _ in range(2)]
        assert "kubectl exec web-0 -n" in shown[0] and "allow (all)" in shown[0]
        assert shown[1].endswith("| begun(7 characters of a control string)\n")
        done = l7gw(both, "kill", name, "--reason", "copies the database")
        assert (done.returncode, done.stdout.startswith(f"ended {name}: kubectl exec web-0")) == (0, True)
        code, _, err = kubectl.ended()
        assert code == 1 and "l7gw: 'local:root' ended this call: copies the database" in err
        rest = following.stdout.read()
        assert following.wait(SOON) == 0
        assert "local:root ends it: copies the database" in rest and "101 cut: 'local:root' ended this call" in rest
    finally:
        kubectl.process.kill()
    events = both.gateway.events(call["session"])
    kills = [event for event in events if event["type"] == "kill"]
    assert {key: kills[-1][key] for key in ("exchange", "user", "reason", "local")} == {
        "exchange": call["exchange"], "user": "local:root", "reason": "copies the database", "local": True,
    }  # fmt: skip


def test_everything_that_runs_in_a_session_ends_at_once_and_the_next_call_passes(both: Both, ann: Side) -> None:
    ann.environment = {}
    kubectl = both.cluster.built.kubectl
    lines = {
        "attach": ("attach", "web-0"),
        "port-forward": ("port-forward", "web-0", ":80"),
        "watch": ("get", "pods", "--watch"),
        "logs": ("logs", "-f", "web-0"),
    }
    commands = ("kubectl attach web-0", "kubectl port-forward web-0", "kubectl get --watch pods", "kubectl get --subresource=log")
    processes = [Process(ann.command(kubectl, *line), ann.env()) for line in lines.values()]
    try:
        calls = [running(both, words) for words in commands]
        (session,) = {call["session"] for call in calls}
        done = l7gw(both, "kill", session, "--reason", "all of it", "-o", "json")
        assert done.returncode == 0, done.stderr
        assert {call["exchange"] for call in calls} <= {call["exchange"] for call in json.loads(done.stdout)}
        said = dict(zip(lines, [process.ended() for process in processes]))
    finally:
        for process in processes:
            process.process.kill()
    words = "l7gw: 'local:root' ended this call: all of it"
    assert said["attach"][0] == 1 and words in said["attach"][2]
    assert words in said["watch"][1]  # kubectl prints the Status as another row, and exits 0 as after any watch that ends
    assert said["port-forward"][0] == said["logs"][0] == 1
    ended = [event for event in both.gateway.events(session) if event["type"] == "end" and "all of it" in event["reason"]]
    assert {event["outcome"] for event in ended} == {"cut"} and len(ended) >= 4
    assert ann.kubectl(kubectl, "get", "pods").status == 0
