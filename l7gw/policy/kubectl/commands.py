"""Which calls a kubectl command makes (kubectl 1.27 to 1.33). Discovery, which is open to everybody, is left out, and so is what
kubectl does without when it is refused: the events of `describe`, and the wait behind a `delete`.

Where it depends on the cluster which of several calls is made, all are listed: `apply` creates what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from l7gw.config.document import nearest, shown
from l7gw.errors import Refusal
from l7gw.kube.act import acting
from l7gw.kube.acting_as import ActsAs, identity
from l7gw.policy.kubectl import in_pods, reading, writing
from l7gw.policy.kubectl.calls import Asked, Call
from l7gw.policy.kubectl.manifests import Manifest
from l7gw.policy.kubectl.words import NotRead, Words, words_of

Read = Callable[[Asked], list[Call]]


def calls_of(words: Sequence[str], objects: list[Manifest] | None = None) -> list[Call]:
    """The calls of a command, from its words behind `kubectl`. The last is what the command is for. `objects` are those of the file
    behind -f. Raises NotRead."""
    read = words_of(words)
    if not read.arguments:
        raise NotRead("kubectl without a command makes no call", "such as kubectl get pods -n dev")
    for flag in ("kustomize", "prune"):
        if flag in read.flags:
            raise NotRead(f"what kubectl does for --{flag} is not read here", "give the objects with -f")
    name = read.arguments[0]
    known = COMMANDS.get(name)
    if known is None:
        near = nearest(name, list(COMMANDS))
        raise NotRead(
            f"kubectl {shown(name)} is not read here", f"did you mean {near}?" if near else "one of " + ", ".join(COMMANDS)
        )
    if "filename" in read.flags and objects is None:
        raise NotRead("the objects behind -f are not known", "`object: FILE` names a file with them")
    found = known(Asked(read, objects if "filename" in read.flags else None))
    if not found:
        raise NotRead(f"this kubectl {name} makes no call that a policy judges")
    acts_as = _acts_as(read)
    return [Call(call.method, acting(call.act, acts_as), call.object) for call in found] if acts_as is not None else found


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


COMMANDS: dict[str, Read] = {
    "get": reading.read_objects,
    "describe": reading.describe,
    "logs": reading.logs,
    "log": reading.logs,
    "top": reading.top,
    "events": reading.events,
    "auth": reading.auth,
    "wait": reading.wait,
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
