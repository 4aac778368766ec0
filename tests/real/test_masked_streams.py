"""What a container prints is masked on its way to a real kubectl, the newest over WebSocket and the oldest over SPDY (`make
test-long`: every kubectl, over the two by turns), with a terminal and without: exec, attach, logs and cp, and what is recorded of them."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.test_kubectl import Kubectl, running, typed
from tests.support.both_ways import Both, versions
from tests.support.compared_commands import Side
from tests.support.kubernetes.cluster import RealCluster

VALUE = "hunter2!Xy/z+1"  # in the Secret that was read through the gateway
STARS = "*" * len(VALUE)
OF_ECHO = f"echo {VALUE[:7]}'{VALUE[7:]}'"  # what is typed is echoed, and is no whole value
_numbers = itertools.count(1)


def pairs_of_kubectl() -> Iterator[Any]:
    usual = [(minor, version) for version, minor, is_long in versions() if not is_long]
    pairs = {(max(usual)[1], "websocket"), (min(usual)[1], "spdy")}
    by_turns = {(version, "spdy" if minor < 29 or minor % 2 else "websocket") for version, minor, _ in versions()}
    for version, protocol in sorted(pairs | by_turns):
        marks = [] if (version, protocol) in pairs else [pytest.mark.long]
        yield pytest.param((version, protocol), id=f"{version}-{protocol}", marks=marks)


@dataclass
class Place:
    """A namespace with a pod `web-0`, and a Secret whose value was read through the gateway."""

    both: Both
    side: Side
    kubectl: Kubectl

    def run(self, *arguments: str, stdin: bytes | None = None) -> tuple[int, str, str]:
        done = self.side.kubectl(self.kubectl.path, *arguments, stdin=stdin)
        return done.status, done.out, done.err

    def recorded(self, marker: str) -> list[dict[str, object]]:
        """The events of this place's session, once the marker is recorded."""
        end = time.monotonic() + 30
        while True:
            (session,) = self.both.gateway.sessions("--user", self.side.namespace)
            text = self.both.gateway.l7gw("export", session["id"], "--format", "jsonl", check=False).stdout
            if marker in text or time.monotonic() > end:
                assert marker in text
                return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module", params=pairs_of_kubectl())
def place(request: pytest.FixtureRequest, both_sides: Both, cluster: RealCluster) -> Place:
    version, protocol = request.param
    flag = "false" if protocol == "spdy" else "true"
    environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": flag, "KUBECTL_PORT_FORWARD_WEBSOCKETS": flag}
    namespace = f"masked-streams-{next(_numbers)}"
    side = Side("through", both_sides.of(namespace), namespace, both_sides.folder, environment)
    cluster.namespace(namespace)
    cluster.pod("web-0", namespace)
    manifest = {"metadata": {"name": "db"}, "data": {"password": base64.b64encode(VALUE.encode()).decode()}}
    assert cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", manifest)[0] == 201
    found = Place(both_sides, side, Kubectl(version, cluster.kubectls()[version], protocol))
    status, out, _ = found.run("get", "secret", "db", "-o", "yaml")
    assert status == 0 and "bDdndy1tYXNrZWQt" in out
    return found


def test_output_without_a_terminal_keeps_its_length_and_stderr_says_what_was_masked(place: Place) -> None:
    text = f"is {VALUE} {base64.b64encode(VALUE.encode()).decode()} {VALUE.encode().hex()}"
    status, out, err = place.run("exec", "web-0", "--", "sh", "-c", f"echo '{text}'; exit 3")
    assert status == 3
    assert len(out) == len(text) + 1 and out.startswith(f"is {STARS} ")
    assert VALUE not in out and VALUE.encode().hex() not in out
    assert "l7gw: 3 values masked (registry); this copy is not the original\n" in err
    assert place.run("exec", "web-0", "--", "echo", "nothing")[1:] == ("nothing\n", "")


def test_a_terminal_shows_the_prompt_at_once_and_a_placeholder_where_the_value_was_printed(place: Place) -> None:
    script: list[tuple[str, str | tuple[int, int]]] = [
        ("", "PS1='pro''mpt> '\n"),
        ("prompt> ", f"{OF_ECHO}; echo do''ne\n"),
        ("done", "exit 4\n"),
    ]
    status, shown = typed(place.side, place.kubectl, ["exec", "-it", "web-0", "--", "sh"], script)
    assert status == 4
    assert f"\n{VALUE}" not in shown and "\nl7gw-masked-registry-" in shown
    assert "l7gw: " not in shown


def test_attach_is_masked(place: Place) -> None:
    command = place.side.command(place.kubectl.path, "attach", "-i", "web-0")
    with running(place.side, command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"say {VALUE}\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"say {STARS}\n"


def test_logs_are_masked_plain_followed_and_cut_anywhere(place: Place) -> None:
    place.both.cluster.pod("talker", place.side.namespace, command=["sh", "-c", f"echo 'is {VALUE}.'; sleep 1000"])
    with running(place.side, place.side.command(place.kubectl.path, "logs", "-f", "talker")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"is {STARS}.\n"
    assert place.run("logs", "talker")[1] == f"is {STARS}.\n"
    for size in range(1, len(VALUE) + 1, 3):
        out = place.run("logs", "talker", f"--limit-bytes={3 + size}")[1]
        assert out == "is " + ("*" * size if size >= 4 else VALUE[:size])


def test_a_copied_tree_is_whole_but_for_what_was_masked_in_it(place: Place, tmp_path: Path) -> None:
    folder = place.both.cluster.pod_folder("web-0", place.side.namespace) / "tree"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.txt").write_text("before\n" * 500)
    (folder / "app.env").write_text(f"DB_HOST=db\nDB_PASSWORD={VALUE}\n")
    (folder / "z.bin").write_bytes(os.urandom(100_000))
    status, _, err = place.run("cp", "web-0:tree", str(tmp_path / "tree"))
    assert status == 0, err
    for name in ("a.txt", "z.bin"):
        assert (tmp_path / "tree" / name).read_bytes() == (folder / name).read_bytes()
    assert (tmp_path / "tree" / "app.env").read_text() == f"DB_HOST=db\nDB_PASSWORD={STARS}\n"
    # kubectl ends when the tar is whole, and reads no stderr behind it: docs/compatibility.md


def test_a_placeholder_that_is_sent_to_a_container_ends_the_exec_with_a_failure(place: Place) -> None:
    sent = b"password: l7gw-masked-secret-data-0123abcd\n"
    status, out, err = place.run("exec", "-i", "web-0", "--", "cat", stdin=sent)
    assert status == 1
    assert "l7gw-masked" not in out
    assert "stdin holds the placeholder of a masked value" in err


def test_the_record_holds_no_value_and_says_where_one_was_masked(place: Place) -> None:
    marker = f"marker-{place.side.namespace}"
    status, _, err = place.run("exec", "-i", "web-0", "--", "sh", "-c", f"cat; echo {marker}", stdin=f"{VALUE}\n".encode())
    assert status == 0, err
    events = place.recorded(f"{marker}\\n")
    assert not [event for event in events if event["type"] == "frame" and VALUE in json.dumps(event)]
    masks = [event for event in events if event["type"] == "mask" and event["detector"] == "registry"]
    assert {str(event["where"]).partition(":")[0] for event in masks} >= {"stdin", "stdout"}
