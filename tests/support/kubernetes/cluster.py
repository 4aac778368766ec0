"""A real Kubernetes for tests: kube-apiserver and etcd. Its pods are processes of this machine."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.kubernetes.build import Built

READY_WITHIN = 90.0  # seconds until the cluster must be ready; an idle machine needs three
POD_WITHIN = 20.0
AUDITED_WITHIN = 10.0
KUBECTL_WITHIN = 60.0


class RealCluster:
    """A running cluster (see `start`). Its attributes are the paths and addresses that tests need."""

    def __init__(self, folder: Path, built: Built, ready: dict[str, Any]) -> None:
        self.folder = folder
        self.built = built
        self.server = str(ready["server"])
        address = urlsplit(self.server)
        assert address.hostname is not None and address.port is not None
        self.host: str = address.hostname
        self.port: int = address.port
        self.ca = Path(ready["ca"])
        self.ca_key = Path(ready["ca_key"])
        self.admin_certificate = Path(ready["admin_certificate"])
        self.admin_key = Path(ready["admin_key"])
        self.gateway_certificate = Path(ready["gateway_certificate"])
        self.gateway_key = Path(ready["gateway_key"])
        self.audit_log = Path(ready["audit_log"])
        self.node = str(ready["node"])
        self.pid = int(ready["pid"])
        self._pods = Path(ready["pods"])
        self.tls = ssl.create_default_context(cafile=str(self.ca))
        self.tls.load_cert_chain(self.admin_certificate, self.admin_key)
        self._audit: dict[str, list[dict[str, Any]]] = {}
        self._audit_read = 0
        self.admin = self.kubeconfig(folder / "admin.kubeconfig")

    @classmethod
    @contextlib.contextmanager
    def start(cls, folder: Path, built: Built, token_webhook: Path | None = None) -> Iterator[RealCluster]:
        """Start a cluster that has `folder` to itself, and end it afterwards. Its log is `cluster.log` in that folder. It asks the
        webhook of the kubeconfig `token_webhook` about tokens that it does not know."""
        folder.mkdir(parents=True, exist_ok=True)
        ready = folder / "ready.json"
        ready.unlink(missing_ok=True)
        log = folder / "cluster.log"
        asking = [] if token_webhook is None else ["--token-webhook", token_webhook]
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [built.cluster, "--dir", folder, *asking], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
            )
        assert process.stdin is not None
        try:
            until = time.monotonic() + READY_WITHIN
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until:
                    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                    raise AssertionError(f"the cluster was not ready within {READY_WITHIN:.0f} s:\n{tail}")
                time.sleep(0.02)
            yield cls(folder, built, json.loads(ready.read_text()))
        finally:
            process.stdin.close()  # the process ends when its input ends
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(folder / "etcd", ignore_errors=True)  # 130 MB; logs and the pods' files stay for a look after a failure

    def kubeconfig(
        self,
        path: Path,
        *,
        server: str | None = None,
        certificate_authority: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        token: str | None = None,
        impersonate: str | None = None,
        groups: Sequence[str] = (),
        namespace: str = "default",
        tls_server_name: str | None = None,
    ) -> Path:
        """Write a kubeconfig (0600) with all files inlined. The defaults make it the admin's, with the server itself as address."""
        user: dict[str, Any] = {}
        if token is not None:
            user["token"] = token
        else:
            user["client-certificate-data"] = _inline(certificate or self.admin_certificate)
            user["client-key-data"] = _inline(key or self.admin_key)
        if impersonate is not None:
            user |= {"as": impersonate, "as-groups": list(groups)}
        cluster: dict[str, Any] = {
            "server": server or self.server,
            "certificate-authority-data": _inline(certificate_authority or self.ca),
        }
        if tls_server_name is not None:
            cluster["tls-server-name"] = tls_server_name
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": user}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(document, indent=1))
        return path

    def kubectls(self) -> dict[str, Path]:
        """Version -> path of a kubectl: the built ones (newest, 1.29), the one on PATH, and every `kubectl.1.*` beside that one's
        file."""
        found = kubectls_on_path() | self.built.kubectls
        return dict(sorted(found.items(), key=lambda one: _as_numbers(one[0]), reverse=True))

    def kubectl(
        self,
        *arguments: str | Path,
        binary: Path | None = None,
        kubeconfig: Path | None = None,
        stdin: str | bytes | None = None,
        check: bool = True,
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a kubectl (default: the newest) with a kubeconfig (default: the admin's), and wait for its end."""
        command = [binary or self.built.kubectl, *arguments]
        done = subprocess.run(
            command,
            env=self.environment(kubeconfig, environment),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=KUBECTL_WITHIN,
            cwd=cwd,
        )
        text = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        assert not check or text.returncode == 0, f"{command}: {text.returncode}\n{text.stdout}\n{text.stderr}"
        return text

    def environment(self, kubeconfig: Path | None = None, more: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of a kubectl: without the user's own configuration, and with discovery cached in this run's folder."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {**kept, "HOME": str(home), "KUBECONFIG": str(kubeconfig or self.admin), **(more or {})}

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Make an API call as the admin, without a kubectl. Returns status and JSON body."""
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=KUBECTL_WITHIN)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json", "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Run `kubectl apply` as the admin. Returns the object as the server then has it."""
        done = self.kubectl("apply", "-f", "-", "-o", "json", stdin=json.dumps(manifest))
        applied: dict[str, Any] = json.loads(done.stdout)
        return applied

    def audit(self, audit_id: str, *, complete: bool = True) -> list[dict[str, Any]]:
        """The audit log's events of one call, oldest first. With `complete`, it waits for the call's ResponseComplete.

        A call that never reached the server has no event: ask with `complete=False`, after a later call has been logged.
        """
        until = time.monotonic() + AUDITED_WITHIN
        while True:
            self._read_audit_log()
            events = self._audit.get(audit_id, [])
            if not complete or any(event["stage"] == "ResponseComplete" for event in events):
                return list(events)
            assert time.monotonic() < until, f"no ResponseComplete of {audit_id} in {self.audit_log}: {events}"
            time.sleep(0.05)

    def audited(self) -> list[dict[str, Any]]:
        """Every event of the audit log so far."""
        self._read_audit_log()
        return [event for events in self._audit.values() for event in events]

    def _read_audit_log(self) -> None:
        with self.audit_log.open("rb") as log:
            log.seek(self._audit_read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._audit_read += len(line)
                event = json.loads(line)
                self._audit.setdefault(event["auditID"], []).append(event)

    def namespace(self, name: str) -> str:
        """Create a namespace unless it exists. Returns its name once it has the account that the admission of a pod asks for."""
        status, answer = self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert status in (201, 409), answer
        until = time.monotonic() + POD_WITHIN
        while self.request("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default")[0] != 200:
            assert time.monotonic() < until, f"{name} has no service account after {POD_WITHIN:.0f} s"
            time.sleep(0.01)
        return name

    def pod(
        self,
        name: str,
        namespace: str = "default",
        *,
        command: Sequence[str] = (),
        tty: bool = False,
        wait: bool = True,
        **spec: Any,
    ) -> dict[str, Any]:
        """Create a pod of one container, `main`, and return it once it runs.

        Without a command the container prints `main is up` and then echoes its input. `spec` is merged into the pod's spec.
        """
        container = {"name": "main", "image": "busybox", "command": list(command), "stdin": True, "tty": tty}
        manifest = {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
        }
        status, pod = self.request("POST", f"/api/v1/namespaces/{namespace}/pods", manifest)
        assert status == 201, pod
        return self.wait_for_pod(name, namespace) if wait else pod

    def wait_for_pod(self, name: str, namespace: str = "default", phase: str = "Running") -> dict[str, Any]:
        """Wait until the pod is in this phase, and return it."""
        until = time.monotonic() + POD_WITHIN
        while True:
            status, pod = self.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
            if status == 200 and pod["status"].get("phase") == phase:
                return pod
            assert time.monotonic() < until, f"{namespace}/{name} is not {phase} after {POD_WITHIN:.0f} s: {pod.get('status')}"
            time.sleep(0.03)

    def pod_folder(self, name: str, namespace: str = "default") -> Path:
        """The folder in which the pod's processes start. A relative path of `cp` leads here."""
        return self._pods / namespace / name


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def kubectls_on_path() -> dict[str, Path]:
    """Version -> the kubectl on PATH and every `kubectl.1.*` beside the file that it resolves to."""
    found: dict[str, Path] = {}
    on_path = shutil.which("kubectl")
    if on_path is not None:
        real = Path(on_path).resolve()
        for path in [real, *sorted(real.parent.glob("kubectl.1.*"))]:
            version = _kubectl_version(path)
            if version is not None:
                found.setdefault(version, path)
    return found


@functools.cache
def _kubectl_version(path: Path) -> str | None:
    """For example v1.33.2; None where the file does not run here: a script, or a program of another architecture."""
    try:
        answer = subprocess.run(
            [path, "version", "--client", "-o", "json"], capture_output=True, timeout=KUBECTL_WITHIN, check=True
        )
        return str(json.loads(answer.stdout)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def _as_numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.removeprefix("v").split("-")[0].split(".")]
