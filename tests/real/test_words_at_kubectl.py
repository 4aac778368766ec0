"""What every kubectl prints where a call fails, held to the table of docs/compatibility.md: the gateway's words once, and then what
kubectl itself says. `make test` has the oldest and the newest of the built ones on a few failures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import msgspec
import pytest

from l7gw.gateway.downstream import RESTARTED
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.both_ways import versions
from tests.support.failures_at_kubectl import FAILURES, Stage, failures_at_kubectl
from tests.support.kubernetes.cluster import RealCluster

PAGE = Path(__file__).parent.parent.parent / "docs" / "compatibility.md"
AT_ONCE = 3  # kubectls that run at once
FEW = ("cluster down", "an expired token", "no rule allows it")
CLIENT_GO = re.compile(r"[EWI]\d{4} .*couldn't get current server API group list")
# A command, and why it makes the call that is denied, and what to allow.
WAYS_OUT = [
    ("exec web-0 -- ls", "exec` first gets the pod", "get pods"),
    ("exec deploy/web -- ls", "exec` first gets the object whose pod it looks for", "get deployments.apps"),
    ("attach web-0", "attach` first gets the pod", "get pods"),
    ("cp web-0:/etc/hosts /tmp/l7gw-nothing", "cp` first gets the pod", "get pods"),
    ("port-forward web-0 8080:80", "port-forward` first gets the pod", "get pods"),
    ("logs web-0", "logs` first gets the pod", "get pods"),
    ("apply -f WEB", "apply` first gets the object", "get configmaps"),
    ("label pods web-0 a=b", "label` first gets the object", "get pods"),
    ("scale deploy/web --replicas=2", "scale` first gets the object", "get deployments.apps"),
    ("set image deploy/web a=b", "set` first gets the object", "get deployments.apps"),
    ("rollout restart deploy/web", "rollout` first gets the object", "get deployments.apps"),
    ("rollout status deploy/web", "rollout status` watches the object until it is done", "get deployments.apps"),
    ("wait pod/web-0 --for=delete", "wait` lists and watches the objects", "get pods"),
    ("drain node-1", "drain` first gets the node", "get nodes"),
    (
        "delete pods -l app=web",
        "delete` lists what it chooses from, and then waits until it is gone (not with --wait=false)",
        "list pods",
    ),
]
Printed = subprocess.CompletedProcess[str]


class Row(msgspec.Struct, frozen=True):
    """A row of the table. `words` is what the Warning says, "" for none."""

    failure: str
    words: str
    cold: str
    warm: str


def rows() -> dict[str, Row]:
    section = PAGE.read_text().partition("\n## What kubectl prints\n")[2].partition("\n## ")[0]
    found = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    return {row[0]: Row(row[0], "" if row[1] == "none" else row[1].strip("` "), row[2], row[3]) for row in found}


TABLE = rows()


def pattern(text: str) -> str:
    return ".*".join(map(re.escape, text.split("…")))


def check(row: Row, done: Printed, *, warm: bool) -> None:
    """Assert that a kubectl printed what the row says."""
    said = row.warm if warm else row.cold
    lines = [line for line in done.stderr.splitlines() if not CLIENT_GO.match(line)]
    assert done.returncode == 1 and done.stdout == ("" if row.words else "Please enter Username: ")
    last = said[said.index("`") + 1 : -1]
    if said.startswith("no Warning"):
        (own,) = lines
    elif said.startswith("the Warning that RBAC's 403 has"):
        warning, own = lines
        assert re.match("Warning: l7gw: rule '[a-z]+' allows this, the cluster's RBAC does not: ", warning), done.stderr
    else:
        warning, own = lines
        words = warning.removeprefix("Warning: ")
        assert words != warning and re.fullmatch(pattern(row.words), words), done.stderr
        last = last.replace("WORDS", words)
    assert re.fullmatch(pattern(last), own), done.stderr


@pytest.fixture(scope="module")
def stage(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with failures_at_kubectl(tmp_path_factory.mktemp("words"), cluster) as running:
        yield running


def of_each_minor() -> list[str]:
    """The newest kubectl of each minor version: the built ones, and those on the machine."""
    found: dict[int, str] = {}
    for version, minor, _ in versions():
        found.setdefault(minor, version)
    return list(found.values())


@pytest.fixture(scope="module")
def printed(stage: Stage) -> dict[tuple[str, str, bool], Printed]:
    """What each kubectl printed at each failure, with a cold and with a warm cache."""
    kubectls = of_each_minor()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(stage.warm, kubectls))
        cells = list(product(kubectls, FAILURES, (False, True)))
        done = pool.map(lambda cell: stage.printed(cell[0], cell[1], warm=cell[2]), cells)
        return dict(zip(cells, done, strict=True))


@pytest.mark.long
def test_every_kubectl_whose_stream_a_drain_ends_prints_why_or_that_it_broke_off(stage: Stage) -> None:
    """An exec is told in its stream. A watch breaks off: informers would all list anew after an event (`InFlightCall._cut`)."""
    kubectls = of_each_minor()
    stage.cluster.pod("web-0", stage.cluster.namespace("words-drain"))
    waits = ("exec", "web-0", "-n", "words-drain", "--", "sh", "-c", "echo here; sleep 60")
    quick = replace(USUAL_TIMEOUTS, drain_streams=0.5, drain_last_words=2.0)
    with stage.another_gateway(quick) as gateway:
        for words in (waits, ("get", "nodes", "-w")):
            running = [stage.start(version, gateway, *words) for version in kubectls]
            for process in running:
                assert process.stdout is not None and process.stderr is not None
                assert process.stdout.readline(), (words, process.stderr.read())
            gateway.stop()
            ended = [(process.communicate(timeout=20), process.returncode) for process in running]
            if words is waits:
                assert {(err, status) for (_, err), status in ended} == {(f"error: l7gw: {RESTARTED}\n", 1)}
            else:
                assert {(err, status) for (_, err), status in ended} == {("", 0)}
                assert all(
                    'an error on the server ("unable to decode an event from the watch stream: ' in out for (out, _), _ in ended
                )
            gateway.start()


def test_the_table_has_each_failure_and_no_other() -> None:
    assert list(TABLE) == list(FAILURES)


@pytest.mark.parametrize("failure", FEW)
@pytest.mark.parametrize("version", [version for version, _, is_long in versions() if not is_long])
def test_the_oldest_and_the_newest_kubectl_print_why_they_failed(stage: Stage, version: str, failure: str) -> None:
    check(TABLE[failure], stage.printed(version, failure, warm=False), warm=False)


@pytest.mark.long
@pytest.mark.timeout(300)  # the first of them waits for all 300 kubectls
@pytest.mark.parametrize("cache", ["cold", "warm"])
@pytest.mark.parametrize("failure", FAILURES)
def test_every_kubectl_prints_at_every_failure_what_the_table_says(
    printed: dict[tuple[str, str, bool], Printed], failure: str, cache: str
) -> None:
    for version in of_each_minor():
        check(TABLE[failure], printed[version, failure, cache == "warm"], warm=cache == "warm")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("web") / "web.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n")
    return str(path)


def check_ways_out(stage: Stage, version: str, web: str) -> None:
    for command, why, allow in WAYS_OUT:
        words = tuple(web if word == "WEB" else word for word in command.split(" "))
        err = stage.of_kim(version, *words).stderr
        told = f"`kubectl {why}: allow `{allow}` too; you are kim@example.com (human, no groups)"
        assert told in err and "l7gw: no rule allows it: " in err, (version, command, err)


def test_kubectl_says_what_to_allow_where_a_command_is_denied_what_it_reads_first(stage: Stage, web: str) -> None:
    check_ways_out(stage, next(iter(stage.cluster.kubectls())), web)


@pytest.mark.long
def test_every_kubectl_says_what_to_allow_where_a_command_is_denied_what_it_reads_first(stage: Stage, web: str) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda version: check_ways_out(stage, version, web), of_each_minor()))
