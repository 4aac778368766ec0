"""Admission webhooks of the cluster in the dry run of a held call: one that says no, that is slow, that is gone."""

from __future__ import annotations

import base64
import dataclasses
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.pki import Authority, server_context
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.both_ways import before
from tests.support.faults import until
from tests.support.held_calls import POLICY, Stage
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "admitted"
PATCH = ("--type=merge", "-p", '{"data":{"a":"2"}}')
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
WITHIN = 1.0  # seconds that the gateway gives a dry run here; ten is usual


class Webhook:
    """An admission webhook over https. It refuses objects named `no-…`, and answers about `slow-…` in a dry run when `goes_on` is
    set. `asked` are the names that it was asked about, and whether in a dry run."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        self.goes_on = threading.Event()
        self.asked: list[tuple[str, bool]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                hook.asked.append((review["name"], review["dryRun"]))
                if review["name"].startswith("slow-") and review["dryRun"]:
                    hook.goes_on.wait(60)
                allowed = not review["name"].startswith("no-")
                answer = {"uid": review["uid"], "allowed": allowed, "status": {"message": "not on a Friday"}}
                body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Who asked has left: nothing is printed."""

        self._server = Server(("127.0.0.1", 0), Handler)
        context: ssl.SSLContext = server_context(authority.server("webhook", "127.0.0.1"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.ca = base64.b64encode(authority.certificate.read_bytes()).decode()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()

    def configuration(self, name: str, *, kept_to: str, port: int = 0) -> dict[str, Any]:
        """What makes the cluster ask about ConfigMaps of the test's namespace with the label `hook: KEPT_TO`."""
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": f"{name}.l7gw.test",
                    "clientConfig": {"url": f"https://127.0.0.1:{port or self.port}/", "caBundle": self.ca},
                    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE", "DELETE"], "resources": ["configmaps"]}],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                    "objectSelector": {"matchLabels": {"hook": kept_to}},
                    "sideEffects": "None",
                    "failurePolicy": "Fail",
                    "timeoutSeconds": 30,
                    "admissionReviewVersions": ["v1"],
                }
            ],
        }  # fmt: skip


@pytest.fixture(scope="module")
def webhook(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    hook = Webhook(tmp_path_factory.mktemp("webhook"))
    made = (hook.configuration("asked", kept_to="asked"), hook.configuration("gone", kept_to="gone", port=1))
    for one in made:
        assert cluster.request("POST", CONFIGURATIONS, one)[0] == 201
    try:
        yield hook
    finally:
        for one in made:
            cluster.request("DELETE", f"{CONFIGURATIONS}/{one['metadata']['name']}")
        hook.stop()


@pytest.fixture(scope="module")
def stage(cluster: RealCluster, webhook: Webhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    timeouts = dataclasses.replace(USUAL_TIMEOUTS, dry_run=WITHIN)
    with before(cluster, tmp_path_factory.mktemp("webhooks"), POLICY, watched=False, timeouts=timeouts) as both:
        stage = Stage(both, NAMESPACE)
        for name, label in (("no-0", "asked"), ("gone-0", "gone")):  # until the API server has heard of both
            stage.make(name, a="1", labels={"hook": label})
            patch = ("-n", NAMESPACE, "patch", f"configmap/{name}", *PATCH, "--dry-run=server")
            until(lambda: cluster.kubectl(*patch, check=False).returncode == 1)  # noqa: B023
        yield stage


def test_a_webhook_that_says_no_is_quoted_and_the_call_may_still_be_approved(stage: Stage, webhook: Webhook) -> None:
    stage.make("no-1", a="1", labels={"hook": "asked"})
    running = stage.start("wait-w1", "patch", "configmap/no-1", *PATCH)
    hold = stage.hand.pending("wait-w1")
    assert hold.shown.dry_run.startswith("the dry run failed: ") and "denied the request: not on a Friday" in hold.shown.dry_run
    assert hold.shown.sent is not None and 'a: "2"' in hold.shown.sent
    stage.hand.approve(hold)
    done = running.result(60)
    assert done.returncode == 1 and "not on a Friday" in done.stderr and "l7gw: denied" not in done.stderr
    assert stage.hand.of(hold).state == "consumed" and ("no-1", False) in webhook.asked


def test_a_webhook_that_refuses_a_delete_is_quoted_beside_the_inventory(stage: Stage, webhook: Webhook) -> None:
    stage.make("no-2", a="1", labels={"hook": "asked"})
    assert stage.kubectl("back-w2", "delete", "configmap/no-2").returncode == 1
    hold = stage.hand.pending("back-w2")
    assert "denied the request: not on a Friday" in hold.shown.dry_run and hold.shown.inventory is not None
    assert ("no-2", False) not in webhook.asked


def test_a_slow_webhook_is_shown_as_such_within_the_bound_and_the_call_may_be_approved(stage: Stage, webhook: Webhook) -> None:
    stage.make("slow-1", a="1", labels={"hook": "asked"})
    running = stage.start("wait-w3", "patch", "configmap/slow-1", *PATCH)
    hold = stage.hand.pending("wait-w3")
    assert hold.shown.dry_run == "the dry run failed: the cluster does not answer; nothing was changed"
    assert stage.get("configmaps/slow-1")[1]["data"] == {"a": "1"}
    stage.hand.approve(hold)
    done = running.result(60)
    assert done.returncode == 0, done.stderr
    assert stage.get("configmaps/slow-1")[1]["data"] == {"a": "2"}
    webhook.goes_on.set()


def test_a_webhook_that_is_gone_is_shown_as_such(stage: Stage) -> None:
    stage.make("gone-1", a="1", labels={"hook": "gone"})
    assert stage.kubectl("back-w4", "patch", "configmap/gone-1", *PATCH).returncode == 1
    hold = stage.hand.pending("back-w4")
    assert "the dry run failed: " in hold.shown.dry_run and "failed calling webhook" in hold.shown.dry_run
