"""docs/configuration.md and docs/policy.md have the keys that the code reads. The examples on the pages are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from l7gw.budget_terms import BUDGET_KINDS
from l7gw.config import aws_identity, aws_role, clusters, hooks, identity, masking
from l7gw.config import load as settings
from l7gw.demo.pki import Authority
from l7gw.gateway.doubts import warnings_of
from l7gw.kube.act import EFFECTS
from l7gw.policy import cases, condition_scan, holds
from l7gw.policy import load as policy
from l7gw.policy.doubts import doubts
from l7gw.policy.judge import Policy
from tests.support.cited_sources import DOCS, ROOT

PAGE = (DOCS / "configuration.md").read_text()
POLICY = (DOCS / "policy.md").read_text()
RECIPES = re.findall(r"### [0-9]+\. ([^\n]*)\n\n```yaml\n(.*?)```", POLICY, re.DOTALL)
BLOCKS = [
    block
    for text in ((ROOT / "README.md").read_text(), PAGE, POLICY.split("## Ten recipes")[0])
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
]
POLICIES = [block for block in BLOCKS if re.search("^guardrails:", block, re.MULTILINE)]


def _first_column(heading: str) -> set[str]:
    """The texts in backquotes in the first column of a table, which is found by the heading of that column."""
    table = (PAGE + POLICY).split(f"\n| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return {name for line in table for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("key of an entry", identity.IDENTITY_KEYS),
        ("key of `oidc`", identity.OIDC_KEYS),
        ("key of `login`", identity.LOGIN_KEYS),
        ("key of `aws`", aws_identity.AWS_KEYS),
        ("key of a line", aws_identity.ARN_KEYS),
        ("key of a cluster", clusters.CLUSTER_KEYS),
        ("key of `credential.aws`", aws_role.ROLE_KEYS),
        ("key of `masking`", masking.MASKING_KEYS),
        ("key of a hook", hooks.HOOK_KEYS),
        ("key of a rule", policy.KEYS),
        ("key of a test", cases.KEYS),
        ("key of `reviewers`", holds.REVIEWERS_KEYS),
        ("key of `budget`", (*BUDGET_KINDS, "per")),
        ("effect", EFFECTS),
    ],
)
def test_a_table_has_every_key_that_is_read_and_no_other(heading: str, keys: tuple[str, ...]) -> None:
    assert _first_column(heading) == set(keys)


def test_the_tables_of_the_file_and_of_recording_have_every_key() -> None:
    tables = PAGE.split("\n| key | default | what it says |")
    found = [set(re.findall(r"^\| `([^`]+)` \|", table.split("\n\n")[0], re.MULTILINE)) for table in tables[1:]]
    assert found == [set(settings.KEYS), set(settings.RECORDING_KEYS)]


@pytest.mark.parametrize("text", POLICIES)
def test_a_policy_that_a_page_shows_can_be_used_and_leaves_no_doubts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    shown = Policy.load(path)
    assert shown.rules and doubts((*shown.guardrails, *shown.rules), None) == []


def test_the_configuration_that_the_readme_shows_leaves_no_doubts_and_rbac_names_the_groups_that_go_up(tmp_path: Path) -> None:
    rbac, configuration, rules = BLOCKS[:3]
    authority = Authority(tmp_path)
    authority.server("server", "localhost")
    authority.client("gw", "gateway")
    for name in ("bots-ca.crt", "prod-ca.crt"):
        (tmp_path / name).write_bytes(authority.certificate.read_bytes())
    (tmp_path / "policy.yaml").write_text(rules)
    path = tmp_path / "l7gw.yaml"
    path.write_text(configuration.replace("/var/lib/l7gw", "state"))
    found = settings.load(path)
    prod = found.clusters["prod"]
    policy = Policy.load(found.policy)
    assert warnings_of(found, policy) == []
    groups = policy.groups_going_up("prod", prod.groups).texts
    assert groups and {prod.prefix + group for group in groups} == set(yaml.safe_load(rbac)["rules"][1]["resourceNames"])


IMAGE = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: a, image: IMAGE}]}}}\n"


@pytest.mark.parametrize(("title", "text"), RECIPES, ids=[title for title, _ in RECIPES])
def test_a_recipe_passes_its_own_tests_and_leaves_no_doubts(tmp_path: Path, title: str, text: str) -> None:
    (tmp_path / "ours.yaml").write_text(IMAGE.replace("IMAGE", "registry.example.com/web"))
    (tmp_path / "theirs.yaml").write_text(IMAGE.replace("IMAGE", "docker.io/web"))
    (tmp_path / "policy.yaml").write_text(text)
    recipe = Policy.load(tmp_path / "policy.yaml")
    assert recipe.tests and doubts((*recipe.guardrails, *recipe.rules), None) == []


def test_the_page_of_the_policy_has_ten_recipes_and_names_what_a_condition_may() -> None:
    assert len(RECIPES) == 10
    for fields in condition_scan.FIELDS.values():
        assert all(f"`{field}`" in POLICY for field in fields)


def test_both_pages_show_a_policy() -> None:
    assert len(POLICIES) == 2
