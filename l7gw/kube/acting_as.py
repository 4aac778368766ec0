"""As whom a call asks to be made: `--as`, in the `Impersonate-*` header fields (kubernetes-wire 7.2).

kube-apiserver asks of each name by itself whether the caller may impersonate it. Names are read as it reads them: the user and each
group are the value of a line, never percent-decoded and never split at a comma. What it would read in another way, or let pass in
silence, is refused here.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from l7gw import name_rules
from l7gw.errors import Refusal

MOST_GROUPS = 20  # asked for in one call: the cluster is asked about each, one after the other
LONGEST_NAME = 256  # bytes, as of the users whom identity knows
ACCOUNT = "system:serviceaccount:"
# AM pkg/api/validation/generic.go: a namespace is a label of DNS, a service account's name a subdomain
_ACCOUNT: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?:[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", re.ASCII)


class ActsAs(msgspec.Struct, frozen=True):
    """The identity of the cluster that a call asks for. It has no prefix: `--as jane` is the user whom RBAC there calls jane."""

    user: str
    groups: tuple[str, ...] = ()  # in the order of the request, each once

    @property
    def account(self) -> str:
        """The service account that the user is, as NAMESPACE/NAME; "" for any other user."""
        name = self.user.removeprefix(ACCOUNT)
        return name.replace(":", "/") if name != self.user and _ACCOUNT.fullmatch(name) else ""

    def __str__(self) -> str:
        """For people; whoever shows it escapes it."""
        return self.user + (f" (groups {', '.join(self.groups)})" if self.groups else "")


def asked_identity(headers: tuple[tuple[str, str], ...]) -> ActsAs:
    """The identity that the `Impersonate-*` fields of a request ask for. There is at least one such field. The codec has refused a
    second line of `Impersonate-User`.

    Raises Refusal 400 for fields that name no user or no name, 403 for what nobody may ask for.
    """
    users: list[str] = []
    groups: list[str] = []
    for name, value in headers:
        if name == "impersonate-user":
            users.append(_text(value, "--as"))
        elif name == "impersonate-group":
            groups.append(_text(value, "--as-group"))
        elif name.startswith("impersonate-"):
            what = "a uid (--as-uid)" if name == "impersonate-uid" else f"{name_rules.visible(_shortened(name))}"
            raise _never(f"{what} cannot be asked for: a user and groups alone (--as, --as-group)")
    if len(users) != 1:
        raise _bad("--as-group is asked for without --as: name the user too" if not users else "--as stands twice")
    return identity(users[0], groups)


def identity(user: str, groups: list[str]) -> ActsAs:
    """The identity of these names. Raises Refusal as `asked_identity`."""
    acts_as = ActsAs(user, tuple(dict.fromkeys(groups)))
    if len(acts_as.groups) > MOST_GROUPS:
        raise _bad(f"more than {MOST_GROUPS} groups are asked for (--as-group)")
    _check(user, "--as")
    if user.startswith("system:") and not acts_as.account:
        raise _never(f"--as {name_rules.quoted(user)}: of the names that begin with system: only service accounts can be asked for")
    for group in acts_as.groups:
        _check(group, "--as-group")
        if group.startswith("system:"):
            own = "; a service account's own groups come with it" if acts_as.account else ""
            raise _never(f"--as-group {name_rules.quoted(group)}: groups that begin with system: cannot be asked for{own}")
    return acts_as


def _check(name: str, flag: str) -> None:
    if fault := name_rules.fault(name):
        raise _bad(f"{flag} {name_rules.quoted(name)} {fault}")
    if len(name.encode()) > LONGEST_NAME:
        raise _bad(f"{flag}: the name is longer than {LONGEST_NAME} bytes")
    if "," in name:  # some programs join groups with commas, and mean several
        raise _bad(f"{flag} {name_rules.quoted(name)} holds a comma: name each group by itself")


def _text(value: str, flag: str) -> str:
    """The name in a header value: one character of it is one byte of the name's UTF-8."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError as error:
        raise _bad(f"{flag} is not UTF-8") from error


def _shortened(name: str) -> str:
    return name if len(name) <= name_rules.LONGEST_SHOWN else name[: name_rules.LONGEST_SHOWN] + "..."


def _bad(why: str) -> Refusal:
    return Refusal(400, "BadRequest", why)


def _never(why: str) -> Refusal:
    return Refusal(403, "Forbidden", why)
