"""What `l7gw init` says names every file, and quotes what a shell would take apart."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from l7gw.cli.init.files import names
from l7gw.cli.init.words import told
from tests.support.init_wanted import issuer, wanted


def commands(text: str) -> list[list[str]]:
    lines = text.partition("Type, in this order:\n")[2].splitlines()
    return [shlex.split(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("changed", [{}, {"issuer": issuer()}, {"agents": False}, {"pair": (Path("/c"), Path("/k"))}])
def test_every_file_is_named_with_what_it_is(tmp_path: Path, changed: dict[str, object]) -> None:
    asked = wanted(tmp_path, **changed)
    lines = [line.split(maxsplit=1) for line in told(asked).partition("\n\n")[0].splitlines()[1:]]
    assert [line[0] for line in lines] == names(asked) and all(len(line) == 2 for line in lines)


def test_folders_and_files_with_spaces_and_quotes_come_through_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my 'gateway"
    asked = replace(wanted(tmp_path), folder=folder, command="/opt/my l7gw/l7gw")
    cluster = replace(asked.cluster, kubectl=("--kubeconfig", "/home/ann/my config"))
    typed = commands(told(replace(asked, cluster=cluster)))
    assert typed[0] == ["kubectl", "--kubeconfig", "/home/ann/my config", "apply", "-f", str(folder / "rbac.yaml")]
    assert ["/opt/my l7gw/l7gw", "serve", "--config", str(folder / "l7gw.yaml")] in typed


def test_a_token_is_put_into_the_kubeconfig_where_the_issuer_has_no_login(tmp_path: Path) -> None:
    assert [line for line in commands(told(wanted(tmp_path, issuer=issuer()))) if "set-credentials" in line]
    with_login = told(wanted(tmp_path, issuer=issuer(login="kubectl")))
    assert "set-credentials" not in with_login and "opens a browser" in with_login


def test_no_token_is_made_where_the_gateway_has_a_certificate(tmp_path: Path) -> None:
    assert "create token" not in told(wanted(tmp_path, credential=(Path("/c"), Path("/k"))))


def test_an_eks_cluster_is_led_to_its_page(tmp_path: Path) -> None:
    asked = wanted(tmp_path)
    eks = replace(asked.cluster, host="ABC.gr7.eu-west-1.eks.amazonaws.com".lower())
    assert "l7gw help eks" in told(replace(asked, cluster=eks)) and "l7gw help eks" not in told(asked)
