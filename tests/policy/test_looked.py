"""What conditions see of a call, in JSON and in protobuf alike."""

from __future__ import annotations

import json

import pytest

from l7gw.identity.principal import Principal
from l7gw.kube.dry_runs import is_rehearsal
from l7gw.kube.objects import json_nodes
from l7gw.kube.requestinfo import describe
from l7gw.policy.looked import MOST_ITEMS, Looked, is_dry_run, look, look_at, principal_of, request_of
from l7gw.policy.rules import verb_of

POD = "/api/v1/namespaces/dev/pods/a"


def test_an_object_is_seen_as_plain_values() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": "ä"}}
    data = json.dumps(value).encode()
    assert look(json_nodes.read(data, strict=True)) == Looked(object=value)


def test_an_object_is_bounded_in_items() -> None:
    for many, more in (
        ([0] * MOST_ITEMS, [0] * (MOST_ITEMS + 1)),
        (dict.fromkeys(range(MOST_ITEMS)), dict.fromkeys(range(MOST_ITEMS + 1))),
    ):
        assert look_at({"a": [many]}).fault == ""
        assert look_at({"a": [more]}).fault == f"a list of the object has more than {MOST_ITEMS} items"


@pytest.mark.parametrize(
    ("method", "target", "sent", "dry"),
    [
        ("PATCH", POD, None, False),
        ("PATCH", POD + "?dryRun=All", {}, True),
        ("DELETE", POD + "?dryRun=All", None, True),
        ("DELETE", POD + "?dryRun=All", {"kind": "DeleteOptions"}, False),  # a body is read instead of the query
        ("DELETE", POD, {"dryRun": ["All"]}, True),
        ("POST", POD + "/eviction", {"deleteOptions": {"dryRun": ["All"]}}, True),
        ("POST", POD + "/eviction?dryRun=All", {"kind": "Eviction"}, True),
        ("POST", POD + "/eviction", {"dryRun": ["All"]}, False),
        ("DELETE", POD, {"dryRun": []}, False),
        ("DELETE", POD, {"dryRun": ["None"]}, False),
        ("DELETE", POD + "?dryRun=All", {}, False),
        ("PATCH", POD + "?dryRun=", {}, False),
        ("POST", POD + "/eviction?dryRun=All", {"deleteOptions": {"dryRun": []}}, True),
    ],
)
def test_a_dry_run_is_told_where_kube_apiserver_tells_it(method: str, target: str, sent: object, dry: bool) -> None:
    act = describe(method, target)
    node = None if sent is None else json_nodes.read(json.dumps(sent).encode(), strict=True)
    assert is_dry_run(act, sent) is dry and is_rehearsal(act, node) is dry


@pytest.mark.parametrize(
    "line",
    [
        f"POST {POD}/exec",
        f"GET {POD}/exec",
        f"DELETE {POD}/proxy/quit",
        "POST /api/v1/namespaces/dev/serviceaccounts/a/token",
        "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "DELETE /apis/example.com/v1/namespaces/dev/things/a",  # a service may serve it
        f"GET {POD}",
    ],
)
def test_what_has_no_dry_run_is_none_whatever_its_query_says(line: str) -> None:
    method, target = line.split(" ")
    assert not is_dry_run(describe(method, f"{target}?dryRun=All"), None)
    assert is_dry_run(describe("DELETE", "/api/v1/namespaces/dev/pods?dryRun=All"), None)


def request(method: str, target: str) -> dict[str, object]:
    act = describe(method, target)
    return request_of(act, verb_of(act), None)


def test_a_request_has_its_fields_and_none_that_is_not_known() -> None:
    found = request("POST", POD + "/exec?command=ps&container=c&tty=true")
    assert (found["verb"], found["argv"], found["container"], found["tty"], found["stdin"]) == ("exec", ["ps"], "c", True, False)
    assert found["effects"] == ["execute"] and found["path"] == POD + "/exec"
    assert "argv" not in request("POST", POD + "/attach") and "argv" not in request("PATCH", POD + "/ephemeralcontainers")
    assert request("GET", POD)["argv"] == [] and request("GET", POD)["ports"] == []
    assert "ports" not in request("POST", POD + "/portforward") and request("POST", POD + "/portforward?ports=80")["ports"] == [80]


def test_a_principal_has_its_fields() -> None:
    who = Principal("ann", ("sre",), "agent", issuer="https://a", actor="bot", address="192.0.2.1")
    assert principal_of(who) == {
        "user": "ann",
        "groups": ["sre"],
        "kind": "agent",
        "issuer": "https://a",
        "actor": "bot",
        "address": "192.0.2.1",
    }
