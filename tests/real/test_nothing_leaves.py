"""No value that must not leave does, from a real kube-apiserver: to no client, in no view, and to no file. And what is read and put
back changes nothing.

`make test` asks for every kind and in every view, but not for every pair of them; `make test-long` for all.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.npm.install import MissingNode, node_modules
from tests.support.both_ways import Both, before
from tests.support.h2_client import connected
from tests.support.kubernetes.cluster import RealCluster
from tests.support.planted import KINDS, NAMESPACE, Planted, Planter, Searched
from tests.support.raw_client import RawClient
from tests.support.whole_state import written_down

JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
AS = ";as={};g=meta.k8s.io;v=v1"
ACCEPTS = {
    "json": JSON,
    "protobuf": f"{PROTOBUF},{JSON}",
    "table": f"{JSON}{AS.format('Table')}",
    "metadata": f"{JSON}{AS.format('PartialObjectMetadata')}",
    "metadata in protobuf": f"{PROTOBUF}{AS.format('PartialObjectMetadata')}",
    "metadata list": f"{JSON}{AS.format('PartialObjectMetadataList')}",
    "metadata list in protobuf": f"{PROTOBUF}{AS.format('PartialObjectMetadataList')}",
}
MERGE, STRATEGIC, JSON_PATCH, APPLY = (
    f"application/{name}-patch+{kind}"
    for name, kind in (("merge", "json"), ("strategic-merge", "json"), ("json", "json"), ("apply", "yaml"))
)
LIVE = "timeoutSeconds=1&allowWatchBookmarks=true"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "names": {"plural": "rollouts", "singular": "rollout", "kind": "Rollout", "listKind": "RolloutList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """One request. `said` tells it in a failure."""

    method: str
    target: str
    accept: str = JSON
    body: bytes = b""
    content: str = ""
    packed: bool = False

    @property
    def said(self) -> str:
        return f"{self.method} {self.target}, accepting {self.accept}{' and gzip' if self.packed else ''}, {self.content} {self.body[:80]!r}"


@dataclass
class Stage:
    """The cluster with everything planted in it, and what came to clients so far."""

    both: Both
    planted: dict[str, Planted]
    values: list[bytes]
    whole: bool
    came: list[tuple[str, int, bytes]] = field(default_factory=list)  # what was asked, status, bytes of head and body

    def asks(self, of: Callable[[Planted], Iterator[Ask]]) -> list[Ask]:
        """What is asked of each kind: all, or a quarter that differs from kind to kind."""
        step = 1 if self.whole else 4
        return [ask for number, it in enumerate(self.planted.values()) for ask in list(of(it))[number % step :: step]]

    def over_http1(self, asks: list[Ask]) -> None:
        with RawClient(self.both.gateway, timeout=30) as client:
            for ask in asks:
                lines = [
                    f"{ask.method} /real{ask.target} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.both.token}",
                    f"Accept: {ask.accept}", *(["Accept-Encoding: gzip"] if ask.packed else []),
                    *([f"Content-Type: {ask.content}"] if ask.content else []), *([f"Content-Length: {len(ask.body)}"] if ask.body else []),
                ]  # fmt: skip
                client.send("\r\n".join(lines).encode() + b"\r\n\r\n" + ask.body)
                status, headers, body = client.answer(ask.method)
                self._came(ask, status, headers, body)

    async def over_http2(self, asks: list[Ask]) -> None:
        cluster, gateway = self.both.cluster, self.both.gateway
        async with connected(gateway.port, gateway.authority, (cluster.admin_certificate, cluster.admin_key)) as client:
            for at in range(0, len(asks), 40):
                await asyncio.gather(*(self._over_http2(client, ask) for ask in asks[at : at + 40]))

    async def _over_http2(self, client: Any, ask: Ask) -> None:
        more = {"accept_encoding": "gzip"} if ask.packed else {}
        more |= {"content_type": ask.content} if ask.content else {}
        stream = await client.ask(
            ask.method, f"/real{ask.target}", ask.body, accept=ask.accept, authorization=f"Bearer {self.both.token}", **more
        )
        self._came(ask, stream.status, stream.headers, bytes(stream.body))

    def _came(self, ask: Ask, status: int, headers: dict[str, str], body: bytes) -> None:
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.came.append((ask.said, status, repr(headers).encode() + b"\0" + body))


@pytest.fixture(scope="module", params=[pytest.param(False, id="thinned"), pytest.param(True, id="whole", marks=pytest.mark.long)])
def stage(request: pytest.FixtureRequest, cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    try:
        node_modules()
    except MissingNode as error:
        missing(f"the identity provider needs Node.js: {error}")
    cluster.namespace(NAMESPACE)
    cluster.apply(DEFINITION)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=20s", "crd/rollouts.argoproj.io")
    planted: dict[str, Planted] = {}
    values: list[bytes] = []
    for number, (kind, make) in enumerate(KINDS.items()):
        it = make(Planter(7000 + number))
        if kind == "TokenRequest":
            continue
        meta = it.value["metadata"]
        meta["name"] = meta["name"] if kind == "Secret of Helm" else f"it-{it.plural}"
        for name in ("uid", "resourceVersion", "creationTimestamp"):
            meta.pop(name, None)
        debug = it.value.get("spec", {}).pop("ephemeralContainers", None)
        status, answer = cluster.request("POST", it.path(name=False), it.value)
        assert status in (201, 409), answer["message"]  # 409: it was planted for the other stage, with the same values
        if debug is not None:
            patch = json.dumps({"spec": {"ephemeralContainers": debug}})
            cluster.kubectl("patch", "pod", meta["name"], "-n", NAMESPACE, "--subresource=ephemeralcontainers", "-p", patch)
        planted[kind] = it
        values += it.values
    with before(cluster, tmp_path_factory.mktemp("leaves"), watched=False) as both:
        yield Stage(both, planted, values, request.param)


def reads(it: Planted) -> Iterator[Ask]:
    """A kind in every view, as clients with and without kubectl's headers ask for it."""
    one, all_ = it.path(name=True), it.path(name=False)
    everywhere = all_.replace(f"/namespaces/{NAMESPACE}", "")
    protobuf = ["protobuf"] if not it.custom else []
    for view in ("json", *protobuf, "table", "metadata", "metadata in protobuf"):
        yield Ask("GET", one, ACCEPTS[view])
    for view in ("json", *protobuf, "metadata list", "metadata list in protobuf"):
        for packed in (False, True):
            yield Ask("GET", f"{all_}?limit=500", ACCEPTS[view], packed=packed)
    for view in ("json", *protobuf):
        yield Ask("GET", everywhere, ACCEPTS[view], packed=view == "json")
        yield Ask("GET", one + "?pretty=true", ACCEPTS[view])
    for include in ("Object", "Metadata", "None"):
        yield Ask("GET", f"{all_}?includeObject={include}", ACCEPTS["table"], packed=include == "Object")


def live(it: Planted) -> Iterator[Ask]:
    """Watches that end after a second."""
    all_ = it.path(name=False)
    protobuf = ["protobuf"] if not it.custom else []
    for view in ("json", *protobuf, "table", "metadata"):
        yield Ask("GET", f"{all_}?watch=1&{LIVE}&includeObject=Object", ACCEPTS[view])
        yield Ask(
            "GET", f"{all_}?watch=1&{LIVE}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", ACCEPTS[view], packed=True
        )


def writes(it: Planted) -> Iterator[Ask]:
    """Dry runs and failures, whose answers echo or quote what is stored."""
    one = it.path(name=True)
    label = {"metadata": {"labels": {"seen": "yes"}}}
    protobuf = ["protobuf"] if not it.custom else []
    for view in ("json", *protobuf, "table"):
        accept = ACCEPTS[view]
        yield Ask("PATCH", f"{one}?dryRun=All", accept, json.dumps(label).encode(), MERGE)
        yield Ask("DELETE", f"{one}?dryRun=All", accept)
    head = {"apiVersion": it.value["apiVersion"], "kind": it.kind, **label}
    yield Ask("PATCH", f"{one}?dryRun=All&fieldManager=me", JSON, json.dumps(head).encode(), APPLY)
    if not it.custom:
        yield Ask("PATCH", f"{one}?dryRun=All", JSON, json.dumps(label).encode(), STRATEGIC)
    for wrong in ({"data": 5}, {"spec": 5}, {"metadata": 5}, {"data": {"x": 5}}, {"data": {"x": "no base64"}}, {"spec": {"template": {"spec": 5}}},
                  {"template": 5}, {"immutable": "x"}, {"metadata": {"labels": {"a b": "c"}}}):  # fmt: skip
        for content in (MERGE, STRATEGIC):
            yield Ask("PATCH", one, JSON, json.dumps(wrong).encode(), content)
    for path in ("/data", "/spec", "/metadata/labels/no", "/template"):
        for op in ("replace", "add", "remove"):
            patch = [{"op": op, "path": path, "value": 5}]
            yield Ask("PATCH", f"{one}?dryRun=All", JSON, json.dumps(patch).encode(), JSON_PATCH)


def ask_all(stage: Stage, asks: list[Ask]) -> None:
    """Half over HTTP/1.1, half over HTTP/2, every other one."""
    with ThreadPoolExecutor(4) as pool:
        halves = [asks[number::8] for number in range(0, 8, 2)]
        waiting = [pool.submit(stage.over_http1, half) for half in halves]
        asyncio.run(stage.over_http2(asks[1::2]))
        for one in waiting:
            one.result()


def check(stage: Stage, came: list[tuple[str, int, bytes]]) -> None:
    searched = Searched(stage.values)
    found = [f"{said}: {words}" for said, _, data in came for words in searched.found_in(data)]
    assert not found, "\n".join(found[:20])


def test_no_client_sees_a_value_in_any_view(stage: Stage) -> None:
    asks = stage.asks(reads)
    ask_all(stage, asks)
    strange = [(said, status) for said, status, _ in stage.came if status != 200]
    assert not strange, strange[:5]
    check(stage, stage.came)
    assert sum(b"l7gw-masked-" in data or b"bDdndy1tYXNrZWQt" in data for _, _, data in stage.came) > len(asks) // 3


def test_no_watch_shows_a_value(stage: Stage) -> None:
    before = len(stage.came)
    asks = stage.asks(live)
    asyncio.run(stage.over_http2(asks))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(stage.over_http1, [[ask] for ask in asks[::4]]))
    came = stage.came[before:]
    assert all(status == 200 for _, status, _ in came), [(said, status) for said, status, _ in came if status != 200][:5]
    check(stage, came)


def test_no_dry_run_echoes_and_no_failure_quotes_a_value(stage: Stage) -> None:
    before = len(stage.came)
    ask_all(stage, stage.asks(writes))
    came = stage.came[before:]
    check(stage, came)
    statuses = [status for _, status, _ in came]
    assert {200, 422} <= set(statuses) and 502 not in statuses and 500 not in statuses, sorted(set(statuses))


def test_a_deleted_object_is_masked_in_its_last_event(stage: Stage) -> None:
    planter = Planter(8000)
    it = planter.secret()
    it.value["metadata"] = {"name": "goes", "annotations": it.value["metadata"]["annotations"]}
    cluster = stage.both.cluster
    status, answer = cluster.request("POST", it.path(name=False), it.value)
    assert status == 201, answer
    stage.values += it.values
    at = answer["metadata"]["resourceVersion"]
    assert cluster.request("DELETE", it.path(name=True))[0] == 200
    before = len(stage.came)
    target = f"{it.path(name=False)}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dgoes&resourceVersion={at}"
    stage.over_http1([Ask("GET", target), Ask("GET", target, ACCEPTS["protobuf"])])
    came = stage.came[before:]
    assert all(b"DELETED" in data for _, _, data in came)
    check(stage, came)


def test_a_token_is_masked_for_whoever_asks_for_one(stage: Stage) -> None:
    before = len(stage.came)
    body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 600}}
    target = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"
    for accept in (JSON, ACCEPTS["protobuf"]):
        stage.over_http1([Ask("POST", target, accept, json.dumps(body).encode(), JSON)])
    for _, status, data in stage.came[before:]:
        assert status == 201 and b"l7gw-masked-token-request-" in data and b"eyJ" not in data


def test_what_is_read_and_put_back_changes_no_secret(stage: Stage) -> None:
    cluster = stage.both.cluster
    for it in stage.planted.values():
        if it.kind not in ("Secret", "ConfigMap"):
            continue
        before = cluster.request("GET", it.path(name=True))[1]
        for accept in (JSON, ACCEPTS["protobuf"]):
            with RawClient(stage.both.gateway) as client:
                head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stage.both.token}\r\nAccept: {accept}\r\n"
                client.send(f"GET /real{it.path(name=True)} {head}\r\n".encode())
                _, headers, body = client.answer()
                content = headers["content-type"]
                client.send(
                    f"PUT /real{it.path(name=True)} {head}Content-Type: {content}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                status, _, answer = client.answer("PUT")
            stage.came.append((f"PUT of {it.kind} as {content}", status, answer))
            after = cluster.request("GET", it.path(name=True))[1]
            assert {name: after.get(name) for name in ("data", "type")} == {name: before.get(name) for name in ("data", "type")}, (
                answer
            )
            assert after["metadata"].get("annotations") == before["metadata"].get("annotations"), answer
            assert status in (200, 422), answer
    check(stage, stage.came[-8:])


def test_no_pod_prints_a_value_that_was_read(stage: Stage) -> None:
    """In every form, in an exec and in its log, by the real kubectl."""
    cluster, both = stage.both.cluster, stage.both
    value = stage.planted["Secret"].values[0]
    stage.over_http1([Ask("GET", stage.planted["Secret"].path(name=True))])  # so that the gateway knows it
    forms = [value, base64.b64encode(value), base64.b64encode(b"x" + value), value.hex().encode()]
    lines = b"\n".join(b"it is " + form for form in forms)
    script = f"echo {base64.b64encode(lines).decode()} | base64 -d; echo"
    name = f"prints-{'all' if stage.whole else 'some'}"
    cluster.pod(name, NAMESPACE, command=["sh", "-c", f"{script}; sleep 600"])
    for arguments in (
        ["exec", name, "--", "sh", "-c", f"printf '{_octal(lines)}'"],
        ["logs", name],
    ):
        done = cluster.kubectl("-n", NAMESPACE, *arguments, kubeconfig=both.through, check=False)
        stage.came.append((f"kubectl {arguments[0]}", done.returncode, (done.stdout + done.stderr).encode()))
        assert "it is " in done.stdout, done.stderr
    check(stage, stage.came[-2:])


def _octal(data: bytes) -> str:
    """For `printf`: so that the arguments themselves do not hold what is to be found in the output."""
    return "".join(f"\\{byte:03o}" for byte in data)


def test_nothing_was_written_down(stage: Stage, tmp_path: Path) -> None:
    """The last test: of the state's files, the journals unpacked, what commands say of them, and the log."""
    gateway = stage.both.gateway
    searched = Searched(stage.values)
    session = next(one for one in gateway.sessions() if one["principal"]["user"])
    assert session["exchanges"] > (500 if stage.whole else 200)
    said = {
        "the state": written_down(gateway.state),
        "sessions list": gateway.l7gw("sessions", "list", "-o", "json").stdout.encode(),
        "sessions show": gateway.l7gw("sessions", "show", session["id"], "--all").stdout.encode(),
        "sessions show -o json": gateway.l7gw("sessions", "show", session["id"], "-o", "json").stdout.encode(),
        "export": gateway.l7gw("export", session["id"], "--format", "jsonl").stdout.encode(),
        "the log": gateway.log.encode(),
    }
    found = [f"{place}: {words}" for place, data in said.items() for words in searched.found_in(data)]
    assert not found, "\n".join(found[:20])
    assert b"l7gw-masked-" in said["the state"] and b'"type":"mask"' in said["export"].replace(b" ", b"")
