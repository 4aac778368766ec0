"""Objects of RBAC are written as YAML that reads back as they are, with their comments."""

from __future__ import annotations

import yaml

from l7gw.cli.rbac.manifests import text_of
from l7gw.cluster.rbac_render import Part
from l7gw.kube.rbac import Rule, Subject, binding, role

RULES = [Rule(("get",), ("",), ("pods",), tuple(f"a-long-name-{n}" for n in range(60))), Rule(("get",), urls=("/metrics",))]


def test_documents_read_back_as_the_objects() -> None:
    made = [role("größe: #1", RULES), binding("größe: #1", [Subject("User", "y")]), role("empty", [], "dev")]
    text = text_of([Part(("about",), (made[0], made[1]), ("first", "")), Part(("more",), (made[2],)), Part(("at last", ""), ())])
    assert [*yaml.safe_load_all(text)] == made
    assert text.startswith("# about\n") and text.endswith("rules: []\n# at last\n#\n")
    assert "rules:\n  # first\n  - {apiGroups: [" in text and "größe" in text


def test_a_comment_stays_a_comment_whatever_stands_in_it() -> None:
    text = text_of([Part(("a\nkind: Secret\x1b[2J",), (role("r", RULES[1:]),), ("b\nkind: Secret",))])
    assert [*yaml.safe_load_all(text)] == [role("r", RULES[1:])] and "\x1b" not in text
