"""What people call resources and verbs."""

from __future__ import annotations

import pytest

from l7gw.kube.builtin import BUILT_IN, CLUSTER_SCOPED
from l7gw.kube.effects import TEMPLATES
from l7gw.policy.vocabulary import KUBECTL, SPELLINGS, VERBS, meant


@pytest.mark.parametrize(
    "said, full",
    [("deploy", "deployments.apps"), ("pod/exec", "pods/exec"), ("pods", ""), ("widgets.x", ""), ("po", "pods")],
)
def test_a_word_that_names_no_resource_is_known_by_the_resource_that_it_means(said: str, full: str) -> None:
    assert meant(said) == full


def test_the_tables_fit_each_other() -> None:
    assert set(SPELLINGS.values()) <= {f"{plural}.{group}" if group else plural for group, plural in BUILT_IN}
    plurals = {full.partition(".")[0] for full in SPELLINGS.values()}
    assert plurals >= CLUSTER_SCOPED
    assert {verb for verb, _ in KUBECTL.values()} <= set(VERBS)
    for group, plural in TEMPLATES:
        if group != "extensions":
            assert SPELLINGS[plural] == (f"{plural}.{group}" if group else plural)
