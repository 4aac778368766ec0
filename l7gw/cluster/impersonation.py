"""The impersonation headers of one principal, which tell the cluster who calls.

A credential that may impersonate anybody is as good as cluster-admin. So the names are limited here and, by the RBAC that `rbac
render` writes, in the cluster too.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import assert_never

from l7gw import name_rules
from l7gw.cluster.headers import check_acceptable
from l7gw.config.settings import Impersonate
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, acting
from l7gw.kube.acting_as import ActsAs, asked_identity
from l7gw.policy.patterns import Globs
from l7gw.wire.events import Headers, Request

log = logging.getLogger(__name__)

LONGEST_NAME = 256  # bytes; no directory has longer names, and the head stays far below the API server's limit
GATEWAY_USER = "l7gw"  # the user where the mode is `groups`; it never gets the prefix


@lru_cache(maxsize=4096)
def impersonation(principal: Principal, session: str, mode: Impersonate, prefix: str, going_up: Globs) -> Headers:
    """The `Impersonate-*` header lines for `mode`.

    Only groups that fit `going_up` are named: the cluster would refuse the whole call for one group that its RBAC does not let the
    gateway impersonate. Each group is a line of its own: joined by commas they would be one other group (threats D16,
    kubernetes-wire 7.2).

    Raises Refusal 403 for a user that must not be named to a cluster.
    """
    if mode == "none":
        return ()
    user = check_nameable(principal, mode, prefix)
    headers = [("impersonate-user", _octets(user))]
    for group in principal.groups:
        name = prefix + group
        if not going_up.match(group):
            continue
        if fault := unnameable(group) or unnameable(name):
            _leave_out(group, fault)
        else:
            headers.append(("impersonate-group", _octets(name)))
    return (*headers, *_extras(principal, session))


def impersonation_as(acts_as: ActsAs, principal: Principal, session: str) -> Headers:
    """The header lines of a call that is made as somebody else: his names as they were asked for, without the prefix, and the
    extras, by which the cluster's audit log says whose call it truly is."""
    groups = [("impersonate-group", _octets(group)) for group in acts_as.groups]
    return (("impersonate-user", _octets(acts_as.user)), *groups, *_extras(principal, session))


def _extras(principal: Principal, session: str) -> Headers:
    return (("impersonate-extra-l7gw-user", _octets(principal.user)), ("impersonate-extra-l7gw-session", session))


def impersonated(headers: Headers) -> tuple[str, tuple[str, ...], dict[str, list[str]]]:
    """Whom these header lines name to the cluster: user, groups and extras. The user is "" where they name nobody."""
    user, groups, extra = "", [], {}
    for name, value in headers:
        text = value.encode("latin-1").decode()
        if name == "impersonate-user":
            user = text
        elif name == "impersonate-group":
            groups.append(text)
        elif name.startswith("impersonate-extra-"):
            extra[name.removeprefix("impersonate-extra-")] = [text]
    return user, tuple(groups), extra


@lru_cache(maxsize=4096)
def check_nameable(principal: Principal, mode: Impersonate, prefix: str) -> str:
    """The user that is named to the cluster, "" for none. Raises Refusal 403 for a principal that must not be named to a cluster.
    Called before any connection is dialled."""
    match mode:
        case "groups":
            user = GATEWAY_USER
        case "user":
            user = prefix + principal.user
        case "none":
            return ""
        case _:
            assert_never(mode)
    for name in (user, principal.user):
        if fault := unnameable(name):
            raise Refusal(403, "Forbidden", f"this user cannot be named to the cluster: the name {fault}")
    return user


def acting_as_asked(act: Act, request: Request, mode: Impersonate) -> Act:
    """The act of a request; with `--as` the act as whom it asks for. Raises Refusal for a request that cannot be passed on, and 403
    for `--as` on a cluster where the gateway names nobody: RBAC would be asked about its own credential, the same for everybody."""
    if not check_acceptable(request, act):
        return act
    acts_as = asked_identity(request.headers)
    if mode == "none":
        raise Refusal(403, "Forbidden", "--as cannot be used on this cluster: l7gw shows it no callers (impersonate: none)")
    return acting(act, acts_as)


@lru_cache(maxsize=1024)  # so that each group is logged once
def _leave_out(group: str, fault: str) -> None:
    log.warning("group %.80r is not passed on to clusters: its name %s", group, fault)


def unnameable(name: str) -> str:
    """Why a name must not be told to a cluster, in words that follow the name; "" where it may."""
    if fault := name_rules.fault(name):
        return fault
    if name.startswith("system:"):
        return "begins with system:"
    if len(name.encode()) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} bytes"
    if "," in name:
        return "holds a comma"
    return ""


def _octets(name: str) -> str:
    """A text's UTF-8 bytes in the form of header values, which have one character for each byte."""
    return name.encode().decode("latin-1")
