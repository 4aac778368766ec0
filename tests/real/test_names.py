"""Calls with names in letters other than ASCII, and with long arguments, get the same through the gateway as directly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.both_ways import Both
from tests.support.compared_commands import Side, same
from tests.support.kubernetes.cluster import RealCluster


@pytest.fixture
def sides(both_sides: Both) -> tuple[Side, Side]:
    return both_sides.fresh()


@pytest.fixture
def kubectl(cluster: RealCluster) -> Path:
    return cluster.built.kubectl


@pytest.mark.parametrize("name", ["Büro-admins", "team;ops"])
def test_names_in_any_letters_are_created_read_and_deleted(sides: tuple[Side, Side], kubectl: Path, name: str) -> None:
    """RBAC's objects may have any name without a slash or a percent sign."""
    assert same(sides, kubectl, "create", "role", name, "--verb=get", "--resource=pods").status == 0
    assert same(sides, kubectl, "get", "role", name, "-o", "jsonpath={.metadata.name}").out == name
    assert same(sides, kubectl, "delete", "role", name).status == 0
    assert "not found" in same(sides, kubectl, "get", "role", name).err


def test_a_kubectl_whose_file_name_is_not_ascii_is_served_and_its_name_recorded(
    both_sides: Both, sides: tuple[Side, Side], kubectl: Path, tmp_path: Path
) -> None:
    """kubectl's User-Agent begins with the name of its file."""
    tool = tmp_path / "运维工具"
    tool.symlink_to(kubectl)
    assert same(sides, tool, "get", "pods").status == 0
    runs = [run for session in both_sides.gateway.sessions() for run in session["runs"]]
    assert any(run["client"].startswith("运维工具/v1.") for run in runs)


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_an_argument_of_twenty_kib_arrives_whole(both_sides: Both, kubectl: Path, websocket: str) -> None:
    _, through = both_sides.fresh()
    through.environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket}
    done = through.kubectl(kubectl, "exec", "web-0", "--", "sh", "-c", "echo " + "x" * 20_000)
    assert (done.status, done.out.strip()) == (0, "x" * 20_000)


def test_a_longer_argument_is_refused_in_words(both_sides: Both, kubectl: Path) -> None:
    _, through = both_sides.fresh()
    done = through.kubectl(kubectl, "exec", "web-0", "--", "sh", "-c", "echo " + "x" * 40_000)
    assert done.status != 0 and "exec -i" in done.err
