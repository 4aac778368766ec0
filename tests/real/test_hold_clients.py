"""Twelve flows: kubectl, the Python client, a Go and a Node MCP server, each of which waits, comes back, or is denied; over both HTTPs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from mcp import ClientSession, MCPError
from mcp.types import TextContent

from tests.real.test_python import GO, NODE, mcp
from tests.support.both_ways import Both
from tests.support.compared_commands import Side
from tests.support.held_calls import Stage
from tests.support.python_over_http2 import HttpxPool
from tests.support.reviewing_hand import Answering
from tests.support.spoken_http import HTTP1, HTTP2

NAMESPACE = "hold-clients"
Run = Callable[[Stage, str, str, str], str]  # user, object, HTTP: what the user is told


@pytest.fixture(scope="module")
def stage(held_sides: Both) -> Stage:
    return Stage(held_sides, NAMESPACE)


def _environment(http: str) -> dict[str, str]:
    return {"DISABLE_HTTP2": "1"} if http == HTTP1 else {}


def _manifest(name: str) -> dict[str, Any]:
    about = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"a": "2"}}


def _kubectl(version: str) -> Run:
    def run(stage: Stage, user: str, name: str, http: str) -> str:
        binary = next(path for number, path in stage.cluster.kubectls().items() if version in number)
        patch = ("patch", f"configmap/{name}", "--type=merge", "-p", '{"data":{"a":"2"}}')
        done = stage.kubectl(user, *patch, binary=binary, environment=_environment(http))
        assert (done.returncode == 0) is ("patched" in done.stdout)
        return done.stdout + done.stderr

    return run


def _python(stage: Stage, user: str, name: str, http: str) -> str:
    api: Any = client.CoreV1Api(config.new_client_from_config(str(stage.both.of(user))))  # type: ignore[no-untyped-call]
    if http == HTTP2:
        api.api_client.rest_client.pool_manager = HttpxPool(api.api_client.configuration)
    try:
        return str(api.patch_namespaced_config_map(name, NAMESPACE, {"data": {"a": "2"}}).metadata.uid)
    except ApiException as error:
        assert error.status == 403
        body = error.body or ""
        told = json.loads(body)
        assert [cause["reason"] for cause in told["details"]["causes"]] == ["L7GWSession", "L7GWRule", "L7GWHold"]
        assert len(body) <= 900
        return str(told["message"])


def _server(command: str, tool: str, argument: str) -> Run:
    def run(stage: Stage, user: str, name: str, http: str) -> str:
        async def ask(session: ClientSession) -> list[Any]:
            more = {"namespace": NAMESPACE} if command == NODE else {}
            try:
                return list((await session.call_tool(tool, {argument: json.dumps(_manifest(name)), **more})).content)
            except MCPError as error:  # so does the Node server; the Go server answers with the text
                return [TextContent(type="text", text=str(error))]

        side = Side(user, stage.both.of(user), NAMESPACE, stage.both.folder, _environment(http))
        return mcp(side, command, ask)

    return run


CLIENTS: dict[str, Run] = {
    "kubectl": _kubectl("v1.36"),
    "kubectl-1.29": _kubectl("v1.29"),
    "python": _python,
    "go-mcp": _server(GO, "resources_create_or_update", "resource"),
    "node-mcp": _server(NODE, "kubectl_apply", "manifest"),
}
CASES = [
    pytest.param(name, http, marks=pytest.mark.long if name == "node-mcp" else [], id=f"{name}-{http}")
    for name in CLIENTS
    for http in (HTTP1, HTTP2)
]


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("name", "http"), CASES)
def test_a_client_waits_comes_back_or_is_denied(stage: Stage, name: str, http: str) -> None:
    """The three flows run side by side, each by a user of its own."""
    run = CLIENTS[name]
    tag = f"{name.replace('.', '-')}-{http[-1]}"
    waits, comes_back, denied = f"wait-{tag}", f"back-{tag}", f"wait-no-{tag}"
    for user in (waits, comes_back, denied):
        stage.make(user, a="1")

    def value(user: str) -> str:
        return str(stage.get(f"configmaps/{user}")[1]["data"]["a"])

    with stage.both.spoken.only(http), Answering(stage.hand, denies=frozenset((denied,))) as answering:
        running = {user: stage.pool.submit(run, stage, user, user, http) for user in (waits, comes_back, denied)}
        told = {user: future.result(120) for user, future in running.items()}
        (hold,) = [hold for hold in answering.seen if hold.principal.user == comes_back]
        assert value(waits) == "2", told[waits]
        assert "l7gw: denied by lea: not today" in told[denied] and value(denied) == "1"
        assert "run the same command again" in told[comes_back] and value(comes_back) == "1"
        assert f"l7gw holds approve {hold.id}" in told[comes_back].replace("UID", hold.id)
        stage.hand.became(hold, "approved")
        again = run(stage, comes_back, comes_back, http)
        assert value(comes_back) == "2", again
        assert stage.hand.of(hold).state == "consumed"
        assert len(answering.seen) == 3
