"""Whoever is denied a call that a kubectl command makes on its way hears why it was made, and what to allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.policy.kubectl.commands import COMMANDS, calls_of
from l7gw.policy.kubectl.manifests import objects_in
from l7gw.policy.kubectl.ways_out import WAYS, way_out
from l7gw.policy.kubectl.words import split

WEB = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
PODS = "/api/v1/namespaces/dev/pods"

# Commands, and what each call is for which they are made: of that there is no way out, and of each before it there is one.
ASKED = [
    ("exec web-0 -- ls", "create pods/exec"),
    ("exec deploy/web -- ls", "create pods/exec"),
    ("attach web-0", "create pods/attach"),
    ("port-forward svc/web 80:80", "create pods/portforward"),
    ("logs web-0", "get pods/log"),
    ("logs -l app=web", "get pods/log"),
    ("edit deploy/web", "patch deployments.apps"),
    ("label pods -l app=web team=a", "patch pods"),
    ("annotate pods web-0 a=b", "patch pods"),
    ("taint nodes n1 a=b:NoSchedule", "patch nodes"),
    ("patch cm c -p {}", "patch configmaps"),
    ("scale deploy/web --replicas 3", "patch deployments.apps/scale"),
    ("set image deploy/web a=b", "patch deployments.apps"),
    ("rollout restart deploy/web", "patch deployments.apps"),
    ("expose deploy/web", "create services"),
    ("autoscale deploy/web", "create horizontalpodautoscalers.autoscaling"),
    ("replace -f FILE", "update deployments.apps"),
    ("cordon n1", "patch nodes"),
    ("uncordon n1", "patch nodes"),
    ("certificate approve c", "update certificatesigningrequests.certificates.k8s.io/approval"),
    ("delete pods -l app=web", "delete pods"),
    ("get pods", "list pods"),
    ("top pods", "list pods.metrics.k8s.io"),
    ("create cm c", "create configmaps"),
]


def said(command: str, act: Act) -> tuple[str, str]:
    return way_out(f"kubectl {command}", act)


def acts(command: str) -> list[Act]:
    words = split(command)
    return [call.act for call in calls_of(words, objects_in(WEB, "FILE") if "-f" in words else None)]


@pytest.mark.parametrize(("command", "purpose"), ASKED, ids=[command for command, _ in ASKED])
def test_each_call_before_the_one_that_a_command_is_for_has_a_way_out(command: str, purpose: str) -> None:
    *before, last = acts(command)
    sent = " ".join(split(command)[: 2 if command.startswith("rollout") else 1])
    assert f"{last.verb} {last.kind}" == purpose and said(sent, last) == ("", "")
    for act in before:
        why, allow = said(sent, act)
        assert why.startswith("`kubectl ") and allow == f"`{act.verb} {act.kind}`", act


@pytest.mark.parametrize("command", ["cp dev/web-0:/x x", "debug web-0 --image b", "debug node/n1 --image b", "drain n1", "wait pods/a", "rollout status deploy/web"])  # fmt: skip
def test_of_a_command_that_is_many_calls_each_has_a_way_out(command: str) -> None:
    sent = " ".join(split(command)[: 2 if command.startswith("rollout") else 1])
    for act in acts(command):
        assert said(sent, act)[0], act


def test_what_a_command_does_behind_its_purpose_has_a_way_out() -> None:
    """`commands.calls_of` leaves these out: kubectl does without them where they are refused, or makes them for some flags alone."""
    wait = describe("GET", f"{PODS}?fieldSelector=metadata.name%3Dweb-0&watch=true")
    assert said("delete", wait) == ("`kubectl delete` waits until the object is gone (not with --wait=false)", "`watch pods`")
    events = describe("GET", "/api/v1/namespaces/dev/events?fieldSelector=involvedObject.name%3Dweb-0")
    assert said("describe", events) == ("`kubectl describe` shows the events too", "`list events`")
    assert said("get", wait)[0] == "`kubectl get` watches with -w"
    attach = describe("POST", f"{PODS}/web-0/attach", "SPDY/3.1")
    assert said("run", attach) == ("`kubectl run` attaches to the container", "`pods/attach`")
    revisions = describe("GET", "/apis/apps/v1/namespaces/dev/replicasets")
    assert said("rollout undo", revisions)[0] == "`kubectl rollout` reads the former revisions"
    assert said("top node", describe("GET", "/api/v1/nodes"))[1] == "`list nodes`"


def test_every_command_with_a_way_out_is_one_whose_calls_are_known() -> None:
    assert {name.split()[0] for name in WAYS} <= set(COMMANDS)


@given(st.text(max_size=60) | st.sampled_from(["exec", "kubectl", "kubectl exec-all", "kubectl ", "KUBECTL exec", "oc exec"]))
def test_of_what_a_client_says_only_a_known_name_is_repeated(command: str) -> None:
    why, allow = way_out(command, describe("GET", f"{PODS}/web-0"))
    if why:
        assert command.split(" ")[0] == "kubectl" and why.split("`")[1].removeprefix("kubectl ") in WAYS
    else:
        assert allow == ""
