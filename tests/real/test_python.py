"""The Python Kubernetes client and two MCP servers get the same through the gateway as directly from the real API server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward, stream
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.npm.install import node_modules
from tests.real.test_kubectl import echoing
from tests.support.both_ways import Both
from tests.support.compared_commands import Side
from tests.support.python_over_http2 import HttpxPool, urllib3_speaks_http2
from tests.support.spoken_http import HTTP1, HTTP2

MCP_WITHIN = 60.0  # seconds that a session with an MCP server may take
HTTPS_OVER_HTTP2 = Path(__file__).parent.parent / "npm" / "https-over-http2.cjs"
ApiOf = Callable[[Side], Any]


@pytest.fixture(scope="module")
def mcp_sides(both_sides: Both) -> tuple[Side, Side]:
    return both_sides.fresh()


@pytest.fixture(scope="module")
def sides(mcp_sides: tuple[Side, Side], both_sides: Both) -> tuple[Side, Side]:
    """The two sides. This client knows no impersonation, so its direct side is the administrator, who has the same rights."""
    direct, through = mcp_sides
    return replace(direct, kubeconfig=both_sides.cluster.admin), through


@pytest.fixture(params=["urllib3", "urllib3-http2", "httpx-http2"])
def api_of(request: pytest.FixtureRequest, both_sides: Both) -> Iterator[ApiOf]:
    """A function that makes API objects over one HTTP stack. At the end it is asserted that calls came to the gateway over its
    HTTP."""
    is_http1 = request.param == "urllib3"
    experiment = urllib3_speaks_http2() if request.param == "urllib3-http2" else contextlib.nullcontext()
    with experiment, both_sides.spoken.only(HTTP1 if is_http1 else HTTP2):
        yield over_httpx if request.param == "httpx-http2" else core


# All stacks but urllib3's HTTP/2, which sends a body in one frame and reads each answer to its end.
whole = pytest.mark.parametrize("api_of", ["urllib3", "httpx-http2"], indirect=True)


def core(side: Side) -> Any:
    """A new API object, because `stream` patches the object that it is given."""
    return client.CoreV1Api(config.new_client_from_config(str(side.kubeconfig)))  # type: ignore[no-untyped-call]


def over_httpx(side: Side) -> Any:
    api = core(side)
    api.api_client.rest_client.pool_manager = HttpxPool(api.api_client.configuration)
    return api


def same(sides: tuple[Side, Side], call: Callable[[Any, Side], Any], api_of: ApiOf = core) -> Any:
    """Make a call on both sides, and assert that the answers are the same. Errors are answers too. Returns the answer."""
    found = []
    for side in sides:
        try:
            answer = call(api_of(side), side)
            found.append(side.normal(json.dumps(client.ApiClient().sanitize_for_serialization(answer), sort_keys=True).encode()))
        except ApiException as error:
            found.append(f"{error.status} {side.normal(error.body.encode() if isinstance(error.body, str) else error.body)}")
    assert found[0] == found[1]
    return found[1]


def test_python_reads_writes_and_errors_are_the_same_as_directly(sides: tuple[Side, Side], api_of: ApiOf) -> None:
    def same_over(call: Callable[[Any, Side], Any]) -> Any:
        return same(sides, call, api_of)

    body = {"metadata": {"name": "python"}, "data": {"a": "ä"}}
    same_over(lambda api, side: api.create_namespaced_config_map(side.namespace, body))
    assert "409" in same_over(lambda api, side: api.create_namespaced_config_map(side.namespace, body))
    same_over(lambda api, side: api.patch_namespaced_config_map("python", side.namespace, {"data": {"b": "c"}}))
    assert '"b": "c"' in same_over(lambda api, side: api.read_namespaced_config_map("python", side.namespace).data)
    more = {**body, "data": {"b": "x" * 10_000}}
    same_over(lambda api, side: api.replace_namespaced_config_map("python", side.namespace, more))
    assert "x" * 10_000 in same_over(lambda api, side: api.list_namespaced_config_map(side.namespace).items)
    assert "main is up" in same_over(lambda api, side: api.read_namespaced_pod_log("web-0", side.namespace))
    assert "404" in same_over(lambda api, side: api.read_namespaced_pod("nobody", side.namespace))
    bad = {"metadata": {"name": "Bad_Name"}}
    assert "422" in same_over(lambda api, side: api.create_namespaced_config_map(side.namespace, bad))
    same_over(lambda api, side: api.delete_namespaced_config_map("python", side.namespace))


@whole
def test_a_body_of_many_frames_from_python_arrives_whole(sides: tuple[Side, Side], api_of: ApiOf) -> None:
    body = {"metadata": {"name": "big"}, "data": {"a": "x" * 900_000}}
    assert "x" * 900_000 in same(sides, lambda api, side: api.create_namespaced_config_map(side.namespace, body), api_of)
    same(sides, lambda api, side: api.delete_namespaced_config_map("big", side.namespace), api_of)


@whole
def test_a_watch_delivers_events(sides: tuple[Side, Side], api_of: ApiOf) -> None:
    def seen(api: Any, side: Side) -> list[str]:
        api.create_namespaced_config_map(side.namespace, {"metadata": {"name": "watched"}})
        found = []
        for event in watch.Watch().stream(api.list_namespaced_config_map, side.namespace, timeout_seconds=10):
            found.append(f"{event['type']} {event['object'].metadata.name}")
            if event["type"] == "ADDED" and "watched" in found[-1]:
                api.delete_namespaced_config_map("watched", side.namespace)
            if event["type"] == "DELETED":
                break
        return found

    found = same(sides, seen, api_of)
    assert "ADDED watched" in found and "DELETED watched" in found


@whole
def test_a_followed_log_arrives_as_it_is_written(sides: tuple[Side, Side], api_of: ApiOf) -> None:
    def first(api: Any, side: Side) -> str:
        following = watch.Watch().stream(api.read_namespaced_pod_log, name="web-0", namespace=side.namespace)
        line: str = next(following)
        following.close()
        return line

    assert same(sides, first, api_of) == '"main is up"'


def test_python_exec_has_its_own_channels(sides: tuple[Side, Side]) -> None:
    def run(api: Any, side: Side) -> dict[str, Any]:
        shell = stream(
            api.connect_get_namespaced_pod_exec, "web-0", side.namespace, command=["sh", "-c", "read x; echo got $x; echo no >&2; exit 4"],
            stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip
        shell.write_stdin("typed\n")
        shell.run_forever(timeout=20)
        return {"out": shell.read_stdout(), "err": shell.read_stderr(), "status": shell.returncode}

    assert json.loads(same(sides, run)) == {"out": "got typed\n", "err": "no\n", "status": 4}


def test_python_port_forward_by_the_older_protocol_carries_bytes(sides: tuple[Side, Side]) -> None:
    listener, port = echoing()

    def talk(api: Any, side: Side) -> str:
        forwarded = portforward(api.connect_get_namespaced_pod_portforward, "web-0", side.namespace, ports=str(port))
        sock = forwarded.socket(port)
        sock.settimeout(20)
        sock.sendall(b"hello" * 1000)
        heard = b""
        while len(heard) < 5000:
            heard += sock.recv(65536)
        forwarded.close()
        return heard.decode()

    assert same(sides, talk) == json.dumps("HELLO" * 1000)
    listener.close()


# ---------------------------------------------------------------------- MCP servers


def mcp(side: Side, command: str, ask: Callable[[ClientSession], Awaitable[list[Any]]]) -> str:
    """Ask an MCP server that runs with this side's kubeconfig. Returns the texts of its answers."""

    async def call() -> str:
        path = node_modules() / ".bin"
        environment = {**os.environ, **side.env(), "PATH": f"{path}:{os.environ['PATH']}"}
        server = StdioServerParameters(command=str(path / command), args=[], env=environment)
        with Path(os.devnull).open("w") as nowhere:
            async with stdio_client(server, errlog=nowhere) as (read, write), ClientSession(read, write) as session:
                await session.initialize()
                return "\n".join(getattr(part, "text", "") for part in await ask(session))

    return side.normal(asyncio.run(asyncio.wait_for(call(), MCP_WITHIN)).encode())


GO, NODE = "kubernetes-mcp-server", "mcp-server-kubernetes"
CALLS = [
    (GO, "pods_list_in_namespace", lambda side: {"namespace": side.namespace}, "web-0"),
    (GO, "pods_get", lambda side: {"namespace": side.namespace, "name": "nobody"}, "not found"),
    (GO, "pods_exec", lambda side: {"namespace": side.namespace, "name": "web-0", "command": ["echo", "from mcp"]}, "from mcp"),
    (GO, "pods_log", lambda side: {"namespace": side.namespace, "name": "web-0"}, "main is up"),
    (NODE, "kubectl_get", lambda side: {"resourceType": "pods", "namespace": side.namespace}, "web-0"),
    (NODE, "exec_in_pod", lambda side: {"name": "web-0", "namespace": side.namespace, "command": ["echo", "from mcp"]}, "from mcp"),
]  # fmt: skip


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("server", "tool", "arguments", "holds"), CALLS, ids=[f"{server}-{tool}" for server, tool, *_ in CALLS])
def test_an_mcp_server_answers_as_it_does_directly(
    mcp_sides: tuple[Side, Side],
    both_sides: Both,
    server: str,
    tool: str,
    arguments: Callable[[Side], dict[str, Any]],
    holds: str,
) -> None:
    async def ask(session: ClientSession, side: Side) -> list[Any]:
        return list((await session.call_tool(tool, arguments(side))).content)

    with both_sides.spoken.only(HTTP2):  # one server uses client-go, the other runs kubectl
        direct, through = (mcp(side, server, functools.partial(ask, side=side)) for side in mcp_sides)
    assert through == direct
    assert holds in through


@pytest.mark.parametrize("http", [HTTP1, HTTP2])
def test_resources_of_the_node_server_which_asks_for_them_itself(sides: tuple[Side, Side], both_sides: Both, http: str) -> None:
    """The server uses @kubernetes/client-node. Its node-fetch speaks HTTP/1.1 alone, unless another `https.request` is put under
    it."""
    options = {} if http == HTTP1 else {"NODE_OPTIONS": f"--require {HTTPS_OVER_HTTP2}"}

    namespace = sides[0].namespace  # both sides read the same objects
    uris = [f"k8s://{namespace}/pods", f"k8s://{namespace}/services", "k8s://nodes"]

    async def ask(session: ClientSession) -> list[Any]:
        return [part for uri in uris for part in (await session.read_resource(uri)).contents]

    with both_sides.spoken.only(http):
        direct, through = (mcp(replace(side, namespace=namespace, environment=options), NODE, ask) for side in sides)
    assert through == direct
    assert "web-0" in through and both_sides.cluster.node in through
