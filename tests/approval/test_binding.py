"""What an approval is bound to: one field more or less is another hash."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from l7gw.approval import binding
from l7gw.approval.messages import Requester
from l7gw.hold_terms import Reviewers
from tests.support.desks import SRE, asked, terms

ANN = Requester(user="ann", issuer="https://idp", groups=("dev",))
CALL: dict[str, Any] = {
    "method": "PUT",
    "target": "/api/v1/x?a=b",
    "headers": (("accept", "*/*"),),
    "body": b"{}",
    "uids": ("u1", "u2"),
}
MEANT: dict[str, Any] = {
    "verb": "update", "target": ("apps", "deployments", "", "dev", "web"), "changes": b"-a\n+b", "argv": ("sh",), "options": ("main",), "uids": ("u1",),
}  # fmt: skip


def of_call(who: Requester = ANN, cluster: str = "prod", **fields: Any) -> str:
    return binding.binding(who, cluster, **CALL | fields)


def of_intent(who: Requester = ANN, cluster: str = "prod", **fields: Any) -> str:
    return binding.intent(who, cluster, **MEANT | fields)


@pytest.mark.parametrize("who", [{"user": "bob"}, {"issuer": "https://other"}, {"actor": "bot"}, {"kind": "agent"}], ids=str)
def test_another_caller_is_another_call_and_other_groups_or_another_address_are_not(who: dict[str, Any]) -> None:
    other = msgspec.structs.replace(ANN, **who)
    assert of_call(other) != of_call() and of_intent(other) != of_intent()
    same = msgspec.structs.replace(ANN, groups=("sre",), address="10.0.0.2")
    assert of_call(same) == of_call() and of_intent(same) == of_intent()


@pytest.mark.parametrize(
    "field",
    [
        {"method": "POST"}, {"target": "/api/v1/x?a=c"}, {"headers": ()}, {"headers": (("accept", "*/"), ("*", ""))}, {"body": b"{} "},
        {"uids": ("u1",)}, {"uids": ("u1", "u2", "u3")}, {"uids": ("u1u2",)}, {"cluster": "dev"},
    ],
    ids=str,
)  # fmt: skip
def test_a_waiting_call_that_differs_in_a_field_is_another(field: dict[str, Any]) -> None:
    assert of_call(**field) != of_call()


@pytest.mark.parametrize(
    "field",
    [
        {"verb": "patch"}, {"target": ("apps", "deployments", "", "dev", "api")}, {"target": ("apps", "deployments", "dev", "web")},
        {"changes": b"-a\n+c"}, {"argv": None}, {"argv": ()}, {"argv": ("s", "h")}, {"options": ()}, {"uids": ()}, {"cluster": "dev"},
    ],
    ids=str,
)  # fmt: skip
def test_a_call_that_comes_back_with_another_intent_is_another(field: dict[str, Any]) -> None:
    assert of_intent(**field) != of_intent()


def test_uids_count_in_any_order_and_no_binding_is_an_intent() -> None:
    assert of_call(uids=("u2", "u1")) == of_call()
    assert of_call() != of_intent()
    assert all(len(one) == 64 for one in (of_call(), of_intent()))


@pytest.mark.parametrize(
    "field",
    [
        {"cluster": "dev"}, {"session": "s2"}, {"run": "r2"}, {"verb": "patch"}, {"group": "apps"}, {"resource": "services"}, {"namespace": "prod"},
        {"subresource": "status"}, {"terms": terms(("other", SRE))}, {"terms": terms(("writes", Reviewers(groups=("sre",), minimum=2)))}, {"who": Requester(user="bob")},
    ],
    ids=str,
)  # fmt: skip
def test_the_rest_of_a_run_is_of_one_caller_cluster_run_rule_verb_resource_and_namespace(field: dict[str, Any]) -> None:
    assert binding.rest_of_run(asked(**field)) != binding.rest_of_run(asked())
    assert binding.rest_of_run(asked("b", name="web-1")) == binding.rest_of_run(asked())
