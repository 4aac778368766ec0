"""A rule, and when it matches: an allow must cover a call whole, a deny need only overlap it (docs/architecture.md).

Each answer is the key that does not match, "" where all do: the judge and `policy explain` ask the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from l7gw.identity.principal import Principal
from l7gw.kube.act import EFFECTS, Act
from l7gw.policy.patterns import Command, Globs, Resources
from l7gw.policy.spelling import CONNECTS

ALLOWED_EFFECTS = frozenset(EFFECTS) - {"other"}  # of an allow that names none: `other` only by naming it
# Of a deny that names none. Discovery is what kubectl needs to show the refusal of anything else, and it tells nothing but the
# API's shape: whoever is to be refused it must be refused it by name.
DENIED_EFFECTS = ALLOWED_EFFECTS - {"discovery"}

_CONNECTED = frozenset(("pods", "services", "nodes"))
_UNKNOWN = frozenset(("other",))  # effects are never empty; where they were, nothing must look harmless
PATH = "path"


def verb_of(act: Act) -> str:
    """The verb as policy means it: streams and tunnels have their own, whatever the method (threats D5)."""
    if act.subresource in CONNECTS and act.group == "" and act.resource in _CONNECTED:
        return act.subresource
    return act.verb


@dataclass(frozen=True, slots=True)
class Rule:
    """Keys are ANDed; one that is None matches everything. `guardrail` rules deny only."""

    name: str
    allow: bool
    guardrail: bool = False
    reason: str = ""
    users: Globs | None = None
    groups: Globs | None = None
    kinds: frozenset[str] | None = None
    clusters: Globs | None = None
    namespaces: Globs | None = None
    effects: frozenset[str] = ALLOWED_EFFECTS
    verbs: Globs | None = None
    resources: Resources | None = None
    names: Globs | None = None
    commands: tuple[Command, ...] | None = None
    interactive: bool = False

    def is_about(self, cluster: str) -> bool:
        return self.clusters is None or self.clusters.match(cluster)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The patterns of `groups` that name some: a star alone names nobody."""
        return tuple(text for text in self.groups.texts if text.strip("*")) if self.groups is not None else ()

    def stranger(self, principal: Principal, cluster: str) -> str:
        """The key for which the rule is not about this principal on this cluster, "" where it is."""
        if self.users is not None and not self.users.match(principal.user):
            return "users"
        if self.groups is not None and not any(map(self.groups.match, self._groups_of(principal))):
            return "groups"
        if self.kinds is not None and principal.kind not in self.kinds:
            return "kinds"
        if not self.is_about(cluster):
            return "clusters"
        return ""

    def _groups_of(self, principal: Principal) -> tuple[str, ...]:
        """A group whose form no name has allows nothing, and is denied as whatever it may have been meant to be."""
        return principal.groups if self.allow else principal.groups + principal.unfit

    def mismatch(self, act: Act) -> str:
        """The key for which the rule does not match the act, "" where it matches; PATH where the act has no object."""
        return self._uncovered(act) if self.allow else self._apart(act)

    # ------------------------------------------------------------------ allow: every effect, and the whole extent

    def _uncovered(self, act: Act) -> str:
        if not (act.effects or _UNKNOWN) <= self.effects:
            return "effects"
        if self.verbs is not None and not self.verbs.match(verb_of(act)):
            return "verbs"
        if not act.is_resource:
            about_objects = self.resources or self.namespaces or self.names or self.commands
            return PATH if about_objects else ""
        if self.resources is not None and not self.resources.match(act.resource, act.group, act.subresource):
            return "resources"
        # An unnamed namespace is all of them, or an object of the cluster; an unnamed name is any: only `*` covers that.
        spaces, names = self.namespaces, self.names
        if spaces is not None and not spaces.everything and not (act.namespace and spaces.match(act.namespace)):
            return "namespaces"
        if names is not None and not names.everything and not (act.name and names.match(act.name)):
            return "names"
        return self._other_command(act) if self.commands is not None else ""

    def _other_command(self, act: Act) -> str:
        assert self.commands is not None
        if act.argv is None:
            return "commands"
        if (act.tty or act.stdin) and not self.interactive:
            return "interactive"
        argv = act.argv
        return "" if any(command.covers(argv) for command in self.commands) else "commands"

    # ------------------------------------------------------------------ deny: any effect, and any part of the extent

    def _apart(self, act: Act) -> str:
        if self.effects.isdisjoint(act.effects or _UNKNOWN):
            return "effects"
        if self.verbs is not None and not any(map(self.verbs.match, _verbs_of(act))):
            return "verbs"
        if not act.is_resource:
            narrowed = _narrows(self.resources) or _narrows(self.namespaces) or _narrows(self.names) or self.commands
            return PATH if narrowed else ""
        if self.resources is not None and not self.resources.match(act.resource, act.group, act.subresource):
            return "resources"
        if self.namespaces is not None and act.namespace and not self.namespaces.match(act.namespace):
            return "namespaces"
        if self.names is not None and act.name and not self.names.match(act.name):
            return "names"
        return self._apart_by_command(act) if self.commands is not None else ""

    def _apart_by_command(self, act: Act) -> str:
        """An argv that is not known may be any; a terminal or stdin may become any command, whatever was started."""
        assert self.commands is not None
        if "execute" not in act.effects:
            return "commands"
        argv = act.argv
        if argv is None or act.tty or act.stdin or any(command.overlaps(argv) for command in self.commands):
            return ""
        return "commands"


def _verbs_of(act: Act) -> tuple[str, ...]:
    """All that a deny may call it: a connection is opened by a get or a create, whichever the client prefers."""
    verb = verb_of(act)
    return (verb, act.verb, "get", "create") if verb != act.verb else (verb,)


def _narrows(patterns: Globs | Resources | None) -> bool:
    return patterns is not None and not patterns.everything
