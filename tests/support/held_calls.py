"""A gateway that holds calls of real clients before the real API server, and a reviewer."""

from __future__ import annotations

import signal
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tests.support.both_ways import Both
from tests.support.faults import until
from tests.support.reviewing_hand import Hand

POLICY = """
rules:
  - name: hold of those who come back
    users: [back*]
    effects: [write, workload, delete, execute, tunnel]
    verdict: hold
    reviewers: {groups: [sre]}
    wait: come-back
    message: Ask in the channel of prod.
  - name: hold of those who wait
    users: [wait*]
    effects: [write, workload, delete, execute, tunnel]
    verdict: hold
    reviewers: {groups: [sre]}
    wait: wait
  - name: five deletes, then a look
    users: [loop*]
    budget: {deletes: 5, per: 2h}
    reviewers: {groups: [sre]}
    wait: come-back
    verdict: allow
  - {name: short streams, users: [short*], effects: ["*"], max-duration: 2s, verdict: allow}
  - {name: five deletes, users: [stop*], budget: {deletes: 5, executes: 2, per: 2h}, verdict: allow}
  - {name: all, effects: ["*"], verdict: allow}
"""


class Stage:
    """The gateway with people who are held, and a reviewer."""

    def __init__(self, both: Both, namespace: str) -> None:
        self.both = both
        self.namespace = namespace
        self.cluster = both.cluster
        self.cluster.namespace(namespace)
        self.hand = Hand(both.gateway.state)
        self.pool = ThreadPoolExecutor(16)

    def kubectl(self, user: str, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.cluster.kubectl("-n", self.namespace, *arguments, kubeconfig=self.both.of(user), check=False, **more)

    def start(self, user: str, *arguments: str, **more: Any) -> Future[subprocess.CompletedProcess[str]]:
        return self.pool.submit(self.kubectl, user, *arguments, **more)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        return self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/{path}")

    def until_there(self, path: str, status: str = "") -> None:
        """Wait until an object has this field in its status, or a list has an item."""

        def there() -> bool:
            found = self.cluster.request("GET", path)[1]
            return bool(found.get("status", {}).get(status) if status else found.get("items"))

        until(there)

    def events(self, user: str) -> list[dict[str, Any]]:
        """All that is recorded of a user."""
        sessions = [one for one in self.both.gateway.sessions() if one["principal"]["user"] == user]
        return [event for session in sessions for event in self.both.gateway.events(session["id"])]

    def read_policy(self) -> None:
        """Have the gateway read its policy again, and wait until it has."""
        gateway = self.both.gateway
        before = gateway.log.count("configuration read again")
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.log.count("configuration read again") > before)

    def make(self, name: str, *, labels: dict[str, str] | None = None, **data: str) -> None:
        """Make a ConfigMap."""
        body = {"metadata": {"name": name, "labels": labels or {}}, "data": data}
        status, answer = self.cluster.request("POST", f"/api/v1/namespaces/{self.namespace}/configmaps", body)
        assert status == 201, answer
