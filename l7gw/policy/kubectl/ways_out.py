"""Why a kubectl command makes a call that is not what somebody typed: told where that call is denied, with what to allow.

Written from what kubectl 1.27 to 1.36 asks for (`commands.py` has the calls of each command). What the command is for has no entry:
whoever is denied that knows what he asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from l7gw.kube.act import Act
from l7gw.policy.rules import verb_of
from l7gw.policy.vocabulary import CONNECTS

MOST_WORDS = 3  # of a command that has a table: `kubectl rollout undo`


class Step(msgspec.Struct, frozen=True):
    """A call that a command makes on its way. `kinds` are as the policy spells resources, () for any but subresources."""

    verbs: frozenset[str]
    kinds: tuple[str, ...]
    why: str

    def is_this(self, act: Act) -> bool:
        return verb_of(act) in self.verbs and (act.kind in self.kinds if self.kinds else not act.subresource)


def _step(verbs: str, kinds: str, why: str) -> Step:
    return Step(frozenset(verbs.split()), tuple(kinds.split()), why)


_FINDS_POD = (
    _step("get", "pods", "first gets the pod"),
    _step("list", "pods", "looks for the pod"),
    _step("get", "", "first gets the object whose pod it looks for"),
)
_ENTERS_NEW_POD = (
    _step("get list watch", "pods", "waits for the container"),
    _step("attach", "pods/attach", "attaches to the container"),
    _step("get", "pods/log", "shows the log where it cannot attach"),
)
_READS_FIRST = (
    _step("get", "", "first gets the object"),
    _step("list", "", "lists the objects that it chooses from"),
)
_REVISIONS = _step("list get", "replicasets.apps controllerrevisions.apps", "reads the former revisions")
_CORDONS = (_step("get", "nodes", "first gets the node"), _step("list", "nodes", "looks for the nodes"))

WAYS: dict[str, tuple[Step, ...]] = {
    **dict.fromkeys(("exec", "attach", "port-forward", "logs"), _FINDS_POD),
    "cp": (*_FINDS_POD, _step("exec", "pods/exec", "runs tar in the container and, to write there, test")),
    "debug": (
        _step("get", "nodes", "first gets the node"),
        *_FINDS_POD[:1],
        *_ENTERS_NEW_POD,
        _step("patch", "pods/ephemeralcontainers", "adds a container to the pod"),
        _step("create", "pods", "makes a pod of its own for --copy-to or a node"),
    ),
    "run": (*_ENTERS_NEW_POD, _step("delete", "pods", "deletes the pod behind --rm")),
    **dict.fromkeys(
        ("apply", "edit", "label", "annotate", "taint", "patch", "scale", "set", "replace", "expose", "autoscale"), _READS_FIRST
    ),
    "diff": (*_READS_FIRST, _step("patch create", "", "asks for a dry run of what it would write")),
    "create": (_step("get", "", "first gets what the object is made from"),),
    "certificate": _READS_FIRST,
    **dict.fromkeys(("cordon", "uncordon"), _CORDONS),
    "drain": (
        *_CORDONS,
        _step("patch", "nodes", "cordons the node"),
        _step("list", "pods", "lists the node's pods, over all namespaces"),
        _step("get", "pods", "waits until each pod is gone"),
        _step("get", "daemonsets.apps", "looks which pods a daemon set brings back"),
        _step("create", "pods/eviction", "evicts each pod"),
        _step("delete", "pods", "deletes each pod with --disable-eviction"),
    ),
    "rollout": (_REVISIONS, *_READS_FIRST),
    "rollout status": (_step("get list watch", "", "watches the object until it is done"),),
    "delete": (
        _step("list", "", "lists what it chooses from, and then waits until it is gone (not with --wait=false)"),
        _step("get watch", "", "waits until the object is gone (not with --wait=false)"),
    ),
    "wait": (_step("get list watch", "", "lists and watches the objects"),),
    "get": (_step("watch", "", "watches with -w"),),
    "describe": (_step("list", "events events.events.k8s.io", "shows the events too"),),
    "top": (
        _step("get list", "nodes", "reads how large the nodes are"),
        _step("get list", "pods", "looks why a pod has no metrics"),
    ),
}


def way_out(command: str, act: Act) -> tuple[str, str]:
    """Why kubectl makes this call, and what to allow for it: ("`kubectl exec` first gets the pod", "`get pods`"). Both are "" of a
    call that the command is for, and of a command that has no table.

    `command` is the client's header Kubectl-Command, such as `kubectl rollout undo`: nothing of it is repeated that has no table.
    """
    for name in _names(command):
        for step in WAYS[name]:
            if act.is_resource and step.is_this(act):
                return f"`kubectl {name}` {step.why}", f"`{needed(act)}`"
        return "", ""
    return "", ""


def needed(act: Act) -> str:
    """The verb and the resource that a rule must allow; `pods/exec` and its like need no verb."""
    return act.kind if act.subresource in CONNECTS else f"{verb_of(act)} {act.kind}"


def _names(command: str) -> Iterator[str]:
    """The names in the table that this command may have, the longest one first."""
    program, *words = command[:100].split(" ")[:MOST_WORDS]
    if program != "kubectl":
        return
    for length in range(len(words), 0, -1):
        if (name := " ".join(words[:length])) in WAYS:
            yield name
