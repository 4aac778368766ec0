"""A call in words: the kubectl command that would make it, or its request line where kubectl has none.

Written from the act, so that it says what was asked, and not what a client says of itself. Whoever shows it escapes it.
"""

from __future__ import annotations

import shlex

from l7gw.kube.act import Act
from l7gw.kube.builtin import is_in_namespaces
from l7gw.kube.dry_runs import is_eviction
from l7gw.name_rules import clipped

APPLY = "application/apply-patch"
LONGEST = 1000  # characters; an argv may be longer
_SERVED = {"create": "create", "update": "replace", "get": "get", "list": "get", "watch": "get --watch", "delete": "delete"}


def in_kubectl(method: str, act: Act, content_type: str = "", *, longest: int | None = LONGEST) -> str:
    """The command, `longest` characters at most. `content_type` is that of the body, "" for none."""
    words = _words(method, act, content_type)
    if act.acts_as is not None:  # before what may be so long that it is cut
        words[1:1] = acting_words(act.acts_as.user, act.acts_as.groups)
    text = " ".join(words)
    return text if longest is None else clipped(text, longest)


def acting_words(user: str, groups: tuple[str, ...]) -> list[str]:
    """kubectl's flags for acting as somebody else."""
    return [f"--as={shlex.quote(user)}", *(f"--as-group={shlex.quote(group)}" for group in groups)]


def _words(method: str, act: Act, content_type: str) -> list[str]:
    if not act.is_resource:
        return [method, act.target]
    where = ["-n", shlex.quote(act.namespace)] if act.namespace and act.resource != "namespaces" else []
    kind = shlex.quote(f"{act.resource}.{act.group}" if act.group else act.resource)
    named = [kind, shlex.quote(act.name)] if act.name else [kind]
    if act.subresource == "exec":
        return ["kubectl exec", shlex.quote(act.name), *where, *_streams(act), "--", *map(shlex.quote, act.argv or ())]
    if act.subresource == "attach":
        return ["kubectl attach", shlex.quote(act.name), *where, *_streams(act)]
    if act.subresource == "portforward":
        return ["kubectl port-forward", shlex.quote(act.name), *where, *map(str, act.ports or ())]
    if is_eviction(act):
        return ["evict", *named, *where]
    if act.verb == "deletecollection":
        return ["kubectl delete", kind, *(where or ([] if act.namespace else ["-A"])), *_selectors(act)]
    if act.subresource == "proxy":
        return [method, act.target]
    if not where and not act.name and act.verb in ("list", "watch") and is_in_namespaces(act.group, act.resource):
        where = ["-A"]
    return [*_verb(act, content_type), *named, *where, *_selectors(act)]


def _verb(act: Act, content_type: str) -> list[str]:
    if act.verb == "patch":
        verb = "kubectl apply --server-side" if content_type.startswith(APPLY) else "kubectl patch"
    else:
        verb = f"kubectl {_SERVED[act.verb]}" if act.verb in _SERVED else act.verb
    return [verb, shlex.quote(f"--subresource={act.subresource}")] if act.subresource else [verb]


def _streams(act: Act) -> list[str]:
    container = ["-c", shlex.quote(act.container)] if act.container else []
    return [*container, *(["-i"] if act.stdin else []), *(["-t"] if act.tty else [])]


def _selectors(act: Act) -> list[str]:
    found: list[str] = []
    if act.label_selector:
        found += ["-l", shlex.quote(act.label_selector)]
    if act.field_selector:
        found += ["--field-selector", shlex.quote(act.field_selector)]
    return found or (["--all"] if act.verb == "deletecollection" else [])
