"""What real kubectls typed, sent, copied and were shown is found by `l7gw grep` and shown by `l7gw replay`: the newest over WebSocket
and the oldest over SPDY. What differs between the others is not how a recording is read."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path

import pytest

from tests.real.test_kubectl import Kubectl, typed
from tests.real.test_masked_streams import Place, pairs_of_kubectl
from tests.support.both_ways import Both
from tests.support.compared_commands import Side
from tests.support.kubernetes.cluster import RealCluster

_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=[one for one in pairs_of_kubectl() if not one.marks])
def place(
    request: pytest.FixtureRequest, both_sides: Both, cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """A session in which somebody ran commands, typed in a shell, copied a folder there and back, sent an object and read a log."""
    version, protocol = request.param
    flag = "false" if protocol == "spdy" else "true"
    environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": flag, "KUBECTL_PORT_FORWARD_WEBSOCKETS": flag}
    namespace = f"recordings-{next(_numbers)}"
    side = Side("through", both_sides.of(namespace), namespace, both_sides.folder, environment)
    cluster.namespace(namespace)
    cluster.pod("web-0", namespace, command=["sh", "-c", "echo needle in a log; sleep 1000"])
    found = Place(both_sides, side, Kubectl(version, cluster.kubectls()[version], protocol))
    folder = tmp_path_factory.mktemp("sent") / "tree"
    folder.mkdir()
    (folder / "a.conf").write_text("needle in a file\n" * 10)
    (folder / "b.bin").write_bytes(os.urandom(100_000))
    script: list[tuple[str, str | tuple[int, int]]] = [("", "PS1='pro''mpt> '\n"), ("prompt> ", "echo nee''dle; exit 4\n")]
    assert found.run("exec", "web-0", "--", "sh", "-c", "echo needle out; echo needle err >&2; exit 3")[0] == 3
    assert found.run("exec", "-i", "web-0", "--", "cat", stdin=b"a needle that is sent\n")[0] == 0
    assert typed(side, found.kubectl, ["exec", "-it", "web-0", "--", "sh"], script)[0] == 4
    assert found.run("cp", str(folder), "web-0:tree")[0] == 0
    assert found.run("cp", "web-0:tree", str(folder.parent / "back"))[0] == 0
    assert (folder.parent / "back" / "b.bin").read_bytes() == (folder / "b.bin").read_bytes()
    assert found.run("create", "configmap", "c", "--from-literal=k=needle-in-a-body")[0] == 0
    assert "needle in a log" in found.run("logs", "web-0")[1]
    assert found.run("exec", "web-0", "--", "echo", "all-is-there")[0] == 0
    found.recorded("all-is-there\\n")
    return found


def _session(place: Place) -> str:
    (session,) = place.both.gateway.sessions("--user", place.side.namespace)
    return str(session["id"])


def test_a_word_is_found_in_everything_that_was_typed_sent_and_shown(place: Place) -> None:
    out = place.both.gateway.l7gw("grep", "-o", "json", "nee''dle|needle", _session(place)).stdout
    found = [json.loads(line) for line in out.splitlines()]
    have = {(one["channel"], one["direction"]) for one in found}
    assert have >= {
        ("argv", "up"), ("request", "up"), ("stdin", "up"), ("stdout", "down"), ("stderr", "down"), ("request-body", "up"), ("log", "down"),
    }  # fmt: skip
    lines = [(one["channel"], one["line"]) for one in found]
    assert lines.count(("stdout", "needle out")) == 1 and lines.count(("stderr", "needle err")) == 1
    assert lines.count(("stdin", "a needle that is sent")) == 1 and lines.count(("stdout", "a needle that is sent")) == 1
    assert lines.count(("stdin", "echo nee''dle; exit 4")) == 1 and lines.count(("stdout", "needle")) == 1
    assert sum(channel == "stdin" and line.endswith("needle in a file") for channel, line in lines) == 10
    assert sum(channel == "stdout" and line.endswith("needle in a file") for channel, line in lines) == 10
    assert place.both.gateway.l7gw("grep", "no such text was here", _session(place), check=False).returncode == 1


def test_a_replay_has_a_title_for_each_exec_and_the_files_of_each_copy(place: Place) -> None:
    out = place.both.gateway.l7gw("replay", _session(place)).stdout
    user, space = re.escape(place.side.namespace), re.escape(f"-n {place.side.namespace} web-0")
    titles = re.findall(rf"^== call \d+, [^,]+, {user} on real, ([^:]+): (exec {space} .*)$", out, re.MULTILINE)
    assert [status for status, _ in titles[:3]] == ["exit 3", "exit 0", "exit 4"]
    copies = [status for status, command in titles if re.search(r"-- .*\btar\b", command)]
    assert copies == ["exit 0", "exit 0"]
    assert titles[0][1].endswith("-- sh -c 'echo needle out; echo needle err >&2; exit 3'")
    for way in ("to the pod", "from the pod"):
        assert re.search(rf"^== {way}: 170 bytes  .*a\.conf$", out, re.MULTILINE) and f"== {way}: 100,000 bytes  " in out
        assert re.search(rf"^== {way}: 2 files, 100,170 bytes; the archive is whole$", out, re.MULTILINE)
    assert "prompt> echo nee''dle; exit 4\nneedle\n" in out
    assert not re.search(r"[^\x20-\x7e\n]", out), "no byte of the copied file is spilled"


def test_what_is_searched_in_a_replay_is_printed_with_its_time(place: Place, tmp_path: Path) -> None:
    lines = place.both.gateway.l7gw("replay", _session(place), "--search", "^needle$").stdout.splitlines()
    assert len(lines) == 2 and ", exit 4: exec " in lines[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  needle", lines[1])
