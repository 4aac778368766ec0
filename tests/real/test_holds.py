"""Held calls of real clients before the real API server: a reviewer says yes or no, and the call goes on as it was, or nothing does."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.both_ways import Both
from tests.support.faults import until
from tests.support.held_calls import POLICY, Stage
from tests.support.reviewing_hand import Answering

NAMESPACE = "held"


def _csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")]))
    return base64.b64encode(request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)).decode()


@pytest.fixture(scope="module")
def stage(held_sides: Both) -> Stage:
    return Stage(held_sides, NAMESPACE)


def test_a_patch_waits_shows_its_difference_and_goes_on(stage: Stage) -> None:
    stage.make("wait-patch", a="1")
    running = stage.start("wait-1", "patch", "configmap/wait-patch", "--type=merge", "-p", '{"data":{"a":"2"}}')
    hold = stage.hand.pending("wait-1")
    assert stage.get("configmaps/wait-patch")[1]["data"] == {"a": "1"}
    assert (hold.principal.user, hold.verb, hold.resource, hold.name) == ("wait-1", "patch", "configmaps", "wait-patch")
    assert hold.command == f"kubectl patch configmaps wait-patch -n {NAMESPACE}" and hold.claimed.command == "kubectl patch"
    assert hold.shown.diff is not None and '-  a: "1"' in hold.shown.diff and '+  a: "2"' in hold.shown.diff
    assert hold.shown.recent and hold.shown.recent[0].endswith(f"s ago: kubectl get configmaps wait-patch -n {NAMESPACE}")
    stage.hand.approve(hold)
    done = running.result(60)
    assert done.returncode == 0, done.stderr
    assert "Warning: l7gw: held by rule 'hold of those who wait', approved by lea after" in done.stderr
    assert stage.get("configmaps/wait-patch")[1]["data"] == {"a": "2"}
    assert stage.hand.of(hold).state == "consumed"


def test_a_patch_comes_back_after_its_approval_once(stage: Stage) -> None:
    stage.make("back-patch", a="1")
    command = ("patch", "configmap/back-patch", "--type=merge", "-p", '{"data":{"a":"2"}}')
    first = stage.kubectl("back-1", *command)
    hold = stage.hand.pending("back-1")
    assert first.returncode == 1 and hold.id in first.stderr and "run the same command again" in first.stderr
    assert "Ask in the channel of prod." in first.stderr and len(first.stderr) < 900
    assert stage.get("configmaps/back-patch")[1]["data"] == {"a": "1"}
    again = stage.kubectl("back-1", *command)
    assert again.returncode == 1 and hold.id in again.stderr
    stage.hand.approve(hold)
    other = stage.kubectl("back-1", "patch", "configmap/back-patch", "--type=merge", "-p", '{"data":{"a":"3"}}')
    assert other.returncode == 1 and hold.id not in other.stderr
    assert stage.kubectl("back-1", *command).returncode == 0
    assert stage.get("configmaps/back-patch")[1]["data"] == {"a": "2"}
    assert stage.hand.of(hold).state == "consumed"


def test_a_debug_container_comes_back_under_another_name_and_is_the_approved_one(stage: Stage) -> None:
    stage.cluster.pod("debugged", NAMESPACE)
    command = ("debug", "debugged", "--image=busybox", "--profile=general", "--attach=false", "--", "ls")
    assert stage.kubectl("back-debug", *command).returncode == 1
    hold = stage.hand.pending("back-debug")
    assert hold.subresource == "ephemeralcontainers" and "execute" in hold.effects
    assert hold.shown.diff is not None and "name: (a name that kubectl makes anew)" in hold.shown.diff
    stage.hand.approve(hold)
    other = stage.kubectl("back-debug", *command[:2], "--image=alpine", *command[3:])
    assert other.returncode == 1 and hold.id not in other.stderr
    done = stage.kubectl("back-debug", *command)
    assert done.returncode == 0, done.stderr
    (made,) = stage.get("pods/debugged")[1]["spec"]["ephemeralContainers"]
    assert made["name"].startswith("debugger-") and made["image"] == "busybox"
    again = stage.kubectl("back-debug", *command)
    assert again.returncode == 1 and hold.id not in again.stderr


def test_a_denied_call_is_told_why(stage: Stage) -> None:
    stage.make("denied", a="1")
    with Answering(stage.hand, approve=False):
        done = stage.kubectl("wait-2", "delete", "configmap/denied")
    assert done.returncode == 1 and "denied by lea: not today" in done.stderr
    assert stage.get("configmaps/denied")[0] == 200


CSR = _csr()
MANIFESTS: dict[str, dict[str, Any]] = {
    "Pod": {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "i"}]}},
    "Service": {"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort", "ports": [{"port": 80}]}},
    "Deployment": {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    },
    "Job": {
        "apiVersion": "batch/v1", "kind": "Job",
        "spec": {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
    },
}  # fmt: skip


def manifest(kind: str, name: str, *, generated: bool = False) -> str:
    named = {"generateName": f"{name}-"} if generated else {"name": name}
    return json.dumps({**MANIFESTS[kind], "metadata": named})


@pytest.mark.parametrize("generated", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "kind", ["Pod", "Job", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("Service", "Deployment"))]
)
def test_what_the_server_makes_anew_is_no_other_view(stage: Stage, kind: str, generated: bool) -> None:
    """Created by one who waits, and by one who comes back: two dry runs of each, and none asks again."""
    name = f"{kind.lower()}-{'g' if generated else 'n'}"
    with Answering(stage.hand) as answering:
        done = stage.kubectl("wait-3", "create", "-f", "-", stdin=manifest(kind, f"w-{name}", generated=generated))
    assert done.returncode == 0, done.stderr
    assert len(answering.seen) == 1
    back = manifest(kind, f"b-{name}", generated=generated)
    with Answering(stage.hand) as answering:
        assert stage.kubectl("back-3", "create", "-f", "-", stdin=back).returncode == 1
        stage.hand.became(stage.hand.holds()[0], "approved")
        done = stage.kubectl("back-3", "create", "-f", "-", stdin=back)
    assert done.returncode == 0, done.stderr
    assert len(answering.seen) == 1
    assert answering.seen[0].shown.diff is not None and "+kind: " in answering.seen[0].shown.diff


def test_what_changes_nothing_passes_without_a_hold(stage: Stage) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "same"}, "data": {"a": "1"}})
    with Answering(stage.hand) as answering:
        assert stage.kubectl("wait-4", "apply", "-f", "-", stdin=text).returncode == 0
        assert len(answering.seen) == 1
        for more in ([], ["--server-side", "--force-conflicts"]):
            done = stage.kubectl("wait-4", "apply", *more, "-f", "-", stdin=text)
            assert done.returncode == 0, done.stderr
        assert stage.kubectl("wait-4", "label", "configmap/same", "a=b").returncode == 0
    reasons = [event["reason"] for event in stage.events("wait-4") if event["type"] == "verdict" and event["verdict"] == "allow"]
    assert "not held: its dry run changes nothing" in reasons
    # One creates, at most one makes the server-side apply's own field manager, one labels: the others change nothing
    assert len(answering.seen) <= 3


def test_a_clients_own_dry_run_is_not_held(stage: Stage) -> None:
    stage.make("rehearsed", a="1")
    for command in (
        ["delete", "configmap/rehearsed", "--dry-run=server"],
        ["patch", "configmap/rehearsed", "--dry-run=server", "--type=merge", "-p", '{"data":{"a":"2"}}'],
    ):
        done = stage.kubectl("back-5", *command)
        assert done.returncode == 0, done.stderr
    text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rehearsed"}, "data": {"a": "3"}})
    assert "+  a: " in stage.kubectl("back-5", "diff", "-f", "-", stdin=text).stdout
    assert stage.get("configmaps/rehearsed")[1]["data"] == {"a": "1"}
    assert not [hold for hold in stage.hand.holds() if hold.principal.user == "back-5"]


def test_a_query_makes_no_dry_run_of_a_delete_with_a_body(stage: Stage) -> None:
    stage.make("query", a="1")
    raw = stage.kubectl("back-6", "delete", "--raw", f"/api/v1/namespaces/{NAMESPACE}/configmaps/query?dryRun=All")
    assert raw.returncode == 0, raw.stderr  # without a body the query counts
    assert stage.get("configmaps/query")[0] == 200


def test_a_client_that_leaves_takes_its_hold_with_it(stage: Stage) -> None:
    stage.make("left", a="1")
    command = [stage.cluster.built.kubectl, "-n", NAMESPACE, "delete", "configmap/left"]
    with subprocess.Popen(command, env=stage.cluster.environment(stage.both.of("wait-7")), stderr=subprocess.DEVNULL) as running:
        hold = stage.hand.pending("wait-7")
        running.kill()
    gone = stage.hand.became(hold, "cancelled")
    assert "left" in gone.why
    assert stage.get("configmaps/left")[0] == 200


def test_an_object_that_changes_meanwhile_is_shown_anew(stage: Stage) -> None:
    stage.make("moved", a="1")
    running = stage.start("wait-8", "patch", "configmap/moved", "--type=merge", "-p", '{"data":{"a":"9"}}')
    first = stage.hand.pending("wait-8")
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/moved"
    assert stage.cluster.request("PUT", path, {"metadata": {"name": "moved"}, "data": {"a": "5"}})[0] == 200
    stage.hand.approve(first)
    second = stage.hand.pending("wait-8", first)
    assert second.replaces == first.id and second.shown.diff is not None and '-  a: "5"' in second.shown.diff
    assert stage.get("configmaps/moved")[1]["data"] == {"a": "5"}
    assert stage.hand.of(first).state == "void"
    stage.hand.approve(second)
    assert running.result(60).returncode == 0
    assert stage.get("configmaps/moved")[1]["data"] == {"a": "9"}


def test_another_object_of_the_same_name_is_shown_anew(stage: Stage) -> None:
    stage.make("reborn", a="1")
    running = stage.start("wait-9", "delete", "configmap/reborn")
    first = stage.hand.pending("wait-9")
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/reborn"
    assert stage.cluster.request("DELETE", path)[0] == 200
    stage.make("reborn", a="1")
    stage.hand.approve(first)
    second = stage.hand.pending("wait-9", first)
    assert second.uids != first.uids and stage.get("configmaps/reborn")[0] == 200
    stage.hand.deny(second)
    assert running.result(60).returncode == 1


def test_a_held_object_that_is_gone_is_said_to_be(stage: Stage) -> None:
    done = stage.kubectl("back-10", "delete", "configmap/nobody")
    assert done.returncode == 1 and 'configmaps "nobody" not found' in done.stderr
    stage.make("going", a="1")
    running = stage.start("wait-10", "patch", "configmap/going", "--type=merge", "-p", '{"data":{"a":"2"}}')
    hold = stage.hand.pending("wait-10")
    assert stage.cluster.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps/going")[0] == 200
    stage.hand.approve(hold)
    done = running.result(60)
    assert done.returncode == 1 and "not found" in done.stderr
    assert stage.hand.became(hold, "cancelled")


def test_a_policy_that_denies_meanwhile_wins(stage: Stage) -> None:
    stage.make("late", a="1")
    running = stage.start("wait-11", "delete", "configmap/late")
    hold = stage.hand.pending("wait-11")
    policy = stage.both.gateway.policy
    try:
        policy.write_text(
            POLICY.replace("rules:", "guardrails:\n  - {name: late, users: [wait-11], effects: [delete], verdict: deny}\nrules:")
        )
        stage.read_policy()
        stage.hand.approve(hold)
        done = running.result(60)
    finally:
        policy.write_text(POLICY)
        stage.read_policy()
    assert done.returncode == 1 and "denied by guardrail 'late'" in done.stderr
    assert stage.get("configmaps/late")[0] == 200


def test_a_masked_value_that_comes_back_is_restored_after_the_approval(stage: Stage) -> None:
    status, answer = stage.cluster.request(
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/secrets",
        {"metadata": {"name": "masked"}, "stringData": {"password": "hunter2-of-the-shop"}},
    )
    assert status == 201, answer
    read = json.loads(stage.kubectl("wait-12", "get", "secret/masked", "-o", "json").stdout)
    assert "hunter2" not in json.dumps(read)
    read["data"]["more"] = "bmV3"
    with Answering(stage.hand) as answering:
        done = stage.kubectl("wait-12", "replace", "-f", "-", stdin=json.dumps(read))
    assert done.returncode == 0, done.stderr
    found = stage.get("secrets/masked")[1]["data"]
    assert found == {"password": "aHVudGVyMi1vZi10aGUtc2hvcA==", "more": "bmV3"}
    (hold,) = answering.seen
    text = hold.shown.diff or ""
    assert "more: " in text and "bmV3" not in text and "aHVudGVy" not in text


def test_a_dry_run_that_the_cluster_refuses_is_shown_and_may_be_approved(stage: Stage) -> None:
    stage.make("full", a="1")
    running = stage.start("wait-13", "patch", "configmap/full", "--type=json", "-p", '[{"op":"test","path":"/data/a","value":"2"}]')
    hold = stage.hand.pending("wait-13")
    assert hold.shown.dry_run.startswith("the dry run failed: ") and hold.shown.sent is not None and "op: test" in hold.shown.sent
    stage.hand.approve(hold)
    done = running.result(60)
    assert done.returncode == 1 and "the server rejected our request" in done.stderr


def test_a_token_is_never_minted_by_a_view(stage: Stage) -> None:
    done = stage.kubectl("back-14", "create", "token", "default")
    assert done.returncode == 1 and "run the same command again" in done.stderr
    hold = next(hold for hold in stage.hand.holds("pending") if hold.principal.user == "back-14")
    assert hold.shown.dry_run.startswith("no dry run can be made")

    def tokens_of_14() -> list[str]:
        """The audit ids of the token requests that reached the cluster for this user."""
        return [
            event["auditID"] for event in stage.cluster.audited()
            if event.get("objectRef", {}).get("subresource") == "token" and event["stage"] == "ResponseComplete"
            and event.get("impersonatedUser", {}).get("extra", {}).get("l7gw-user") == ["back-14"]
        ]  # fmt: skip

    assert not tokens_of_14()
    stage.hand.approve(hold)
    done = stage.kubectl("back-14", "create", "token", "default")
    assert done.returncode == 0 and done.stdout.startswith("l7gw-masked-token-request-")
    assert until(tokens_of_14)


def test_the_rest_of_a_run_passes_and_no_more(stage: Stage) -> None:
    for name in ("run-1", "run-2", "run-3", "run-4"):
        stage.make(name, a="1")
    running = stage.start("wait-15", "delete", *(f"configmap/run-{number}" for number in (1, 2, 3, 4)))
    first = stage.hand.pending("wait-15")
    stage.hand.approve(first, rest_of_run=2)
    last = stage.hand.pending("wait-15", first)
    assert last.name == "run-4"
    stage.hand.deny(last)
    assert running.result(60).returncode == 1
    assert [stage.get(f"configmaps/run-{number}")[0] for number in (1, 2, 3, 4)] == [404, 404, 404, 200]


def test_a_node_port_that_the_server_gives_is_approved_with_a_patch_of_the_type(stage: Stage) -> None:
    spec = {"metadata": {"name": "typed"}, "spec": {"ports": [{"port": 80}]}}
    status, answer = stage.cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/services", spec)
    assert status == 201, answer
    with Answering(stage.hand) as answering:
        done = stage.kubectl("wait-16", "patch", "service/typed", "-p", '{"spec":{"type":"NodePort"}}')
    assert done.returncode == 0 and len(answering.seen) == 1, done.stderr


def test_the_approval_of_a_certificate_is_never_taken_for_no_change(stage: Stage) -> None:
    request = {
        "metadata": {"name": "held-request"},
        "spec": {"request": CSR, "signerName": "example.com/none", "usages": ["client auth"]},
    }
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    status, answer = stage.cluster.request("POST", path, request)
    assert status == 201, answer
    done = stage.kubectl("back-17", "certificate", "approve", "held-request")
    assert done.returncode == 1 and "run the same command again" in done.stderr
    assert "conditions" not in stage.cluster.request("GET", f"{path}/held-request")[1]["status"]
    hold = stage.hand.pending("back-17")
    assert hold.shown.diff is not None and "type: Approved" in hold.shown.diff
