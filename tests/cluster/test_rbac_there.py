"""The roles and bindings of a cluster are read page by page, and what cannot be read is told with what to type."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from l7gw.cluster.api_server import Answer, ApiServer
from l7gw.cluster.rbac_there import read_there
from l7gw.cluster.trial import Failure
from l7gw.kube.rbac import Rule, Subject, binding, role

OBJECTS = [role("r", [Rule(("get",), ("",), ("pods",))], "dev"), binding("r", [Subject("User", "ann")], "dev")]


class Scripted:
    """An API server that has a page for each target, and an empty list for any other."""

    def __init__(self, **pages: tuple[int, dict[str, Any]]) -> None:
        self.pages = {name: (status, json.dumps(body).encode()) for name, (status, body) in pages.items()}
        self.asked = list[str]()

    def ask(self, method: str, path: str) -> Answer:
        self.asked.append(f"{method} {path}")
        resource = path.rpartition("/")[2].partition("?")[0] + ("_2" if "continue=" in path else "")
        status, body = self.pages.get(resource, (200, b'{"items": []}'))
        return Answer(status, body)

    @property
    def server(self) -> ApiServer:
        return cast(ApiServer, self)


def test_all_pages_of_all_kinds_are_read() -> None:
    bare = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in OBJECTS]
    there = Scripted(
        roles=(200, {"items": [], "metadata": {"continue": "a/b+c"}}),
        roles_2=(200, {"items": bare[:1]}),
        rolebindings=(200, {"items": [*bare[1:], "odd", {}]}),
    )
    told: list[int] = []
    found = read_there(there.server, told.append)
    (bound,) = found.bound_to(Subject("User", "ann"))
    assert [str(rule) for rule in bound.rules] == ["get pods"] and sum(told) == 4
    base = "GET /apis/rbac.authorization.k8s.io/v1"
    assert there.asked[0] == f"{base}/clusterroles?limit=250"
    assert f"{base}/roles?limit=250&continue=a%2Fb%2Bc" in there.asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((403, {"message": "roles is forbidden"}), "does not let the gateway list roles: roles is forbidden"),
        ((401, {}), "does not list roles: HTTP 401"),
        ((200, {"items": {}}), "does not list roles"),
        ((200, {"items": [], "metadata": {"continue": 1}}), "does not list roles"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(answer: tuple[int, dict[str, Any]], said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        read_there(Scripted(roles=answer).server)
    assert answer[0] != 403 or caught.value.remedy.startswith("kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A")


def test_more_objects_than_anybody_has_are_not_kept() -> None:
    endless = (200, {"items": [{"metadata": {"name": str(number)}} for number in range(250)], "metadata": {"continue": "more"}})
    with pytest.raises(Failure, match="more than 100,000"):
        read_there(Scripted(clusterroles=endless, clusterroles_2=endless).server)
