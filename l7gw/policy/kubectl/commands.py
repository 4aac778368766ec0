"""Which calls a kubectl command makes (kubectl 1.27 to 1.36). Discovery, which is open to everybody, is left out, and so is the
namespace that kubectl reads where an object is not found. What kubectl does without when it is refused (the events of
`describe`, the look for what is gone behind a `delete`) is marked as spare.

Where it depends on the cluster which of several calls is made, all are listed: `apply` creates what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from l7gw.config.document import nearest, shown
from l7gw.errors import Refusal
from l7gw.kube.act import acting
from l7gw.kube.acting_as import ActsAs, identity
from l7gw.policy.kubectl import in_pods, reading, writing
from l7gw.policy.kubectl.calls import Asked, Call
from l7gw.policy.kubectl.manifests import Manifest
from l7gw.policy.kubectl.words import CannotTell, MakesNoCall, NotRead, Words, words_of

Read = Callable[[Asked], list[Call]]


def calls_of(words: Sequence[str], objects: list[Manifest] | None = None) -> list[Call]:
    """The calls of a command, from its words behind `kubectl`. What the command does without comes first, and what it
    is for last. `objects` are those of the file
    behind -f. Raises NotRead."""
    read = words_of(words)
    if not read.arguments:
        raise NotRead("kubectl without a command makes no call", "such as kubectl get pods -n dev")
    if read.has("help"):
        raise MakesNoCall("kubectl --help asks the cluster nothing")
    for flag in ("kustomize", "prune"):
        if flag in read.flags:
            raise NotRead(f"what kubectl does for --{flag} is not read here", "give the objects with -f")
    name = read.arguments[0]
    known = COMMANDS.get(name)
    if name in NO_CALL:
        raise MakesNoCall(f"kubectl {name} asks the cluster nothing: {NO_CALL[name]}")
    if name in UNKNOWN_CALLS:
        raise CannotTell(*UNKNOWN_CALLS[name])
    if known is None:
        near = nearest(name, [*COMMANDS, *NO_CALL, *UNKNOWN_CALLS])
        hint = f"did you mean kubectl {near}?" if near else "`kubectl --help` lists the commands; what a plugin asks cannot be told"
        raise NotRead(f"kubectl {shown(name)} is not read here", hint)
    if "filename" in read.flags and objects is None:
        raise NotRead("the objects behind -f are not known", "`object: FILE` names a file with them")
    found = known(Asked(read, objects if "filename" in read.flags else None))
    if not found:
        raise NotRead(f"this kubectl {name} makes no call that a policy judges")
    found.sort(key=lambda call: not call.spare)
    acts_as = _acts_as(read)
    return [replace(call, act=acting(call.act, acts_as)) for call in found] if acts_as is not None else found


def _acts_as(read: Words) -> ActsAs | None:
    """As whom the command is made; None without `--as`. Raises NotRead for what the gateway refuses."""
    user, groups = read.flag("as"), read.flags.get("as-group", [])
    if "as-uid" in read.flags:
        raise NotRead("the gateway refuses --as-uid", "a user and groups alone can be asked for")
    if not user:
        if groups or "as" in read.flags:
            raise NotRead("the gateway refuses --as-group without --as", "name the user too")
        return None
    try:
        return identity(user, groups)
    except Refusal as refusal:
        raise NotRead(f"the gateway refuses this before it asks the policy: {refusal.message}") from None


NO_CALL = {  # command -> what it does instead
    "config": "it changes or shows the kubeconfig",
    "kustomize": "it builds objects from files",
    "completion": "it prints a script for the shell",
    "plugin": "it lists programs on PATH",
    "options": "it lists flags",
    "help": "it prints help",
    "kuberc": "it changes or shows preferences",
}
UNKNOWN_CALLS = {  # command -> why nobody can say, and what to ask instead
    "proxy": (
        "kubectl proxy passes on whatever is sent to it, and the policy judges each call by itself",
        "ask about one of those, such as kubectl get --raw /api/v1/nodes",
    ),
}
COMMANDS: dict[str, Read] = {
    "get": reading.read_objects,
    "describe": reading.describe,
    "logs": reading.logs,
    "log": reading.logs,
    "top": reading.top,
    "events": reading.events,
    "auth": reading.auth,
    "wait": reading.wait,
    "cluster-info": reading.cluster_info,
    **dict.fromkeys(("version", "api-resources", "api-versions", "explain"), reading.discovery),
    "exec": in_pods.run_in,
    "attach": in_pods.attach,
    "cp": in_pods.cp,
    "port-forward": in_pods.port_forward,
    "debug": in_pods.debug,
    "apply": writing.apply,
    "diff": writing.diff,
    "replace": writing.replace,
    "create": writing.create,
    "run": writing.run,
    "delete": writing.delete,
    **dict.fromkeys(("edit", "label", "annotate", "taint"), writing.changed),
    "patch": writing.patch,
    "scale": writing.scale,
    "rollout": writing.rollout,
    "set": writing.set_field,
    "expose": writing.expose,
    "autoscale": writing.autoscale,
    **dict.fromkeys(("cordon", "uncordon"), writing.cordon),
    "drain": writing.drain,
    "certificate": writing.certificate,
}
