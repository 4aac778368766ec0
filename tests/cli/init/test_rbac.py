"""The RBAC that `l7gw init` writes is what `l7gw rbac render` prints, with the gateway's account and the callers' bindings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from l7gw.cli.init.files import write
from l7gw.cli.main import cli
from l7gw.demo.pki import Authority
from tests.support.init_wanted import settled, wanted


def objects(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(text) if one is not None]


def test_what_rbac_render_prints_is_in_it_and_the_account_that_it_is_bound_to(tmp_path: Path) -> None:
    asked = wanted(tmp_path)
    write(asked)
    settled(asked.folder)
    found = objects((asked.folder / "rbac.yaml").read_text())
    command = ["rbac", "render", "prod", "--to", "serviceaccount:l7gw/gateway", "--config", str(asked.folder / "l7gw.yaml")]
    rendered = objects(CliRunner().invoke(cli, command).stdout)
    assert rendered and all(one in found for one in rendered)
    assert [one["kind"] for one in found[:2]] == ["Namespace", "ServiceAccount"]


@pytest.mark.parametrize("agents", [True, False])
def test_people_get_view_everywhere_and_edit_in_one_namespace_and_agents_view(tmp_path: Path, agents: bool) -> None:
    asked = wanted(tmp_path, agents=agents, group="platform", namespace="web")
    write(asked)
    bound = {
        (one["subjects"][0]["name"], one["roleRef"]["name"], one["metadata"].get("namespace", ""))
        for one in objects((asked.folder / "rbac.yaml").read_text())
        if one["kind"].endswith("Binding") and one["subjects"][0]["kind"] == "Group"
    }
    people = {("l7gw:platform", "view", ""), ("l7gw:platform", "edit", "web")}
    assert bound == people | ({("l7gw:bot:agents", "view", "")} if agents else set())


def test_a_client_certificate_is_bound_by_its_name_and_has_no_account(tmp_path: Path) -> None:
    pair = Authority(tmp_path / "given").client("gateway", "gw-prod")
    asked = wanted(tmp_path, credential=pair)
    write(asked)
    found = objects((asked.folder / "rbac.yaml").read_text())
    assert not [one for one in found if one["kind"] == "ServiceAccount"]
    [subject] = next(one for one in found if one["kind"] == "ClusterRoleBinding")["subjects"]
    assert (subject["kind"], subject["name"]) == ("User", "gw-prod")


def test_a_client_certificate_of_a_name_that_callers_have_is_refused(tmp_path: Path) -> None:
    """Callers are the user l7gw there: they would have the gateway's own rights."""
    pair = Authority(tmp_path / "given").client("gateway", "l7gw")
    asked = wanted(tmp_path, credential=pair)
    with pytest.raises(click.UsageError, match=r"--client-certificate.*callers of prod are, or can be, the user l7gw"):
        write(asked)
    assert not asked.folder.exists()
