"""docs/configuration.md and docs/policy.md have the keys that the code reads. The examples on the pages are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from l7gw.config import load as settings
from l7gw.config.reference import mappings_of
from l7gw.demo.pki import Authority
from l7gw.gateway.doubts import warnings_of
from l7gw.kube.act import EFFECTS
from l7gw.policy import condition_scan
from l7gw.policy.doubts import doubts
from l7gw.policy.judge import Policy
from tests.support.cited_sources import DOCS, ROOT
from tests.support.key_pages import PAGES, page, tables_of

PAGE = (DOCS / "configuration.md").read_text()
POLICY = (DOCS / "policy.md").read_text()
RECIPES = re.findall(r"### [0-9]+\. ([^\n]*)\n\n```yaml\n(.*?)```", POLICY, re.DOTALL)
BLOCKS = [
    block
    for text in ((ROOT / "README.md").read_text(), PAGE, POLICY.split("## Ten recipes")[0])
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
]
POLICIES = [block for block in BLOCKS if re.search("^guardrails:", block, re.MULTILINE)]

# Of the policy's mappings these have no table of their own: their keys are those of a table that the page has.
SAME = {"guardrails", "defaults", "rules.reviewers.emergency"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_has_the_tables_that_the_keys_make(path: Path) -> None:
    assert path.read_text() == page(path.read_text(), *PAGES[path]), "`make reference` writes them anew"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_has_a_table_of_every_mapping(path: Path) -> None:
    """A mapping that stands in several places, such as `tls`, has one."""
    places: dict[int, set[str]] = {}
    for at, mapping in mappings_of(PAGES[path][0]):
        places.setdefault(id(mapping), set()).add(at)
    shown = tables_of(path.read_text())
    assert [paths for paths in places.values() if paths.isdisjoint(shown) and paths.isdisjoint(SAME)] == []
    assert len(shown) == len(set(shown))


def test_the_page_of_the_policy_says_what_is_in_each_effect() -> None:
    table = POLICY.split("<!-- effects -->")[1].split("<!-- end -->")[0]
    assert {line.split("`")[1] for line in table.splitlines()[3:] if line} == set(EFFECTS)
    assert all(f"| `{effect}` |" in POLICY.split("<!-- effects -->")[0] for effect in EFFECTS)
    assert "`serviceaccounts/token`" in table and "`pods/eviction`" in table


COVERS = re.findall(r"```yaml\n(.*?)```", POLICY.split("## Covers and overlaps")[1].split("\n## ")[0], re.DOTALL)


@pytest.mark.parametrize(("number", "verdicts"), [(0, {"allow", "deny"}), (1, {"allow", "deny", "hold"}), (2, {"allow", "deny"})])
def test_what_covers_and_overlaps_is_shown_by_tests_that_hold(tmp_path: Path, number: int, verdicts: set[str]) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(COVERS[number])
    assert Policy.load(path).tests >= 7  # they are run
    assert {case["verdict"] for case in yaml.safe_load(COVERS[number])["tests"]} == verdicts


def test_the_rule_that_the_page_calls_never_reached_is_doubted_in_its_words(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(COVERS[3])
    (doubt,) = doubts(Policy.load(path).rules, None)
    assert f"`{doubt}`" in POLICY and len(COVERS) == 4


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
    assert len(POLICIES) >= 2
