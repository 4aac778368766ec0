"""A request line is read as the API server reads it, or refused. The vectors are the API server's own answers, a second port of its
rules, and the lines that kubectl sends, command by command."""

from __future__ import annotations

import json
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import parse_qs, parse_qsl

import pytest

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import MOST_QUERY_PAIRS, describe, request_info
from tests.support.vector_files import VECTORS, read

POD = "/api/v1/namespaces/d/pods/p"


def table(name: str) -> list[list[str]]:
    """The rows of a vector file with a table, without the head. A cell of - is empty."""
    rows = read(VECTORS / "requestinfo" / name).data.decode().splitlines()[1:]
    return [["" if cell == "-" else cell for cell in row.split("\t")] for row in rows]


def refusal(method: str, target: str, upgrade: str = "") -> Refusal:
    with pytest.raises(Refusal) as refused:
        describe(method, target, upgrade)
    return refused.value


# ---------------------------------------------------------------------- against what the API server answers


@pytest.mark.parametrize("row", table("read"), ids=lambda row: f"{row[0]} {row[1]}")
def test_a_request_line_means_what_the_api_server_takes_it_for(row: list[str]) -> None:
    method, target, verb, group, version, namespace, resource, subresource, name, is_resource, long_running = row
    act = describe(method, target)
    assert (act.verb, act.group, act.version, act.namespace) == (verb, group, version, namespace)
    assert (act.resource, act.subresource, act.name) == (resource, subresource, name)
    assert (act.is_resource, act.long_running) == (is_resource == "yes", long_running == "yes")


@pytest.mark.parametrize("row", table("read"), ids=lambda row: f"{row[0]} {row[1]}")
def test_the_line_that_is_sent_upstream_means_the_same(row: list[str]) -> None:
    act = describe(row[0], row[1])
    assert describe(row[0], act.target) == act


@pytest.mark.parametrize("row", table("refused"), ids=lambda row: f"{row[2]} {row[3]}")
def test_a_line_with_two_readings_is_refused(row: list[str]) -> None:
    code, _, method, target, _ = row
    found = refusal(method, target)
    assert found.code == int(code)
    assert found.message.isascii() and found.message.isprintable()
    assert "secrets" not in found.message and "%" not in found.message, "what the stranger wrote is not told back"


@pytest.mark.parametrize("row", table("query"), ids=lambda row: row[1])
def test_a_query_is_read_as_go_reads_it_or_refused(row: list[str]) -> None:
    expect, query, go = row
    if expect == "refused":
        assert refusal("GET", f"/metrics?{query}").code == 400
        return
    act = describe("GET", f"/metrics?{query}")
    read_by_go = json.loads(go)
    if expect == "once":  # a repeated equal value is left out
        assert parse_qs(act.query, keep_blank_values=True) == {key: values[:1] for key, values in read_by_go.items()}
        assert {len(set(values)) for values in read_by_go.values()} == {1}
        return
    assert parse_qs(act.query, keep_blank_values=True) == read_by_go
    assert [key for key, _ in parse_qsl(act.query, keep_blank_values=True)] == [
        key for key, _ in parse_qsl(query, keep_blank_values=True)
    ]


def test_every_query_that_go_drops_in_part_is_refused() -> None:
    assert [row for row in table("query") if row[2] == "error"]
    assert all(row[0] == "refused" for row in table("query") if row[2] == "error")


# ---------------------------------------------------------------------- what kubectl sends


@pytest.mark.parametrize("row", table("kubectl"), ids=lambda row: f"{row[0]}: {row[1]} {row[2]}")
def test_a_kubectl_command_is_understood_and_travels_byte_for_byte(row: list[str]) -> None:
    _, method, target, upgrade, verb, kind, namespace, name, effects = row
    act = describe(method, target, upgrade)
    assert (act.verb, act.kind, act.namespace, act.name) == (verb, kind, namespace, name)
    assert " ".join(sorted(act.effects)) == effects
    assert act.target == target


@pytest.mark.parametrize(
    "target",
    [
        f"{POD}/exec?command=a%0D%0Ab&stdout=true",
        "/api/v1/namespaces/d/services/https:web:443/proxy/a,b/c@d/~e/f!g'(h)*+$&=?x=%C3%A4",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/a%20b",
        "/readyz?exclude=etcd&exclude=ping&verbose=",
    ],
)
def test_a_line_that_another_client_sends_travels_byte_for_byte(target: str) -> None:
    assert describe("GET", target).target == target


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/api/v1/%70ods/", "/api/v1/pods"),
        ("/api/v1/pods?", "/api/v1/pods"),
        ("/api/v1/pods?watch&&x=a%20b", "/api/v1/pods?watch=&x=a+b"),
        ("/api/v1/pods?x=a/b:c", "/api/v1/pods?x=a%2Fb%3Ac"),
        (f"{POD}/proxy/a%21/", f"{POD}/proxy/a!/"),
        (f"{POD}/proxy/%42%c3%bcro%3bv=1", f"{POD}/proxy/B%C3%BCro;v=1"),
        ("/api/v1/pods/team%3Bops", "/api/v1/pods/team;ops"),
        (f"{POD}/log?container=main&container=main&container=m%61in", f"{POD}/log?container=main"),
    ],
)
def test_a_line_in_another_spelling_is_written_anew(target: str, sent: str) -> None:
    assert describe("GET", target).target == sent


@pytest.mark.parametrize("path", [f"{POD}/proxy", "/api/v1/nodes/n/proxy/x", "/debug/pprof", "/logs/a", "/api"])
def test_a_last_slash_stays_where_another_page_is_behind_it(path: str) -> None:
    # Without the slash the API server, or the application behind it, redirects to the path that the client had asked for.
    assert describe("GET", path).path == path
    assert describe("GET", path + "/").path == path + "/"


@pytest.mark.parametrize("path", ["/api/v1/pods", POD, f"{POD}/log", "/apis/apps/v1/namespaces/d/deployments/web/scale"])
def test_the_last_slash_of_a_resource_is_dropped(path: str) -> None:
    assert describe("GET", path + "/") == describe("GET", path)


def test_an_application_behind_a_proxy_may_have_lists_in_its_query() -> None:
    target = "/api/v1/namespaces/d/services/prometheus:9090/proxy/federate?match=a&match=b&watch=1&watch=0"
    assert describe("GET", target).target == target


def test_a_target_without_a_slash_is_refused() -> None:
    for target in ("", "api/v1/pods", "*", "?x"):
        assert refusal("GET", target).code == 400


@pytest.mark.parametrize(("pairs", "refused"), [(MOST_QUERY_PAIRS, False), (MOST_QUERY_PAIRS + 1, True)])
def test_a_query_has_a_bound(pairs: int, refused: bool) -> None:
    target = f"{POD}/exec?" + "&".join(["command=x"] * pairs)
    if refused:
        assert refusal("GET", target).code == 400
    else:
        assert describe("GET", target).argv == ("x",) * pairs


# ---------------------------------------------------------------------- exec, attach, port-forward


def test_the_argv_of_an_exec_keeps_every_word_in_order() -> None:
    act = describe("POST", f"{POD}/exec?command=sh&stdin=true&command=-c&command=a+b&command=&tty=&container=c", "SPDY/3.1")
    assert act.argv == ("sh", "-c", "a b", "")
    assert (act.tty, act.stdin, act.container, act.long_running) == (True, True, "c", True)


def test_attach_and_port_forward_have_no_argv() -> None:
    assert describe("GET", f"{POD}/attach?command=ls&stdin=0").argv is None
    assert describe("GET", f"{POD}/portforward?command=ls").argv is None


@pytest.mark.parametrize(("value", "meant"), [("0", False), ("FALSE", False), ("false", False), ("", True), ("no", True), ("00", True)])  # fmt: skip
def test_tty_and_stdin_are_true_unless_denied(value: str, meant: bool) -> None:
    act = describe("GET", f"{POD}/attach?tty={value}&stdin={value}")
    assert (act.tty, act.stdin) == (meant, meant)


UPGRADES = ["websocket", "SPDY/3.1"]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize(
    "path",
    [
        "pods?watch=1", "secrets?watch=1", "pods/p/log", "pods/p/proxy", "pods/p/proxy/", "services/s/proxy", "pods/p", "pods/p/exec/x",
        "pods/exec", "configmaps/p/exec", "Pods/p/exec", "pods/p/Exec", "pods/p/ephemeralcontainers",
    ],
)  # fmt: skip
def test_only_streams_of_a_pod_can_be_upgraded(path: str, upgrade: str) -> None:
    assert refusal("GET", f"/api/v1/namespaces/d/{path}", upgrade).code == 400


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("path", ["/", "/version", "/api/v1/nodes/n/proxy/exec/ns/p/c", "/apis/x.io/v1/namespaces/d/pods/p/exec"])
def test_a_path_that_is_no_stream_of_a_pod_cannot_be_upgraded(path: str, upgrade: str) -> None:
    assert refusal("GET", path, upgrade).code == 400


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("stream", ["exec", "attach", "portforward"])
def test_the_streams_of_a_pod_can_be_upgraded(stream: str, upgrade: str) -> None:
    for method in ("GET", "POST"):
        assert describe(method, f"{POD}/{stream}", upgrade).subresource == stream


# ---------------------------------------------------------------------- against a second port of requestinfo.go

Told = tuple[str, str, str, str, str, str]


def second_port(method: str, target: str) -> tuple[bool, Told]:
    """Whether the verb is in the path, and (verb, group, namespace, resource, subresource, name).

    It is a second port of the rules, in the order of the Go source, for a target of which only `fieldSelector` needs decoding.
    """
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    plain = (method.lower(), "", "", "", "", "")
    if len(parts) < 3 or parts[0] not in {"api", "apis"}:
        return False, plain
    group = ""
    if parts.pop(0) == "apis":
        if len(parts) < 3:
            return False, plain
        group = parts.pop(0)
    parts.pop(0)  # version
    if in_path := parts[0] in {"watch", "proxy"}:
        verb = parts.pop(0)
    else:
        verb = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
            method, ""
        )
    namespace = ""
    if parts and parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in {"status", "finalize"}:
            del parts[:2]
    resource, name, subresource = [*parts, "", "", ""][:3]
    if not name and verb == "get":
        values = dict(pair.partition("=")[::2] for pair in query.split("&")) if query else {}
        verb = "watch" if "watch" in values and values["watch"] not in {"0", "false"} else "list"
        name = next((t[16:] for t in sorted(values.get("fieldSelector", "").split("%2C")) if t.startswith("metadata.name%3D")), "")
    if not name and verb == "delete":
        verb = "deletecollection"
    return in_path, (verb, group, namespace, resource, subresource, name)


WORDS = "api apis v1 apps namespaces default pods status finalize exec attach proxy watch x a-b.c Pods nodes log".split()
METHODS = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
QUERIES = [
    "", "", "", "?watch=true", "?watch=0", "?watch", "?watch=false&limit=5", "?fieldSelector=metadata.name%3Dp", "?Watch=1",
    "?fieldSelector=metadata.name%3Dz%2Cmetadata.name%3Dp&watch=1", "?fieldSelector=spec.x%3Dy", "?limit=500&continue=x",
]  # fmt: skip


def _same_over(count: int, seed: int = 0) -> None:
    dice = random.Random(seed)
    read_so = 0
    for _ in range(count):
        parts = dice.choices(WORDS, k=dice.randint(1, 8))
        start = dice.random()
        parts[:0] = [] if start < 0.3 else ["api", "v1"] if start < 0.7 else ["apis", "apps", "v1"]
        method, target = dice.choice(METHODS), "/" + "/".join(parts) + dice.choice(QUERIES)
        in_path, told = second_port(method, target)
        stream = (told[1], told[3]) == ("", "pods") and told[4] in {"exec", "attach"} and method not in {"GET", "POST"}
        try:
            act: Act = describe(method, target)
        except Refusal as refusal:
            expected = 403 if in_path and told[3] else 400 if in_path else 405 if stream else 0
            assert refusal.code == expected, (method, target)
            continue
        assert not in_path and not stream, (method, target)
        assert (act.verb, act.group, act.namespace, act.resource, act.subresource, act.name) == told, (method, target)
        read_so += 1
    assert read_so > count * 0.8


def test_a_hundred_thousand_lines_are_read_as_a_second_port_reads_them() -> None:
    _same_over(100_000)


@pytest.mark.long
def test_a_million_lines_are_read_as_a_second_port_reads_them() -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for half in [pool.submit(_same_over, 500_000, seed) for seed in (1, 2)]:
            half.result()


@pytest.mark.parametrize("path", ["/api/v1/watch/namespaces/a/pods/b", "/api/v1/proxy/namespaces/a/pods/b"])
def test_verbs_in_the_path_are_understood_and_refused(path: str) -> None:
    info = request_info("GET", path, [])
    assert (info.verb, info.namespace, info.resource, info.name) == (path.split("/")[3], "a", "pods", "b")
    assert refusal("GET", path).code == 403
