"""What is counted of a call, and how a budget is told."""

from __future__ import annotations

import pytest

from l7gw.budget_terms import BudgetKind, BudgetTerms, Limit, effect_of
from l7gw.kube.requestinfo import describe

POD = "/api/v1/namespaces/dev/pods/a"


@pytest.mark.parametrize(
    ("method", "target", "kinds"),
    [
        ("GET", POD, []),
        ("GET", "/api/v1/pods?watch=true", []),
        ("PATCH", POD, ["writes"]),
        ("POST", "/api/v1/namespaces/dev/serviceaccounts/a/token", ["writes"]),
        ("DELETE", POD, ["deletes"]),
        ("DELETE", "/api/v1/namespaces/dev/pods", ["deletes"]),
        ("POST", f"{POD}/eviction", ["deletes"]),
        ("POST", f"{POD}/exec?command=ls", ["executes"]),
        ("GET", f"{POD}/attach", ["executes"]),
        ("GET", f"{POD}/portforward", []),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", []),
    ],
)
def test_a_call_counts_by_what_it_does(method: str, target: str, kinds: list[str]) -> None:
    effects = describe(method, target).effects
    rest: tuple[BudgetKind, ...] = ("writes", "deletes", "executes")
    assert [kind for kind in rest if Limit(kind, 1).counts(effects)] == kinds
    assert Limit("calls", 1).counts(effects)


def test_a_budget_is_told_in_words() -> None:
    terms = BudgetTerms("r", (Limit("writes", 20), Limit("deletes", 1)), 600)
    assert terms.in_words() == "20 writes per 10m, 1 delete per 10m"
    assert (effect_of("calls"), effect_of("deletes")) == ("", "delete")
