"""Doubts of a cluster's section under a policy. `tests/cli/test_check.py` has rules whose callers' groups do not go up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.cluster.doubts import doubts
from l7gw.demo.pki import Authority
from l7gw.policy.callers import Known
from l7gw.policy.judge import Policy
from tests.support.written_configuration import Written


@pytest.mark.parametrize(
    ("user", "impersonate", "doubted"),
    [("l7gw", "groups", True), ("gateway", "groups", False), ("l7gw", "user", False), ("l7gw", "none", False)],
)
def test_a_gateway_that_the_cluster_knows_by_the_name_of_its_callers_is_doubted(
    tmp_path: Path, user: str, impersonate: Any, doubted: bool
) -> None:
    written = Written(tmp_path)
    certificate, key = Authority(tmp_path / "other").client("own", user)
    written.prod.update(impersonate=impersonate, credential={"client-certificate": str(certificate), "client-key": str(key)})
    settings = written.load()
    found = doubts(settings.clusters["prod"], Policy.load(tmp_path / "policy.yaml"), Known(settings.identity))
    assert any("the gateway's own certificate names l7gw" in one for one in found) is doubted


@pytest.mark.parametrize(("users", "groups", "doubted"), [("pod:*", "", False), ("pod:*", "groups", True), ("*", "", True)])
def test_a_rule_about_callers_who_have_no_groups_loses_none(tmp_path: Path, users: str, groups: str, doubted: bool) -> None:
    """The issuer of pods names groups by the claim `groups`, or none; that of people does."""
    written = Written(tmp_path)
    written.entry["oidc"] |= {"groups": groups} if groups else {}
    written.entry["prefix"] = "pod:"
    people = {"issuer": "https://people.example.com", "audience": "l7gw", "groups": "groups"}
    written.top["identity"].append({"oidc": people, "prefix": "idp:"})
    (tmp_path / "policy.yaml").write_text(f'rules: [{{name: look, users: ["{users}"], effects: [read], verdict: allow}}]')
    settings = written.load()
    found = doubts(settings.clusters["prod"], Policy.load(tmp_path / "policy.yaml"), Known(settings.identity))
    assert any("rules without `groups:` ('look')" in one for one in found) is doubted
