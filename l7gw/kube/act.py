"""An act: what policy judges, the recorder writes down and the upstream writer sends. One reading for all three."""

from __future__ import annotations

from dataclasses import dataclass

EFFECTS = (
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
)


@dataclass(frozen=True, slots=True)
class Act:
    """One request, or one stream opened inside a tunnel, as the API server would understand it.

    For a resource request `verb` is RBAC's (get, list, watch, create, ..., deletecollection), `group` is "" for core.
    `namespace` is "" where the path names none: the scope is then the whole cluster or, for a namespaced resource, all
    namespaces. `name` is "" where none is named. For a non-resource request `is_resource` is false, `verb` the lower-case
    method and `resource` "". `path` and `query` are written anew from the decoded segments and pairs: they travel upstream.
    """

    verb: str
    path: str  # percent-encoded anew, without query
    query: str  # encoded anew, without "?"; "" for none
    effects: frozenset[str]
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    argv: tuple[str, ...] | None = None  # of an exec; None: unknown (attach, ephemeral containers) or not a command
    container: str = ""
    tty: bool = False
    stdin: bool = False
    port: int | None = None  # of one stream of a port-forward
    ports: tuple[int, ...] | None = None  # that a port-forward names in its query
    label_selector: str | None = None  # of list, watch and deletecollection
    field_selector: str | None = None
    follows: bool = False  # a watch, or a log that is followed: answers that come as things happen
    long_running: bool = False  # watch, proxy, exec, attach, portforward, log (KK pkg/controlplane/apiserver/config.go)

    @property
    def target(self) -> str:
        """The request target as it goes upstream."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def kind(self) -> str:
        """The resource as policy spells it: `pods`, `pods/exec`, `deployments.apps`, `deployments.apps/scale`."""
        base = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{base}/{self.subresource}" if self.subresource else base
