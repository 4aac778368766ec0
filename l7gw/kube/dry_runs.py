"""Dry runs: of which writes one may be made, the request that makes it, and whether a client's own request is one.

A dry run is made only of what kube-apiserver itself stores. Some calls do what they do in a dry run too: a token request mints
(KK pkg/registry/core/serviceaccount/storage/token.go does not look at dryRun), reviews answer, connects connect, and a server
behind an APIService does as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

import msgspec

from l7gw.kube.act import Act
from l7gw.kube.body_values import plain
from l7gw.kube.builtin import BUILT_IN, GROUPS
from l7gw.kube.objects.node import Node

Possible = Literal[
    "yes",
    "unless-served",  # a group that kube-apiserver may not serve itself: ask `apiservice_of`, and `stores` about the answer
    "no",
]

VERBS = frozenset(("create", "update", "patch", "delete"))
ASKED_ONLY = frozenset(("authentication.k8s.io", "authorization.k8s.io"))  # groups of reviews, which store nothing
CONNECTS = frozenset(("attach", "exec", "log", "portforward", "proxy"))
CUSTOM = frozenset(("", "scale", "status"))  # the subresources that a custom resource may have
JSON = "application/json"
# What a DeleteOptions may hold beside dryRun (AM pkg/apis/meta/v1/types.go), and whether it may stand in the query
_OPTIONS: Final[Mapping[str, bool]] = {
    "gracePeriodSeconds": True,
    "preconditions": False,
    "orphanDependents": True,
    "propagationPolicy": True,
    "ignoreStoreReadErrorWithClusterBreakingPotential": True,
}
_FRAME = frozenset(("apiVersion", "kind", "dryRun"))  # of a DeleteOptions: what is no option beside the dry run


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """The request that makes a dry run. `target` is the path, with its query."""

    method: str
    target: str
    body: bytes
    content_type: str


class _Spec(msgspec.Struct):
    service: dict[str, Any] | None = None


class _ApiService(msgspec.Struct):
    kind: str
    spec: _Spec


def is_eviction(act: Act) -> bool:
    """Whether the call evicts a pod."""
    return act.verb == "create" and (act.group, act.resource, act.subresource) == ("", "pods", "eviction")


def possible(act: Act) -> Possible:
    """Whether a dry run of the call may be made."""
    if not act.is_resource or act.verb not in VERBS or act.subresource in CONNECTS or act.group in ASKED_ONLY:
        return "no"
    known = BUILT_IN.get((act.group, act.resource))
    if known is not None:
        minting = (act.resource, act.subresource) == ("serviceaccounts", "token")
        return "yes" if not minting and (not act.subresource or act.subresource in known) else "no"
    if not act.group or (act.group in GROUPS and "." not in act.group):
        return "no"  # nobody can add a resource to these groups: it does not exist, or is newer than our table
    return "unless-served" if act.subresource in CUSTOM else "no"


def apiservice_of(act: Act) -> str:
    """The path of the APIService that says who serves the group and version of the call."""
    return f"/apis/apiregistration.k8s.io/v1/apiservices/{act.version}.{act.group}"


def stores(apiservice: bytes) -> bool:
    """Whether an APIService, as JSON, says that kube-apiserver serves the group itself. False where the bytes cannot be read."""
    try:
        found = msgspec.json.decode(apiservice, type=_ApiService)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return found.kind == "APIService" and found.spec.service is None


def is_rehearsal(act: Act, body: Node | None) -> bool:
    """Whether the client's own request is a dry run, as kube-apiserver reads it. `body` is that of a delete or an eviction; None
    where there is none.

    For a delete a body counts alone, and its query is not read (AS pkg/endpoints/handlers/delete.go): `?dryRun=All` deletes where
    there is a body. An eviction takes either (KK pkg/registry/core/pod/storage/eviction.go). Every other write takes the query.
    A value beside `All` is refused by kube-apiserver, so it counts as no dry run.
    """
    if act.verb in ("delete", "deletecollection"):
        return _is_all(body.member("dryRun")) if body is not None else _asks(act)
    if is_eviction(act) and body is not None:
        options = body.member("deleteOptions")
        asked = options.member("dryRun") if options is not None else None
        if asked is not None and asked.items():
            return _is_all(asked)
    return _asks(act)


def _asks(act: Act) -> bool:
    values = [value for key, value in parse_qsl(act.query, keep_blank_values=True) if key == "dryRun"]
    return bool(values) and all(value == "All" for value in values)


def _is_all(node: Node | None) -> bool:
    items = node.items() if node is not None else ()
    return bool(items) and all(item.text() == "All" for item in items)


def rehearsal(method: str, act: Act, body: bytes, content_type: str, options: Node | None) -> Rehearsal:
    """The dry run of a call that is none itself. `options` is the body of a delete or an eviction, read; None where there is none.
    For these two dryRun stands in a DeleteOptions that is written anew, in JSON, with all else that it says. A field of protobuf
    that our table lacks has no name in JSON, and is left out."""
    if act.verb in ("delete", "deletecollection"):
        body, content_type = _encoded(_delete_options(act, options)), JSON
    elif is_eviction(act):
        body, content_type = _encoded(_eviction(act, options)), JSON
    return Rehearsal(method=method, target=_target(act), body=body, content_type=content_type or JSON)


def _target(act: Act) -> str:
    """The target with `dryRun=All` as its only dryRun. Path and query are those of the act, so one separator is enough."""
    kept = "&".join(pair for pair in act.query.split("&") if pair and pair.partition("=")[0] != "dryRun")
    return f"{act.path}?{kept}&dryRun=All" if kept else f"{act.path}?dryRun=All"


def asked_options(act: Act, sent: Node | None) -> dict[str, Any]:
    """What the options of a delete or an eviction ask beside a dry run, also what `known_option` does not know. `sent` is its body,
    read; None where there is none."""
    if is_eviction(act):
        options = sent.member("deleteOptions") if sent is not None else None
        return _said(options) if options is not None else {}
    return _said(sent) if sent is not None else _of_query(act)


def known_option(name: str) -> bool:
    """Whether this is a field of a DeleteOptions, as far as this version knows."""
    return name in _OPTIONS


def _delete_options(act: Act, sent: Node | None) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "DeleteOptions"} | _named(asked_options(act, sent)) | {"dryRun": ["All"]}


def _eviction(act: Act, sent: Node | None) -> dict[str, Any]:
    version = sent.member("apiVersion") if sent is not None else None
    return {
        "apiVersion": (version.text() if version is not None else "") or "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": act.name, "namespace": act.namespace},
        "deleteOptions": _named(asked_options(act, sent)) | {"dryRun": ["All"]},
    }


def _said(options: Node) -> dict[str, Any]:
    """What a DeleteOptions says: known fields first, in the order of our table."""
    every = {name: value for name, value in plain(options).items() if name not in _FRAME and value not in (None, "", {})}
    return {name: every[name] for name in _OPTIONS if name in every} | every


def _named(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if not name.startswith("#")}


def _of_query(act: Act) -> dict[str, Any]:
    """The options of a delete without a body, as its query says them."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(act.query):
        if not _OPTIONS.get(name):
            continue
        if name == "propagationPolicy":
            found[name] = value
        elif name == "gracePeriodSeconds":
            if value.isascii() and value.isdigit():
                found[name] = int(value)
        else:
            found[name] = value != "0" and value.lower() != "false"
    return found


_encoded = msgspec.json.Encoder().encode
