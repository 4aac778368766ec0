"""kubectl and the Python client get no secret value from a real cluster, in any form of output, and none stands in the recording; a
rule that reveals shows what the cluster holds."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.both_ways import Both, before, versions
from tests.support.compared_commands import USER
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "masked"
DATA = b"Data4Nobody!to=see"
APPLIED = "Applied5Nobody!to=see"
ENV = "Env6Nobody!to=see"
POLICY = f"""
rules:
  - {{name: shown, users: ["{USER}"], namespaces: [shown], effects: ["*"], reveal: ["*"], verdict: allow}}
  - {{name: all, effects: ["*"], verdict: allow}}
"""
OUTPUTS = ["", "-o=wide", "-o=yaml", "-o=json", "-o=name", "-o=jsonpath={.data}", "-o=go-template={{.data.password|base64decode}}",
           "-o=custom-columns=A:.data", "--show-managed-fields=true -o=yaml", "--sort-by=.metadata.name"]  # fmt: skip


@pytest.fixture(scope="module")
def both(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with before(cluster, tmp_path_factory.mktemp("masking"), POLICY) as running:
        for namespace in (NAMESPACE, "shown"):
            cluster.namespace(namespace)
            applied = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "applied"}, "stringData": {"password": APPLIED}}
            cluster.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {
                        "name": "db",
                        "namespace": namespace,
                        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)},
                    },
                    "data": {"password": base64.b64encode(DATA).decode(), "user": base64.b64encode(b"ann").decode()},
                }
            )
            env = [{"name": "DB_PASSWORD", "value": ENV}, {"name": "COLOUR", "value": "a-blue-one"}]
            cluster.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": "web", "namespace": namespace},
                    "spec": {"containers": [{"name": "main", "image": "busybox", "env": env}]},
                }
            )
        yield running


def kubectls() -> list[object]:
    """All but the newest are `long`: they ask for the same."""
    newest = max(minor for _, minor, _ in versions())
    return [pytest.param(version, marks=[pytest.mark.long] if minor < newest else []) for version, minor, _ in versions()]


def run(both: Both, version: str, *arguments: str, check: bool = True) -> bytes:
    """Everything that kubectl prints, with each answer's bytes as they came."""
    path = both.cluster.kubectls()[version]
    environment = {"PATH": os.environ["PATH"], "HOME": str(both.folder), "KUBECONFIG": str(both.through)}
    done = subprocess.run([path, *arguments], capture_output=True, env=environment, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def spellings(value: bytes) -> list[bytes]:
    packed = (base64.b64encode(b"\0" * before + value)[(before * 8 + 5) // 6 : -4] for before in range(3))
    return [value, value.replace(b"=", b"\\u003d"), *packed]


def leaks(data: bytes) -> list[bytes]:
    return [spelling for value in (DATA, APPLIED.encode(), ENV.encode()) for spelling in spellings(value) if spelling in data]


@pytest.mark.parametrize("version", kubectls())
def test_no_output_of_kubectl_has_a_value_and_neither_has_the_recording(both: Both, version: str) -> None:
    for output in OUTPUTS:
        printed = run(both, version, "get", "secret", "db", "-n", NAMESPACE, "-v=9", *output.split(" ") if output else [])
        assert not leaks(printed), output
        if "data" not in output:
            assert not leaks(
                run(both, version, "get", "secrets,pods", "-n", NAMESPACE, "-v=9", *output.split(" ") if output else [])
            )
    for command in (
        ("describe", "secret", "db"),
        ("describe", "pod", "web"),
        ("get", "secret", "-w", "--request-timeout=2s", "-o=yaml"),
    ):
        assert not leaks(run(both, version, *command, "-n", NAMESPACE, "-v=9", check="-w" not in command)), command
    assert b"a-blue-one" in run(both, version, "get", "pod", "web", "-n", NAMESPACE, "-o=yaml")
    bytes_ = run(both, version, "get", "secret", "db", "-n", NAMESPACE, "-o=jsonpath={.data.password}")
    assert base64.b64decode(bytes_).startswith(b"l7gw-masked-secret-data-")
    recorded = "\n".join(json.dumps(both.gateway.events(session["id"])) for session in both.gateway.sessions())
    assert "l7gw-masked-secret-data-" in recorded or base64.b64encode(b"l7gw-masked-secret-data-").decode()[:30] in recorded
    assert not leaks(recorded.encode())
    assert not any(leaks(path.read_bytes()) for path in both.gateway.state.rglob("*") if path.is_file())


def test_a_reveal_shows_the_value_and_the_recording_has_none(both: Both) -> None:
    version = max(both.cluster.kubectls(), key=lambda one: int(one.split(".")[1]))
    shown = run(both, version, "get", "secret", "db", "-n", "shown", "-o=jsonpath={.data.password}")
    assert base64.b64decode(shown) == DATA
    assert ENV.encode() in run(both, version, "get", "pod", "web", "-n", "shown", "-o=yaml")
    recorded = "\n".join(json.dumps(both.gateway.events(session["id"])) for session in both.gateway.sessions())
    assert not leaks(recorded.encode())


def test_echoes_of_writes_and_a_created_token_have_no_value(both: Both, tmp_path: Path) -> None:
    version = max(both.cluster.kubectls(), key=lambda one: int(one.split(".")[1]))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "echo"}, "stringData": {"password": DATA.decode()}}
    manifest = tmp_path / "secret.json"
    manifest.write_text(json.dumps(secret))
    for command in (("create", "--dry-run=server", "-f", str(manifest)), ("apply", "-f", str(manifest))):
        printed = run(both, version, *command, "-n", NAMESPACE, "-o=yaml")
        assert not leaks(printed) and b"kind: Secret" in printed
    _, straight = both.cluster.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/echo")
    assert base64.b64decode(straight["data"]["password"]) == DATA
    token = run(both, version, "create", "token", "default", "-n", NAMESPACE, check=False)
    assert b"reveal: [token-request]" in token and b"l7gw-masked-token-request-" in token


def test_a_broken_patch_reads_nothing_and_an_argument_is_not_recorded(both: Both) -> None:
    version = max(both.cluster.kubectls(), key=lambda one: int(one.split(".")[1]))
    broken = json.dumps({"data": {"more": "%%%"}})
    added = json.dumps([{"op": "add", "path": "/data/more", "value": "%%%"}])
    for kind, patch in (("merge", broken), ("strategic", broken), ("json", added)):
        printed = run(both, version, "patch", "secret", "db", "-n", NAMESPACE, "-v=9", f"--type={kind}", "-p", patch, check=False)
        assert not leaks(printed), kind
        assert b"illegal base64 data" in printed, kind
    env = json.dumps({"spec": {"containers": [{"name": "main", "env": [{"name": "DB_PASSWORD", "value": "other-word"}]}]}})
    printed = run(both, version, "patch", "pod", "web", "-n", NAMESPACE, "-v=9", "-p", env, check=False)
    assert not leaks(printed) and b"pod updates may not change fields other than" in printed
    run(both, version, "exec", "web", "-n", NAMESPACE, "--", "mysql", "-pArgument7Nobody", check=False)
    recorded = "\n".join(json.dumps(both.gateway.events(session["id"])) for session in both.gateway.sessions())
    assert not leaks(recorded.encode()) and "Argument7Nobody" not in recorded
    assert "command=mysql&command=-pl7gw-masked-argument-" in recorded
    assert not any(b"Argument7Nobody" in path.read_bytes() for path in both.gateway.state.rglob("*") if path.is_file())
