"""A role is bound to callers by name alone where the cluster is told their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from l7gw.config.settings import Cluster, Impersonate, TokenFile
from l7gw.errors import ConfigurationError
from l7gw.policy.bind_faults import check_binds
from l7gw.policy.judge import Policy

PROD = Cluster("prod", "c", 443, Path("ca"), TokenFile(Path("token")))
RULE = "rules: [{name: r, namespaces: [shop], clusters: ['prod*'], verdict: allow, bind: debug}]\n"
GRANT = "rules: []\ngrants:\n- {group: oncall, reviewers: {groups: [sre]}, clusters: [prod], bind: debug, namespaces: [shop]}\n"


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        (RULE, "user", ""),
        (RULE, "groups", "cluster prod is not told who calls (impersonate: groups)"),
        (RULE, "none", "cluster prod is not told who calls (impersonate: none)"),
        (GRANT, "user", ""),
        (GRANT, "groups", ""),
        (GRANT, "none", "cluster prod is told neither users nor groups"),
    ],
)
def test_what_a_cluster_cannot_be_told_is_a_mistake(tmp_path: Path, text: str, mode: Impersonate, told: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    policy, dev = Policy.load(path), replace(PROD, name="dev", impersonate="none")
    if not told:
        check_binds(policy, path, {"prod": replace(PROD, impersonate=mode), "dev": dev})
        return
    with pytest.raises(ConfigurationError) as error:
        check_binds(policy, path, {"prod": replace(PROD, impersonate=mode), "dev": dev})
    (problem,) = error.value.problems
    assert told in problem.what and problem.line == (1 if text == RULE else 3)
