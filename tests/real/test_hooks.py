"""The hooks that are shipped, with a real kubectl before a real cluster: an exec that prints a canary ends, an employee number is
masked, a call is denied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.npm.install import MissingNode, node_modules
from tests.support.both_ways import Both, before
from tests.support.kubernetes.cluster import RealCluster

SHIPPED = Path(__file__).parent.parent.parent / "deploy" / "hooks"
NAMESPACE = "hooked"
CANARY = "AKIAQYLPMN5HHHFPZZZZ"  # it looks like a key of AWS: our own masks would take it before a hook that sees masked data
NUMBER, NONE = "EMP-1234566", "EMP-1234567"
DENIES = """
class NoSecrets:
    def act(self, act):
        return "ask the owner of this namespace" if "secrets" in act.effects and act.caller.user else None
"""


@pytest.fixture(scope="module")
def hooked(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    try:
        node_modules()
    except MissingNode as error:
        missing(f"the identity provider needs Node.js: {error}")
    cluster.namespace(NAMESPACE)
    folder = tmp_path_factory.mktemp("hooked")
    hooks = folder / "hooks"
    shutil.copytree(SHIPPED, hooks)
    (hooks / "canaries.txt").write_text(f"# a key that nobody uses\n{CANARY}\n")
    (hooks / "acme.py").write_text(DENIES)
    for path in (hooks, *hooks.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    entries = [
        {"name": "canary", "object": "canary:Canary", "path": str(hooks), "raw": True, "for": ["frame"]},
        {"name": "employee-number", "object": "employee_number:EmployeeNumber", "path": str(hooks), "for": ["object", "frame"]},
        {"name": "no-secrets", "object": "acme:NoSecrets", "path": str(hooks), "for": ["act"]},
    ]
    with before(cluster, folder, watched=False, hooks=entries) as both:
        cluster.pod("web-0", NAMESPACE)
        yield both


def kubectl(it: Both, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    done = it.cluster.kubectl("-n", NAMESPACE, *arguments, kubeconfig=it.through, check=False, environment=environment)
    return done.returncode, done.stdout, done.stderr


def shell(it: Both, script: str, **more: Any) -> tuple[int, str, str]:
    return kubectl(it, "exec", "web-0", "--", "sh", "-c", script, **more)


def last_exec(it: Both) -> list[dict[str, Any]]:
    """The events of the last exec."""
    (session,) = [one for one in it.gateway.sessions() if one["principal"]["user"]]
    events = it.gateway.events(session["id"])
    number = max(event["exchange"] for event in events if event["type"] == "request" and event["subresource"] == "exec")
    return [event for event in events if event.get("exchange") == number]


@pytest.mark.parametrize("spdy", [False, pytest.param(True, marks=pytest.mark.long)])
def test_an_exec_ends_when_its_output_holds_a_canary(hooked: Both, spdy: bool) -> None:
    parted = f"{CANARY[:9]}'; sleep 0.2; printf '{CANARY[9:]}"  # so that the arguments do not hold it, and two frames part it
    environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"} if spdy else None
    status, out, err = shell(hooked, f"echo fine; printf '{parted}\\n'; sleep 60; echo more", environment=environment)
    assert status != 0 and "hook 'canary' ends this stream: the output holds a canary" in err
    assert out.startswith("fine\n") and CANARY not in out and "more" not in out
    events = last_exec(hooked)
    (end,) = [event for event in events if event["type"] == "end"]
    assert end["outcome"] == "cut" and "the output holds a canary" in end["reason"]
    assert CANARY not in json.dumps(events)


def test_an_exec_whose_last_word_is_a_canary_does_not_succeed(hooked: Both) -> None:
    status, out, err = shell(hooked, f"printf '{CANARY[:9]}''{CANARY[9:]}'")
    assert status != 0 and "the output holds a canary" in err and CANARY not in out


def test_an_employee_number_is_masked_in_an_exec_whether_or_not_a_line_ends_it(hooked: Both) -> None:
    status, out, err = shell(hooked, f"echo one {NUMBER} {NONE}; printf {NUMBER}")
    assert (status, out) == (0, f"one *********** {NONE}\n***********")
    assert err == "l7gw: 2 values masked (hook-employee-number); this copy is not the original\n"
    finds = [event for event in last_exec(hooked) if event["type"] == "mask"]
    assert {event["detector"] for event in finds} == {"hook-employee-number"}


def test_an_employee_number_is_masked_in_every_output_of_get(hooked: Both) -> None:
    manifest = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "team", "namespace": NAMESPACE,
                "annotations": {"owner": NUMBER}}, "data": {"lead": f"ask {NUMBER}", "other": NONE}}  # fmt: skip
    assert hooked.cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", manifest)[0] == 201
    for output in (["get", "configmap", "team", "-o", "json"], ["get", "configmaps", "-o", "yaml"], ["describe", "configmap", "team"],
                   ["get", "configmap", "team", "-o", "jsonpath={.data.lead}"]):  # fmt: skip
        status, out, err = kubectl(hooked, *output)
        assert status == 0 and "l7gw-masked-hook-employee-number-" in out and NUMBER not in out, err
    assert NONE in kubectl(hooked, "get", "configmap", "team", "-o", "yaml")[1]


def test_what_a_hook_masked_can_be_written_back(hooked: Both) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/back"
    data = {"lead": NUMBER, "other": NONE}
    manifest = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "back", "namespace": NAMESPACE}, "data": data}
    assert hooked.cluster.request("POST", path.rpartition("/")[0], manifest)[0] == 201
    out = kubectl(hooked, "get", "configmap", "back", "-o", "json")[1]
    shown = json.loads(out)
    assert shown["data"]["lead"].startswith("l7gw-masked-hook-employee-number-")
    shown["data"]["other"] = "changed"
    done = hooked.cluster.kubectl("replace", "-f", "-", kubeconfig=hooked.through, stdin=json.dumps(shown), check=False)
    assert done.returncode == 0, done.stderr
    assert hooked.cluster.request("GET", path)[1]["data"] == {"lead": NUMBER, "other": "changed"}


def test_an_employee_number_is_masked_in_a_log_and_a_canary_ends_it(hooked: Both) -> None:
    hooked.cluster.pod("says", NAMESPACE, command=["sh", "-c", f"echo {NUMBER}; sleep 600"])
    status, out, _ = kubectl(hooked, "logs", "says")
    assert (status, out) == (0, "***********\n")
    hooked.cluster.pod("sings", NAMESPACE, command=["sh", "-c", f"echo one; echo {CANARY}; sleep 600"])
    status, out, err = kubectl(hooked, "logs", "-f", "sings")
    assert status != 0 and CANARY not in out + err


def test_a_call_is_denied_by_a_hook_with_its_reason(hooked: Both) -> None:
    status, _, err = kubectl(hooked, "get", "secrets")
    assert status == 1 and "l7gw: denied by hook 'no-secrets': ask the owner of this namespace" in err
    assert kubectl(hooked, "get", "pods")[0] == 0


def test_check_says_what_hooks_there_are(hooked: Both) -> None:
    said = hooked.gateway.l7gw("check").stdout
    assert "canary: canary:Canary in " in said and "for frame; it sees data before masking" in said
    assert "for object, frame; it sees data masked" in said
