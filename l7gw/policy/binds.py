"""`bind` of a rule or a grant: the role that its callers get in the cluster, by RoleBindings that the gateway makes before the
first call and removes at the end.

A role that is named alone is a ClusterRole; NAMESPACE/ROLE is a Role there. It is bound in the namespaces that stand in the same
entry, each by its name: a pattern would bind it in namespaces that nobody has seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from l7gw.config.document import Reader, shown

MOST_NAMESPACES = 20  # RoleBindings are made one by one, and the first call waits for them
LONGEST_ROLE = 253  # characters, as of any name in Kubernetes

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a DNS label
_ROLE = re.compile(r"[^/%\s\x00-\x1f*?]+")  # a segment of a path (AM pkg/api/validation/path/name.go)

EXAMPLE = "bind: pod-debugger, or bind: shop/pod-debugger"


@dataclass(frozen=True, slots=True)
class Bind:
    """A role, and where it is bound. `kind` is that of the role: a Role stands in the one namespace."""

    role: str
    namespaces: tuple[str, ...]
    kind: Literal["ClusterRole", "Role"] = "ClusterRole"

    def __str__(self) -> str:
        return f"{self.kind} {self.role} in {', '.join(self.namespaces)}"


def bind_of(reader: Reader) -> Bind | None:
    """What a rule or a grant binds, None where it says nothing. Mistakes are reported."""
    text = reader.text("bind")
    if not text:
        return None
    namespace, slash, role = text.rpartition("/")
    if (
        (slash and not _NAMESPACE.fullmatch(namespace))
        or not _ROLE.fullmatch(role)
        or role in (".", "..")
        or len(text) > LONGEST_ROLE
    ):
        reader.wrong("bind", f"`bind`: {shown(text)} names no role", EXAMPLE)
        return None
    namespaces = _namespaces(reader)
    if namespaces is None:
        return None
    if slash and namespaces != (namespace,):
        reader.wrong("bind", f"`bind`: a Role of {namespace} can be bound there alone", f"namespaces: [{namespace}]")
        return None
    return Bind(role, namespaces, "Role" if slash else "ClusterRole")


def _namespaces(reader: Reader) -> tuple[str, ...] | None:
    found = reader.texts("namespaces") if reader.has("namespaces") else ()
    if not found:
        reader.wrong("bind", "`bind` wants the namespaces in which the role is bound", "namespaces: [shop]")
        return None
    unfit = next((text for text in found if not _NAMESPACE.fullmatch(text)), None)
    if unfit is not None:
        words = "a pattern would bind the role in namespaces that nobody has seen"
        reader.wrong("namespaces", f"`namespaces`: beside `bind` {shown(unfit)} must be the name of a namespace", words)
        return None
    if len(found) > MOST_NAMESPACES:
        reader.wrong("namespaces", f"`namespaces`: beside `bind` there are {MOST_NAMESPACES} at most")
        return None
    return tuple(dict.fromkeys(found))


def refuse(reader: Reader) -> None:
    """Report a rule that binds and allows nothing at once."""
    if reader.has("bind"):
        hint = "a call that is held has its dry run before anybody said yes; a grant binds once it is approved"
        reader.wrong("bind", "`bind` is for a rule that allows", hint)


def in_words(bind: Bind) -> str:
    """What the cluster is told, as a line of an explanation."""
    return f"bound to {bind} for the session, by RoleBindings that the gateway makes before the first call"


def together(binds: Iterable[Bind | None]) -> tuple[Bind, ...]:
    """Those that are there, each once."""
    return tuple(dict.fromkeys(one for one in binds if one is not None))
