"""The calls of each sort have each effect but one, and each verb of objects."""

from __future__ import annotations

from l7gw.kube.act import EFFECTS
from l7gw.policy.every_call import every_call


def test_together_the_calls_have_every_effect_but_impersonate() -> None:
    assert frozenset().union(*(act.effects for act in every_call())) == set(EFFECTS) - {"impersonate"}
