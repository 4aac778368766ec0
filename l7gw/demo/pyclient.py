"""The tour with the Python Kubernetes client, where no kubectl is on PATH."""

from __future__ import annotations

import asyncio
import base64
import io
import tarfile
from collections.abc import Callable, Sequence
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward, stream

from l7gw.demo.shown import MANIFEST, SHELL, SHOP, Shown
from l7gw.demo.stage import Demo


class PythonClient:
    """Ann, who uses `kubernetes` from PyPI. Its calls block, so each runs in a thread."""

    destroying = f"CoreV1Api.delete_namespace('{SHOP}')"

    def __init__(self, it: Demo) -> None:
        self._client: Any = config.new_client_from_config(str(it.kubeconfig))  # type: ignore[no-untyped-call]

    @property
    def _core(self) -> Any:
        """A new API object, because `stream` patches the object that it is given."""
        return client.CoreV1Api(self._client)

    async def _shown(self, command: str, call: Callable[[], str], expected: int = 0) -> Shown:
        try:
            return Shown(command, 0, await asyncio.to_thread(call), expected)
        except ApiException as error:
            return Shown(command, 1, str(error.body), expected)

    async def list(self) -> Shown:
        def call() -> str:
            pods = self._core.list_pod_for_all_namespaces().items
            return "\n".join(f"{pod.metadata.namespace}/{pod.metadata.name}  {pod.status.phase}" for pod in pods)

        return await self._shown("CoreV1Api.list_pod_for_all_namespaces()", call)

    async def apply(self) -> Shown:
        def call() -> str:
            made = self._core.create_namespaced_config_map("default", MANIFEST)
            return f"configmap/{made.metadata.name} created"

        return await self._shown("CoreV1Api.create_namespaced_config_map('default', …)", call)

    async def exec(self) -> Shown:
        def call() -> str:
            shell = self._exec(["sh"], tty=True, stdin=True)
            for line in SHELL:
                shell.write_stdin(line + "\n")
            shell.run_forever(timeout=10)
            output: str = shell.read_all()
            return output.replace("\r\n", "\n")

        return await self._shown("stream(connect_get_namespaced_pod_exec, 'web-0', command=['sh'], tty=True, stdin=True)", call)

    async def copy(self) -> Shown:
        def call() -> str:
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w") as tar:
                text = b"copied through the gateway\n"
                entry = tarfile.TarInfo("notes.txt")
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text))
            unpacking = self._exec(["tar", "-xmf", "-"], stdin=True)
            unpacking.write_stdin(packed.getvalue())
            unpacking.run_forever(timeout=10)  # tar ends at the archive's end
            reading = self._exec(["cat", "notes.txt"])
            reading.run_forever(timeout=10)
            text_read: str = reading.read_all()
            return text_read

        return await self._shown("stream(…, command=['tar', '-xmf', '-'], stdin=True)", call)

    async def secret(self) -> Shown:
        return await self._shown(
            "b64decode(CoreV1Api.read_namespaced_secret('database', 'default').data['password'])",
            lambda: _password(self._core.read_namespaced_secret("database", "default")),
        )

    async def environment(self) -> Shown:
        def call() -> str:
            reading = self._exec(["printenv", "DATABASE_PASSWORD"])
            reading.run_forever(timeout=10)
            text: str = reading.read_all()
            return text

        return await self._shown("stream(…, command=['printenv', 'DATABASE_PASSWORD'])", call)

    async def edit(self) -> Shown:
        def call() -> str:
            secret = self._core.read_namespaced_secret("database", "default")
            secret.metadata.labels = {"seen-by": "ann"}
            self._core.replace_namespaced_secret("database", "default", secret)
            again = self._core.read_namespaced_secret("database", "default")
            if again.data != secret.data:
                raise ApiException(status=500, reason="the value is another one now")
            return f"{again.metadata.labels} {_password(again)}"

        return await self._shown("CoreV1Api.replace_namespaced_secret('database', 'default', …)", call)

    async def forward(self, port: int) -> Shown:
        def call() -> str:
            forwarded = portforward(self._core.connect_get_namespaced_pod_portforward, "web-0", "default", ports=str(port))
            sock = forwarded.socket(port)
            sock.settimeout(10)
            answer: bytes = sock.recv(4096)
            forwarded.close()
            return answer.decode()

        return await self._shown(f"portforward(…, 'web-0', ports='{port}')", call)

    async def delete(self) -> Shown:
        return await self._shown(
            "CoreV1Api.delete_namespaced_pod('db-0', 'prod')",
            lambda: str(self._core.delete_namespaced_pod("db-0", "prod")),
            expected=1,
        )

    async def destroy(self) -> Shown:
        def call() -> str:
            _, status, headers = self._core.delete_namespace_with_http_info(SHOP)
            return f"{status} {headers.get('warning', '')}"

        return await self._shown(self.destroying, call)

    def _exec(self, argv: Sequence[str], *, tty: bool = False, stdin: bool = False) -> Any:
        return stream(
            self._core.connect_get_namespaced_pod_exec,
            "web-0",
            "default",
            command=argv,
            tty=tty,
            stdin=stdin,
            stdout=True,
            stderr=not tty,
            _preload_content=False,
        )


def _password(secret: Any) -> str:
    return base64.b64decode(secret.data["password"]).decode()
