"""What a `when` looks at beside the rules: the head of a call, who makes it and, where they were read, what it sends and what a dry
run made of that."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.body_values import plain
from l7gw.kube.dry_runs import possible
from l7gw.kube.objects.node import Node
from l7gw.policy.verdict import Needed

LARGEST_OBJECT = 256 * 1024  # bytes of a body; to copy a larger one for the conditions takes tens of milliseconds
MOST_ITEMS = 1000  # in one list or map of an object; a condition over more takes longer than a call may hold up others

NO_OBJECT = "the call sends no object"
NO_RESULT = "no dry run can be made of this call"
_BODILESS = frozenset(("get", "list", "watch"))
_CONNECTS = frozenset(("exec", "attach", "portforward", "proxy"))


Value = Any  # a text, a number, true, false, None, a list or a dict


class Looked(msgspec.Struct, frozen=True):
    """What was read of a call beside its head.

    `object` is what was sent as plain values, and `fault` says in words why it cannot be looked at, "" where it can. `result` is
    what a dry run made of it, None where none was asked for; `result_fault` says why there is none though one was asked for.
    `whole` is false where only the result was read, so that nobody knows what is sent.
    """

    object: Value = None
    fault: str = ""
    result: Value = None
    result_fault: str = ""
    whole: bool = True

    def has(self, what: Needed) -> bool:
        """Whether it is known, or known to be missing."""
        return self.whole if what == "object" else self.result is not None or self.result_fault != ""


def look(node: Node) -> Looked:
    """What conditions see of a body of LARGEST_OBJECT at most. Raises Unreadable."""
    return look_at(plain(node))


def look_at(value: object) -> Looked:
    """As `look`, of an object in plain values."""
    return Looked(fault=fault) if (fault := _too_many(value)) else Looked(object=value)


def with_result(sent: Looked | None, result: Looked) -> Looked:
    """What conditions see of a call whose dry run gives `result`, looked at. `sent` is what it sends, None where nobody knows."""
    known = sent if sent is not None else Looked(whole=False)
    return msgspec.structs.replace(known, result=result.object, result_fault=result.fault)


def _too_many(value: object) -> str:
    """Why a value is not looked at, in words; "" where it is."""
    left = [value]
    while left:
        one = left.pop()
        if not isinstance(one, dict | list):
            continue
        if len(one) > MOST_ITEMS:
            return f"a list of the object has more than {MOST_ITEMS} items"
        left.extend(one.values() if isinstance(one, dict) else one)
    return ""


def sends_nothing(act: Act) -> bool:
    """Whether a call of this sort has no object: it reads, or it opens a stream."""
    return act.verb in _BODILESS or act.subresource in _CONNECTS


def has_no_result(act: Act) -> bool:
    """Whether no dry run is ever made of a call of this sort, so that it has no result."""
    return possible(act) == "no"


def dry_run_needs_object(act: Act) -> bool:
    """Whether only the body says if the call is a dry run: a delete's DeleteOptions, which beat its query, or an eviction's
    (AS pkg/endpoints/handlers/delete.go)."""
    return act.verb in ("delete", "deletecollection") or act.subresource == "eviction"


def is_dry_run(act: Act, sent: object) -> bool:
    """Whether the call changes nothing, as kube-apiserver reads it: by the DeleteOptions of a delete's body where it has one, by
    the query of any other call; an eviction says it in either. `sent` is what is sent, None for nothing.

    Only what kube-apiserver stores itself has dry runs: an exec or a proxied call does not read dryRun, a token request mints, and
    of a group that is not built in nobody can say here whether a service serves it, which does as it likes.
    """
    if possible(act if act.verb != "deletecollection" else msgspec.structs.replace(act, verb="delete")) != "yes":
        return False
    values = [value for key, value in parse_qsl(act.query, keep_blank_values=True) if key == "dryRun"]
    in_query = _is_all(values)
    options: object = sent
    if act.subresource == "eviction":
        options = sent.get("deleteOptions") if isinstance(sent, dict) else None
    elif act.verb not in ("delete", "deletecollection"):
        return in_query
    said = options.get("dryRun") if isinstance(options, dict) else None
    if act.subresource == "eviction":
        return _is_all(said) if said else in_query
    return in_query if sent is None else _is_all(said)


def _is_all(values: object) -> bool:
    """Whether a list of dryRun asks for a dry run: kube-apiserver refuses what is not `All`."""
    return isinstance(values, list) and bool(values) and all(value == "All" for value in values)


def request_of(act: Act, verb: str, sent: object) -> dict[str, object]:
    """`request` of a condition. What is not known of the call is left out, so that to ask for it is an error: the argv of an
    attach and of ephemeral containers, the ports of a port-forward that names them later. `verb` is policy's spelling."""
    found: dict[str, object] = {
        "verb": verb,
        "group": act.group,
        "resource": act.resource,
        "subresource": act.subresource,
        "namespace": act.namespace,
        "name": act.name,
        "path": act.path,
        "effects": sorted(act.effects),
        "container": act.container,
        "stdin": act.stdin,
        "tty": act.tty,
        "dry_run": is_dry_run(act, sent),
    }
    if act.argv is not None or "execute" not in act.effects:
        found["argv"] = list(act.argv or ())
    ports = (act.port,) if act.port is not None else act.ports
    if ports is not None or act.subresource != "portforward":
        found["ports"] = list(ports or ())
    return found


def principal_of(principal: Principal) -> dict[str, object]:
    """`principal` of a condition."""
    return {
        "user": principal.user,
        "groups": list(principal.groups),
        "kind": principal.kind,
        "issuer": principal.issuer,
        "actor": principal.actor,
        "address": principal.address,
    }
