"""A rule, and when it matches: an allow must cover a call whole, a deny need only overlap it (design section 5).

Each answer is the reason why not, "" where it matches: the judge and `policy explain` ask the same functions.
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
_UNKNOWN = frozenset(("other",))


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

    def stranger(self, principal: Principal, cluster: str) -> str:
        """Why the rule is not about this principal on this cluster."""
        if self.users is not None and not self.users.match(principal.user):
            return f"the user is none of {_listed(self.users.texts)}"
        if self.groups is not None and not any(map(self.groups.match, principal.groups)):
            return f"no group is one of {_listed(self.groups.texts)}"
        if self.kinds is not None and principal.kind not in self.kinds:
            return f"the caller's kind, {principal.kind}, is none of {_listed(sorted(self.kinds))}"
        if self.clusters is not None and not self.clusters.match(cluster):
            return f"the cluster is none of {_listed(self.clusters.texts)}"
        return ""

    def mismatch(self, act: Act) -> str:
        """Why the rule does not match this act."""
        return self._uncovered(act) if self.allow else self._apart(act)

    # ------------------------------------------------------------------ allow: every effect, and the whole extent

    def _uncovered(self, act: Act) -> str:
        effects = act.effects or _UNKNOWN
        if not effects <= self.effects:
            return f"it does not list the effect {', '.join(sorted(effects - self.effects))}"
        if self.verbs is not None and not self.verbs.match(verb_of(act)):
            return f"the verb, {verb_of(act)}, is none of {_listed(self.verbs.texts)}"
        if not act.is_resource:
            objects = self.resources or self.namespaces or self.names or self.commands
            return "" if objects is None else "it is about objects, and this path is none"
        if self.resources is not None and not self.resources.match(act.resource, act.group, act.subresource):
            return f"{act.kind} is none of {_listed(self.resources.texts)}"
        return self._beyond(act) or self._other_command(act)

    def _beyond(self, act: Act) -> str:
        """An unnamed namespace is all of them, or an object of the cluster; an unnamed name is any: only `*` covers that."""
        spaces, names = self.namespaces, self.names
        if spaces is not None and not spaces.everything and not (act.namespace and spaces.match(act.namespace)):
            what = f"namespace {act.namespace}" if act.namespace else "a call that names no namespace"
            return f"{what} is not within {_listed(spaces.texts)}"
        if names is not None and not names.everything and not (act.name and names.match(act.name)):
            what = f"the name {act.name}" if act.name else "a call that names no object"
            return f"{what} is not within {_listed(names.texts)}"
        return ""

    def _other_command(self, act: Act) -> str:
        if self.commands is None:
            return ""
        if act.argv is None:
            return "`commands` allows a known argv, and this call has none"
        if (act.tty or act.stdin) and not self.interactive:
            return f"it has {'a terminal' if act.tty else 'stdin'}, which needs `interactive: true`"
        if not any(command.covers(act.argv) for command in self.commands):
            return f"the command is none of {_listed([command.text for command in self.commands])}"
        return ""

    # ------------------------------------------------------------------ deny: any effect, and any part of the extent

    def _apart(self, act: Act) -> str:
        effects = act.effects or _UNKNOWN
        if self.effects.isdisjoint(effects):
            return f"the call has none of the effects {', '.join(sorted(self.effects))}"
        if self.verbs is not None and not any(map(self.verbs.match, _verbs_of(act))):
            return f"the verb, {verb_of(act)}, is none of {_listed(self.verbs.texts)}"
        if not act.is_resource:
            narrowed = _narrows(self.resources) or _narrows(self.namespaces) or _narrows(self.names) or self.commands is not None
            return "it is about objects, and this path is none" if narrowed else ""
        if self.resources is not None and not self.resources.match(act.resource, act.group, act.subresource):
            return f"{act.kind} is none of {_listed(self.resources.texts)}"
        if self.namespaces is not None and act.namespace and not self.namespaces.match(act.namespace):
            return f"namespace {act.namespace} is none of {_listed(self.namespaces.texts)}"
        if self.names is not None and act.name and not self.names.match(act.name):
            return f"the name {act.name} is none of {_listed(self.names.texts)}"
        return self._apart_by_command(act)

    def _apart_by_command(self, act: Act) -> str:
        """An argv that is not known may be any; a terminal or stdin may become any command, whatever was started."""
        if self.commands is None:
            return ""
        if "execute" not in act.effects:
            return "the call runs no command"
        if act.argv is None or act.tty or act.stdin or any(command.overlaps(act.argv) for command in self.commands):
            return ""
        return f"the command is none of {_listed([command.text for command in self.commands])}"


def _verbs_of(act: Act) -> tuple[str, ...]:
    """All that a deny may call it: a connection is opened by a get or a create, whichever the client prefers."""
    verb = verb_of(act)
    return (verb, act.verb, "get", "create") if verb in CONNECTS else (verb,)


def _narrows(patterns: Globs | Resources | None) -> bool:
    return patterns is not None and not patterns.everything


MOST_LISTED = 6  # patterns in a sentence


def _listed(texts: list[str] | tuple[str, ...]) -> str:
    more = f", and {len(texts) - MOST_LISTED} more" if len(texts) > MOST_LISTED else ""
    return ", ".join(texts[:MOST_LISTED]) + more
