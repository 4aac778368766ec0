"""All doubts of a configuration with its policy, from the parts that have them."""

from __future__ import annotations

from pathlib import Path

from l7gw.gateway.doubts import warnings_of
from l7gw.policy.judge import Policy
from tests.support.written_configuration import Written

RULES = """
rules:
- {name: a, clusters: [prdo], groups: [sre], effects: [read], verdict: allow}
- {name: b, kinds: [human], effects: [read], verdict: allow}
grants:
- {group: nobody, reviewers: {groups: [sre]}}
"""


def test_the_doubts_of_all_parts_come_in_one_list(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.entry["longest-lifetime"] = "25h"
    written.entry["oidc"]["groups"] = "groups"
    policy = tmp_path / "policy.yaml"
    policy.write_text(RULES)
    found = warnings_of(written.load(), Policy.load(policy))
    for words in (
        "rule 'a' is about clusters that are not configured: prdo",
        "the grant of 'nobody' in line 6",
        "may live 25h",
        "cluster prod: rules without `groups:` ('b')",
    ):
        assert any(words in one for one in found), (words, found)


def test_a_policy_that_allows_nothing_is_doubted(tmp_path: Path) -> None:
    written = Written(tmp_path)
    settings = written.load()
    assert warnings_of(settings, Policy.load(settings.policy)) == [
        "no rule allows anything: every call but discovery will be denied; l7gw policy packs lists policies to start from"
    ]
