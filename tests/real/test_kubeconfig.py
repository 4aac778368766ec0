"""What `l7gw kubeconfig` prints and merges works as it stands, with the oldest and the newest kubectl, before a real kube-apiserver."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.both_ways import Both, versions
from tests.support.gateway_process import L7GW
from tests.support.kubernetes.cluster import RealCluster


@pytest.fixture(params=[version for version, _, is_long in versions() if not is_long])  # the oldest and the newest
def kubectl(request: pytest.FixtureRequest, cluster: RealCluster) -> Path:
    return cluster.kubectls()[request.param]


def done(*command: str | Path) -> str:
    ended = subprocess.run(
        command, env={**os.environ, "KUBECONFIG": ""}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0 and "l7gw:" not in ended.stderr, ended
    return ended.stdout


def ours(both: Both, *options: str | Path) -> str:
    authority = both.gateway.authority.certificate
    words = ("--config", both.gateway.config, "--address", both.gateway.address, "--certificate-authority", authority)
    return done(L7GW, "kubeconfig", "real", *words, *options)


def test_a_printed_kubeconfig_works_with_each_credential_that_its_comment_names(
    both_sides: Both, kubectl: Path, tmp_path: Path
) -> None:
    printed = ours(both_sides)
    token, plugin = tmp_path / "with-token", tmp_path / "with-plugin"
    token.write_text(printed)
    lines = printed.splitlines()
    command = next(line for line in lines if "set-credentials" in line).lstrip("# ").replace("TOKEN", both_sides.token)
    done(kubectl, *command.replace("THIS-FILE", str(token)).split()[1:])

    script = tmp_path / "tokens"
    status = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": both_sides.token}}
    script.write_text(f"#!/bin/sh\nread nothing\necho '{json.dumps(status)}'\n")
    script.chmod(0o700)
    user = next(line for line in lines if "YOUR-TOKEN-PLUGIN" in line).lstrip("# ").replace("YOUR-TOKEN-PLUGIN", str(script))
    plugin.write_text(printed.replace("  user: {}", f"  {user}"))

    for file in (token, plugin):
        assert "namespace/default" in done(kubectl, "--kubeconfig", file, "get", "namespaces", "-o", "name")


def test_a_merged_kubeconfig_works_beside_what_was_there(both_sides: Both, kubectl: Path, tmp_path: Path) -> None:
    file = tmp_path / "config"
    direct = both_sides.direct.read_text()
    file.write_text(direct)
    done(kubectl, "config", "set-credentials", "gw", "--kubeconfig", file, f"--token={both_sides.token}")
    before = yaml.safe_load(file.read_text())
    said = ours(both_sides, "--merge", file, "--name", "gw")
    assert "cluster gw: added" in said and "user gw: as before" in said and "context gw: added" in said
    names = ("get", "namespaces", "-o", "name")
    assert "namespace/default" in done(kubectl, "--kubeconfig", file, "--context", "gw", *names)
    assert "namespace/default" in done(kubectl, "--kubeconfig", file, *names)
    done(kubectl, "config", "use-context", "gw", "--kubeconfig", file)  # kubectl writes the file anew, in its own style
    assert "nothing was changed" in ours(both_sides, "--merge", file, "--name", "gw")
    after = yaml.safe_load(file.read_text())
    for key in ("clusters", "users", "contexts"):
        assert [one for one in before[key] if one["name"] != "gw"] == [one for one in after[key] if one["name"] != "gw"]


def test_a_file_that_kubectl_made_empty_takes_the_first_entries(both_sides: Both, kubectl: Path, tmp_path: Path) -> None:
    file = tmp_path / "config"
    done(kubectl, "config", "set-cluster", "x", "--kubeconfig", file, "--server=https://x")
    done(kubectl, "config", "delete-cluster", "x", "--kubeconfig", file)
    ours(both_sides, "--merge", file)
    done(kubectl, "config", "set-credentials", "real", "--kubeconfig", file, f"--token={both_sides.token}")
    assert "namespace/default" in done(kubectl, "--kubeconfig", file, "get", "namespaces", "-o", "name")
