"""What the real kube-apiserver quotes when it refuses a write, masked: nothing of what is stored, and the reason all the same."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

import pytest

from tests.support.kubernetes.cluster import RealCluster
from tests.support.masked import b64, mask

CANARY = "hunter2-canary"
NAMESPACE = "quoting-failures"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
POD_SPEC = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x", "env": [{"name": "A_PASSWORD", "value": CANARY}]}]}
NEW_ENV = {"containers": [{"name": "a", "env": [{"name": "A_PASSWORD", "value": f"new-{CANARY}"}]}]}
QUOTED = ' "" is invalid: patch: Invalid value: l7gw-masked-%s-TAG: '
# What is sent, and the whole message; "" for a message that stays as it is, and None for one of which the test asks nothing more.
CASES: list[tuple[str, str, Any, str, str | None]] = [
    ("PATCH", f"{SECRETS}/db", {"data": {"b": "%%%"}}, MERGE, QUOTED % "secret-data" + "illegal base64 data at input byte 0"),
    (
        "PATCH",
        f"{SECRETS}/db",
        {"data": {"b": "%%%"}},
        STRATEGIC,
        QUOTED % "secret-data" + "error decoding from json: illegal base64 data at input byte 0",
    ),
    (
        "PATCH",
        f"{SECRETS}/db",
        [{"op": "add", "path": "/data/b", "value": "%%"}],
        PATCH,
        QUOTED % "secret-data" + "illegal base64 data at input byte 0",
    ),
    ("PATCH", f"{SECRETS}/db", [{"op": "test", "path": "/data/a", "value": "x"}], PATCH, ""),
    ("PATCH", f"{SECRETS}/db", [{"op": "remove", "path": "/data/none"}], PATCH, ""),
    (
        "PATCH",
        f"{SECRETS}/db",
        {"data": {"b": 5}},
        MERGE,
        QUOTED % "secret-data" + "json: cannot unmarshal number into Go struct field Secret.data of type []uint8",
    ),
    (
        "PATCH",
        f"{SECRETS}/db",
        {"stringData": {"b": {"c": CANARY}}},
        STRATEGIC,
        QUOTED % "secret-data" + "unrecognized type: string",
    ),
    ("PATCH", f"{SECRETS}/db", {"metadata": {"annotations": {"x": 5}}}, MERGE, None),
    (
        "PATCH",
        f"{SECRETS}/db?fieldValidation=Strict",
        {"foo": CANARY},
        MERGE,
        QUOTED % "secret-data" + 'strict decoding error: unknown field "foo"',
    ),
    ("PATCH", f"{SECRETS}/db?fieldManager=x", {"apiVersion": "v1", "kind": "Secret", "data": {"a": b64("other")}}, APPLY, ""),
    ("PATCH", f"{SECRETS}/db", {"metadata": {"name": "other"}}, MERGE, ""),
    ("PATCH", f"{SECRETS}/db", {"type": "x"}, MERGE, ""),
    ("PATCH", f"{SECRETS}/db", {"data": {"bad key!": b64(CANARY)}}, MERGE, ""),
    ("PATCH", f"{SECRETS}/db", {"metadata": {"labels": {"x": "bad value!"}}}, MERGE, ""),
    ("PATCH", f"{SECRETS}/db", {"metadata": {"resourceVersion": "1"}}, MERGE, ""),
    ("PATCH", f"{SECRETS}/none", {"data": {}}, MERGE, ""),
    ("POST", SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}, "data": {"a": f"%{CANARY}"}}, "", ""),
    ("POST", SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}, "stringData": {"a": 5}}, "", ""),
    ("POST", SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db"}}, "", ""),
    ("POST", SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "X_Y"}}, "", ""),
    (
        "POST",
        SECRETS,
        {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}, "type": "kubernetes.io/tls", "stringData": {"a": CANARY}},
        "",
        "",
    ),
    (
        "POST",
        SECRETS,
        f"stringData: {CANARY}",
        "",
        "the object provided is unrecognized (must be of type Secret): l7gw-masked-secret-data-TAG",
    ),
    ("PUT", f"{SECRETS}/db", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "db"}}, "", ""),
    ("DELETE", f"{SECRETS}/db", {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "x"}}, "", ""),
    ("GET", f"{SECRETS}/none", None, "", ""),
    ("GET", f"{SECRETS}?continue=x", None, "", ""),
    ("GET", f"{SECRETS}?fieldSelector=data.a%3Dx", None, "", ""),
    ("PATCH", f"{PODS}/web", {"spec": NEW_ENV}, STRATEGIC, None),
    ("PATCH", f"{PODS}/web", [{"op": "replace", "path": "/spec/containers/0/env/0/value", "value": 5}], PATCH, None),
    ("PATCH", f"{PODS}/web", {"spec": {"containers": {"env": CANARY}}}, MERGE, None),
    (
        "POST",
        PODS,
        {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": "x"},
            "spec": {"containers": [{"name": "a", "image": "x", "env": CANARY}]},
        },
        "",
        "",
    ),
    (
        "PATCH",
        f"{JOBS}/j",
        {"spec": {"template": {"spec": NEW_ENV}}},
        STRATEGIC,
        'Job.batch "j" is invalid: spec.template: Invalid value: l7gw-masked-env-TAG: field is immutable',
    ),
    (
        "PATCH",
        f"{CONFIG_MAPS}/cm",
        {"data": {"b": 5}},
        MERGE,
        QUOTED % "config-map" + "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
    ),
    ("PATCH", f"{CONFIG_MAPS}/cm", {"data": {"bad key": "value"}}, MERGE, ""),
]


def asked(cluster: RealCluster, method: str, path: str, body: Any, kind: str) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls, timeout=30)
    try:
        data = body if isinstance(body, str) else None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": kind or "application/json", "Accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def stored(cluster: RealCluster) -> RealCluster:
    """The cluster with a Secret, a pod, a job and a ConfigMap that hold the canary."""
    cluster.namespace(NAMESPACE)
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": POD_SPEC}
    job = {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "j"}, "spec": {"template": {"spec": POD_SPEC}}}
    for path, body in (
        (SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db"}, "data": {"a": b64(CANARY)}}),
        (PODS, pod),
        (JOBS, job),
        (CONFIG_MAPS, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "cm"}, "data": {"a.password": CANARY}}),
    ):
        assert asked(cluster, "POST", path, body, "")[0] == 201
    return cluster


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: re.sub(r"[^\w.=-]+", " ", f"{case[0]} {case[1]} {case[3]} {case[2]}")[:100]
)
def test_a_failure_tells_nothing_that_is_stored_and_why_it_failed(
    stored: RealCluster, case: tuple[str, str, Any, str, str | None]
) -> None:
    method, path, body, kind, expected = case
    status, answer = asked(stored, method, path, body, kind)
    assert status >= 400, answer
    got = mask(f"{method} {path}", answer)
    for canary in (CANARY.encode(), b64(CANARY).encode(), CANARY.encode().hex().encode()):
        assert canary not in got.bytes_shown and canary not in got.bytes_recorded
    message = re.sub(r"-[0-9a-f]{8}\b", "-TAG", got.shown["message"])
    if expected == "":
        assert got.bytes_shown == answer
    elif expected is not None:
        assert message == expected
    else:
        assert got.finds and "invalid: " in message
