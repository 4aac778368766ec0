"""An act: one reading of a request, which policy judges, the recorder writes down and the upstream writer sends."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec
from msgspec.structs import replace

from l7gw.kube.acting_as import ActsAs

Effect = Literal[
    "discovery",
    "read",
    "write",
    "workload",
    "delete",
    "secrets",
    "execute",
    "tunnel",
    "impersonate",
    "escalate",
    "other",
]
EFFECTS: tuple[Effect, ...] = get_args(Effect)


class Act(msgspec.Struct, frozen=True, gc=False):
    """One request, or one stream opened inside a tunnel, as the API server understands it.

    For a request about a resource, `verb` is RBAC's (get, list, watch, create, ..., deletecollection), and `group` is "" for
    the core group. `namespace` is "" where the path names none. The act is then about the whole cluster or, for a namespaced
    resource, about all namespaces. `name` is "" where the path names no object. For any other request, `is_resource` is
    false, `verb` is the method in lower case, and `resource` is "". `path` and `query` are written anew from the decoded
    segments and pairs, and are sent upstream.
    """

    verb: str
    path: str  # percent-encoded anew, without query
    query: str  # encoded anew, without "?"; "" for none
    effects: frozenset[Effect]
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    argv: tuple[str, ...] | None = None  # of an exec; None: unknown (attach, ephemeral containers), or no command is run
    container: str = ""
    tty: bool = False
    stdin: bool = False
    port: int | None = None  # of the act that is one stream of a port-forward
    ports: tuple[int, ...] | None = None  # in the query of a port-forward
    label_selector: str | None = None  # of list, watch and deletecollection, as is `field_selector`
    field_selector: str | None = None
    follows: bool = False  # a watch, or a followed log: its answer goes on as things happen
    long_running: bool = False  # watch, proxy, exec, attach, portforward, log (KK pkg/controlplane/apiserver/config.go)
    acts_as: ActsAs | None = None  # as whom the caller asks to be taken (`--as`); None: as himself

    @property
    def target(self) -> str:
        """The request target as it goes upstream."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def object_name(self) -> str:
        """The name of the object itself: of a proxy subresource, `name` may be `https:web:443` (AM pkg/util/net/port_split.go)."""
        if self.subresource != "proxy":
            return self.name
        parts = self.name.split(":")
        return parts[1] if len(parts) == 3 else parts[0]

    @property
    def kind(self) -> str:
        """The resource as policy spells it: `pods`, `pods/exec`, `deployments.apps`, `deployments.apps/scale`."""
        base = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{base}/{self.subresource}" if self.subresource else base


def acting(act: Act, acts_as: ActsAs | None) -> Act:
    """The same act, made as somebody else: it has the effect `impersonate` too. None: as the caller himself."""
    return act if acts_as is None else replace(act, acts_as=acts_as, effects=act.effects | {"impersonate"})
