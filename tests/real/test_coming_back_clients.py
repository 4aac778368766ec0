"""Libraries and MCP servers write back what they read masked. Afterwards the real API server has what it had, and what they changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from mcp import ClientSession

from tests.npm.install import node_modules
from tests.real.test_python import GO, NODE, mcp
from tests.support.both_ways import Both
from tests.support.informer import informer_program
from tests.support.shop import KEPT, PASSWORD, Shop, b64, without_version

WRITE_BACK = Path(__file__).parent.parent / "npm" / "write-back.mjs"


@pytest.fixture(scope="module")
def shop(both_sides: Both, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(both_sides, "coming-back-clients", tmp_path_factory.mktemp("shop"))
    yield shop
    shop.holds_no_placeholder()


def test_the_python_client_replaces_and_patches(shop: Shop) -> None:
    shop.create_secret("python")
    api = client.CoreV1Api(config.new_client_from_config(str(shop.side.kubeconfig)))  # type: ignore[no-untyped-call]
    read: Any = api.read_namespaced_secret("python", shop.namespace)
    assert b64(PASSWORD) not in str(read)
    read.data["more"] = b64("new")
    api.replace_namespaced_secret("python", shop.namespace, read)
    assert shop.secret("python") == {**KEPT, "more": "new"}
    read.metadata.resource_version = None
    api.replace_namespaced_secret("python", shop.namespace, read)
    api.patch_namespaced_secret("python", shop.namespace, {"data": {"password": read.data["password"], "more": b64("newer")}})
    assert shop.secret("python") == {**KEPT, "more": "newer"}
    read.metadata.name = "copy"
    with pytest.raises(ApiException) as caught:
        api.create_namespaced_secret(shop.namespace, read)
    assert caught.value.status == 422
    assert "data.password holds the placeholder" in caught.value.body


def test_a_controller_of_client_go_updates_in_protobuf_what_its_informer_holds(shop: Shop) -> None:
    shop.create_secret("controller")
    command = [informer_program(), "write-back", shop.side.kubeconfig, shop.namespace, "controller"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert shop.secret("controller") == {**KEPT, "more": "new"}
    assert shop.stored("/api/v1/namespaces/NS/secrets/controller")["metadata"]["labels"] == {"written": "back"}


def test_the_node_client_replaces_and_patches(shop: Shop) -> None:
    shop.create_secret("node")
    node = shutil.which("node")
    assert node is not None
    command = [node, WRITE_BACK, node_modules(), shop.side.kubeconfig, shop.namespace, "node"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "NODE_NO_WARNINGS": "1"})
    assert done.returncode == 0, done.stderr
    assert shop.secret("node") == {**KEPT, "more": "new", "node": "new"}


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("server", "tool"), [(GO, "resources_create_or_update"), pytest.param(NODE, "kubectl_apply", marks=pytest.mark.long)]
)
def test_an_mcp_server_applies_what_it_read(shop: Shop, server: str, tool: str) -> None:
    name = f"mcp-{tool.replace('_', '-')}"
    shop.create_secret(name)
    text = without_version(shop.get(f"secret/{name}")).replace("data:", f"data:\n  more: {b64('new')}", 1)

    async def ask(session: ClientSession) -> list[Any]:
        arguments = {"resource": text} if server == GO else {"manifest": text, "namespace": shop.namespace}
        return list((await session.call_tool(tool, arguments)).content)

    answer = mcp(shop.side, server, ask)
    assert shop.secret(name) == {**KEPT, "more": "new"}, answer
    assert b64(PASSWORD) not in answer
