"""A request line is read as the API server reads it, or refused: tables, a second port of its rules, and kubectl's own requests."""

from __future__ import annotations

import random

import pytest

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe, request_info

# method, path and query, verb, group, namespace, resource, subresource, name: apiserver requestinfo_test.go's cases, and wire section 2's
TABLE = [
    ("GET", "/api/v1/namespaces", "list", "", "", "namespaces", "", ""),
    ("GET", "/api/v1/namespaces/other", "get", "", "other", "namespaces", "", "other"),
    ("GET", "/api/v1/namespaces/other/pods", "list", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods/foo", "get", "", "other", "pods", "", "foo"),
    ("HEAD", "/api/v1/namespaces/other/pods/foo", "get", "", "other", "pods", "", "foo"),
    ("GET", "/api/v1/pods", "list", "", "", "pods", "", ""),
    ("HEAD", "/api/v1/pods", "list", "", "", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods/foo/status", "get", "", "other", "pods", "status", "foo"),
    ("PUT", "/api/v1/namespaces/other/finalize", "update", "", "other", "namespaces", "finalize", "other"),
    ("PUT", "/api/v1/namespaces/other/status", "update", "", "other", "namespaces", "status", "other"),
    ("PATCH", "/api/v1/namespaces/other/pods/foo", "patch", "", "other", "pods", "", "foo"),
    ("DELETE", "/api/v1/namespaces/other/pods/foo", "delete", "", "other", "pods", "", "foo"),
    ("DELETE", "/api/v1/namespaces/other/pods", "deletecollection", "", "other", "pods", "", ""),
    ("POST", "/api/v1/namespaces/other/pods", "create", "", "other", "pods", "", ""),
    ("OPTIONS", "/api/v1/namespaces/other/pods/foo", "", "", "other", "pods", "", "foo"),
    ("GET", "/api/v1/nodes/n/proxy/metrics", "get", "", "", "nodes", "proxy", "n"),
    (
        "GET",
        "/apis/extensions/v1beta1/namespaces/other/deployments/d/scale",
        "get",
        "extensions",
        "other",
        "deployments",
        "scale",
        "d",
    ),
    ("GET", "/apis/apps/v1/deployments", "list", "apps", "", "deployments", "", ""),
    ("POST", "/apis/apps/v1/namespaces/other/deployments", "create", "apps", "other", "deployments", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch=true", "watch", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch=1", "watch", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch=", "watch", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch", "watch", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch=no", "watch", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?w%61tch=yes", "watch", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch=0", "list", "", "other", "pods", "", ""),
    ("GET", "/api/v1/namespaces/other/pods?watch=FALSE", "list", "", "other", "pods", "", ""),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp1", "list", "", "", "pods", "", "p1"),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3D%3Dp1&watch=1", "watch", "", "", "pods", "", "p1"),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%21%3Dp1", "list", "", "", "pods", "", ""),
    ("GET", "/api/v1/pods/", "list", "", "", "pods", "", ""),
    ("GET", "/healthz", "get", "", "", "", "", ""),
    ("POST", "/healthz", "post", "", "", "", "", ""),
    ("GET", "/", "get", "", "", "", "", ""),
    ("GET", "/api", "get", "", "", "", "", ""),
    ("GET", "/api/v1", "get", "", "", "", "", ""),
    ("GET", "/apis/apps/v1", "get", "", "", "", "", ""),
    ("GET", "/openapi/v3/apis/apps/v1?hash=ABC", "get", "", "", "", "", ""),
]


def told(act: Act) -> tuple[str, ...]:
    return (act.verb, act.group, act.namespace, act.resource, act.subresource, act.name)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_request_line_means_what_the_api_server_takes_it_for(row: tuple[str, ...]) -> None:
    method, target, *expected = row
    assert told(describe(method, target)) == tuple(expected)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/watch/pods",
        "/api/v1/watch/namespaces/a/pods/b",
        "/api/v1/proxy/namespaces/a/pods/b",
        "/apis/apps/v1/watch/deployments",
    ],
)
def test_verbs_in_the_path_are_understood_and_refused(path: str) -> None:
    assert request_info("GET", path, []).verb == path.split("/v1/")[1].split("/")[0]
    with pytest.raises(Refusal) as refused:
        describe("GET", path)
    assert refused.value.code == 403


BAD = [
    "//api/v1/secrets", "/api//v1/secrets", "/api/v1/pods//", "/api/v1/./pods", "/api/v1/../v1/pods", "/api/v1/%2e%2e/pods",
    "/api/v1/namespaces/a%2Fsecrets", "/api/v1/namespaces/a%2fsecrets", "/api/v1/namespaces/a%5Csecrets", "/api/v1/pods/%25",
    "/api/v1/pods/%00", "/api/v1/pods/%0a", "/api/v1/pods/%7f", "/api/v1/pods/%ff", "/api/v1/pods;x=1", "/api/v1/pods/%3b", "/api/v1/po\\ds",
    "/api/v1/pods/%zz", "/api/v1/pods/%2", "/api/v1/pods?a;b", "/api/v1/pods?x=%zz", "/api/v1/pods?dryRun=All;x", "/api/v1/pods?x=%ff",
    "/api/v1/pods?watch=0&watch=1", "/api/v1/pods?labelSelector=a&labelSelector=b", "/api/v1/pods?x=%00", "/api/v1/p\"ods", "/api/v1/p ods",
]  # fmt: skip


@pytest.mark.parametrize("target", BAD)
def test_a_line_with_two_readings_is_refused(target: str) -> None:
    with pytest.raises(Refusal) as refused:
        describe("GET", target)
    assert refused.value.code == 400
    assert "%" not in refused.value.message and "secrets" not in refused.value.message


KEPT = [
    "/api/v1/namespaces/default/pods?fieldSelector=metadata.name%3Dp1&resourceVersion=0",
    "/api/v1/namespaces/d/pods/p/exec?command=sh&command=-c&command=a+b%3Bc%26d%3De%2Bf&container=c&stderr=true&stdout=true",
    "/api/v1/namespaces/d/pods/p/exec?command=a%0D%0Ab&stdout=true",
    "/openapi/v3/apis/apps/v1?hash=0123ABCD",
    "/api/v1/namespaces/d/services/https:web:443/proxy/a,b/c@d/~e?x=%C3%A4",
    "/api?timeout=32s",
    "/apis/apps/v1/deployments?limit=500&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ%3D%3D",
]


@pytest.mark.parametrize("target", KEPT)
def test_what_kubectl_sends_travels_byte_for_byte(target: str) -> None:
    assert describe("GET", target).target == target


def test_the_argv_of_an_exec_keeps_every_word_in_order() -> None:
    act = describe(
        "POST", "/api/v1/namespaces/d/pods/p/exec?command=sh&stdin=true&command=-c&command=a+b&tty=&container=c", "SPDY/3.1"
    )
    assert act.argv == ("sh", "-c", "a b")
    assert (act.tty, act.stdin, act.container, act.long_running) == (True, True, "c", True)
    assert describe("GET", "/api/v1/namespaces/d/pods/p/attach?stdin=0").argv is None


@pytest.mark.parametrize("upgrade", ["websocket", "SPDY/3.1"])
@pytest.mark.parametrize(
    "path",
    [
        "pods?watch=1",
        "secrets?watch=1",
        "pods/p/log",
        "pods/p/proxy",
        "services/s/proxy",
        "pods/p",
        "pods/p/exec/x",
        "configmaps/p/exec",
    ],
)
def test_only_streams_of_a_pod_can_be_upgraded(path: str, upgrade: str) -> None:
    with pytest.raises(Refusal) as refused:
        describe("GET", f"/api/v1/namespaces/d/{path}", upgrade)
    assert refused.value.code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_streams_take_get_and_post_alone(method: str) -> None:
    with pytest.raises(Refusal) as refused:
        describe(method, "/api/v1/namespaces/d/pods/p/exec?command=ls")
    assert refused.value.code == 405


# ---------------------------------------------------------------------- against a second port of requestinfo.go


def second_port(method: str, path: str, watch: bool) -> tuple[str, str, str, str, str, str]:
    """The rules once more, in the order of the Go source, on a path that has one reading."""
    parts = [part for part in path.split("/") if part]
    nothing = (method.lower(), "", "", "", "", "")
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return nothing
    group = ""
    rest = parts[1:]
    if parts[0] == "apis":
        if len(parts) < 4:
            return nothing
        group, rest = rest[0], rest[1:]
    rest = rest[1:]
    verb = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method, "")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2:
            rest = rest[2:] if rest[2] not in ("status", "finalize") else rest
    resource = rest[0]
    name = rest[1] if len(rest) >= 2 else ""
    subresource = rest[2] if len(rest) >= 3 else ""
    if not name:
        if verb == "get":
            verb = "watch" if watch else "list"
        elif verb == "delete":
            verb = "deletecollection"
    return (verb, group, namespace, resource, subresource, name)


WORDS = [
    "api",
    "apis",
    "v1",
    "apps",
    "namespaces",
    "default",
    "pods",
    "status",
    "finalize",
    "exec",
    "proxy",
    "x",
    "a-b.c",
    "Pods",
    "nodes",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _same_over(count: int) -> None:
    dice = random.Random(count)
    for _ in range(count):
        parts = [dice.choice(WORDS) for _ in range(dice.randint(1, 8))]
        if dice.random() < 0.7:
            parts[:0] = ["api", "v1"] if dice.random() < 0.5 else ["apis", "apps", "v1"]
        path, method, watch = "/" + "/".join(parts), dice.choice(METHODS), dice.random() < 0.3
        try:
            act = describe(method, path + ("?watch=true" if watch else ""))
        except Refusal as refusal:
            # verbs in the path and methods out of place are refused, the rest is not
            assert refusal.code in (403, 405) or path.endswith("/proxy"), path
            continue
        assert told(act) == second_port(method, path, watch), (method, path, watch)


def test_a_hundred_thousand_paths_are_read_as_a_second_port_reads_them() -> None:
    _same_over(100_000)


@pytest.mark.long
def test_a_million_paths_are_read_as_a_second_port_reads_them() -> None:
    _same_over(1_000_000)
