"""A rule, and when it matches. An allow must cover the whole call, a deny or a hold need only overlap it (docs/architecture.md).

The methods give the key of the rule that does not match, "" where all match. The judge and `policy explain` use the same methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from l7gw.config.settings import Kind
from l7gw.identity.principal import Principal
from l7gw.kube.act import EFFECTS, Act, Effect
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.builtin import BUILT_IN, is_in_namespaces
from l7gw.obligations import NO_HANDLING, NO_OBLIGATIONS, Handling, Obligations
from l7gw.policy.acting import As
from l7gw.policy.binds import Bind
from l7gw.policy.budgets import Budget
from l7gw.policy.commands import Command
from l7gw.policy.conditions import Condition
from l7gw.policy.holds import Holding
from l7gw.policy.patterns import Globs, Resources, glob
from l7gw.policy.verdict import Decision
from l7gw.policy.vocabulary import CONNECTS, VERBS

ALLOWED_EFFECTS: frozenset[Effect] = frozenset(EFFECTS) - {"other"}  # of an allow without `effects`: `other` must be named
# Of a deny or a hold without `effects`. It leaves out discovery: kubectl needs discovery to show the refusal of another call, and
# discovery shows nothing but the API's shape. A deny of discovery must name it.
DENIED_EFFECTS: frozenset[Effect] = ALLOWED_EFFECTS - {"discovery"}

_CONNECTED = frozenset(("pods", "services", "nodes"))
# Stands for an empty set of effects, which should never be: such a call must not look harmless.
_UNKNOWN: frozenset[Effect] = frozenset(("other",))
_DISCOVERY: frozenset[Effect] = frozenset(("discovery",))
PATH: Final = "path"

# The key for which a rule does not match.
Key = Literal[
    "users",
    "groups",
    "kinds",
    "clusters",
    "namespaces",
    "effects",
    "verbs",
    "resources",
    "names",
    "as",
    "commands",
    "interactive",
    "path",  # no key of the file: the rule is about objects, and the act has none
]
NoKey = Literal[""]  # the rule matches


def verb_of(act: Act) -> str:
    """The verb as policy spells it. Exec, attach, port-forward and proxy are verbs, whatever the method (threats D5)."""
    if act.subresource in CONNECTS and act.group == "" and act.resource in _CONNECTED:
        return act.subresource
    return act.verb


def in_words(act: Act) -> str:
    """What is asked, for people: `get pods web-0 in namespace dev`, or `get /metrics` of a path that is no resource."""
    acting = f"as {act.acts_as}" if act.acts_as is not None else ""
    if not act.is_resource:
        return " ".join(filter(None, (act.verb, act.path, acting)))
    return " ".join(filter(None, (verb_of(act), act.kind, act.name, _scope(act), acting)))


def _scope(act: Act) -> str:
    if act.namespace:
        return f"in namespace {act.namespace}"
    if is_in_namespaces(act.group, act.resource):
        return "in all namespaces"
    return "in the cluster" if act.name or (act.group, act.resource) in BUILT_IN else "in all namespaces or the cluster"


@dataclass(frozen=True)
class Rule:
    """One rule. It matches a call if each of its keys does; a key that is None matches every call. A guardrail never allows.

    `allow` and `holding` say its verdict: `holding` is None but of a rule that holds. A hold matches as a deny does, by overlap, so
    that it may hold a call of which it names a part alone; what its reviewers approve is the whole call.
    """

    name: str
    allow: bool
    guardrail: bool = False
    reason: str = ""
    users: Globs | None = None
    groups: Globs | None = None
    kinds: frozenset[Kind] | None = None
    clusters: Globs | None = None
    namespaces: Globs | None = None
    effects: frozenset[Effect] = ALLOWED_EFFECTS
    verbs: Globs | None = None
    resources: Resources | None = None
    names: Globs | None = None
    acts_as: As | None = None  # `as`
    commands: tuple[Command, ...] | None = None
    interactive: bool = False
    obligations: Obligations = NO_OBLIGATIONS  # of an allow, or of a hold in `rules`
    handling: Handling = NO_HANDLING  # as `obligations`
    holding: Holding | None = None
    budget: Budget | None = None  # of an allow
    bind: Bind | None = None  # as `budget`
    when: Condition | None = None  # looked at last, by the judge
    line: int = 0  # in its file, from 1; 0 where it is in none

    @property
    def says(self) -> Decision:
        """Its verdict, as the file spells it."""
        if self.allow:
            return "allow"
        return "deny" if self.holding is None else "hold"

    def is_about(self, cluster: str) -> bool:
        return self.clusters is None or self.clusters.match(cluster)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The patterns of `groups` that name particular groups: those of stars alone are left out."""
        return tuple(text for text in self.groups.texts if text.strip("*")) if self.groups is not None else ()

    def stranger(self, principal: Principal, cluster: str) -> Key | NoKey:
        """The key by which the rule is not about this principal on this cluster, "" where it is about both."""
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
        """The groups that the rule looks at. A deny or a hold also looks at `unfit`: what groups that are no names may mean."""
        return principal.groups if self.allow else principal.groups + principal.unfit

    def mismatch(self, act: Act) -> Key | NoKey:
        """The key by which the rule does not match the act, "" where it matches. What is the same for all acts of one kind
        (`policy.narrowing`) is looked at first."""
        return self._uncovered(act) if self.allow else self._apart(act)

    def beyond(self, act: Act) -> Key | NoKey:
        """As `mismatch`, of an act on a resource that all keys match but perhaps `names` and `commands`."""
        return self._uncovered_object(act) if self.allow else self._apart_object(act)

    @property
    def is_narrow(self) -> bool:
        """Whether `beyond` may give a key."""
        return (self.names is not None and not self.names.everything) or self.commands is not None

    # ------------------------------------------------------------------ allow: every effect, and the whole extent

    def lets_act_as(self, asked: ActsAs) -> bool:
        """Whether the rule lets calls pass that are made as this identity."""
        lets = (self.allow or self.holding is not None) and not self.guardrail and "impersonate" in self.effects
        return lets and self.acts_as is not None and self.acts_as.covers(asked)

    def _uncovered(self, act: Act) -> Key | NoKey:
        if not (act.effects or _UNKNOWN) <= self.effects:
            return "effects"
        if act.acts_as is not None and not self.lets_act_as(act.acts_as):
            return "as"
        if self.verbs is not None and not self.verbs.match(verb_of(act)):
            return "verbs"
        if not act.is_resource:
            about_objects = self.resources or self.namespaces or self.names or self.commands
            return PATH if about_objects else ""
        if self.resources is not None and not self.resources.match(act.resource, act.group, act.subresource):
            return "resources"
        # A call without a namespace is about all namespaces, or about an object of the cluster; one without a name is about any
        # name. Only `*` covers such a call.
        spaces = self.namespaces
        if spaces is not None and not spaces.everything and not (act.namespace and spaces.match(act.namespace)):
            return "namespaces"
        return self._uncovered_object(act)

    def _uncovered_object(self, act: Act) -> Key | NoKey:
        names = self.names
        if names is not None and not names.everything and not (act.name and _covers_name(names, act)):
            return "names"
        return self._other_command(act) if self.commands is not None else ""

    def _other_command(self, act: Act) -> Key | NoKey:
        assert self.commands is not None
        if act.argv is None:
            return "commands"
        if (act.tty or act.stdin) and not self.interactive:
            return "interactive"
        argv = act.argv
        return "" if any(command.covers(argv) for command in self.commands) else "commands"

    # ------------------------------------------------------------------ deny and hold: any effect, and any part of the extent

    def _apart(self, act: Act) -> Key | NoKey:
        if self.effects.isdisjoint(act.effects or _UNKNOWN):
            return "effects"
        if (self.acts_as is not None or act.acts_as is not None) and (key := self._apart_by_identity(act)):
            return key
        if self.verbs is not None and not any(map(self.verbs.match, _verbs_of(act))):
            return "verbs"
        if not act.is_resource:
            narrowed = _narrows(self.resources) or _narrows(self.namespaces) or _narrows(self.names) or self.commands
            return PATH if narrowed else ""
        if self.resources is not None and not _any_of(act) and not self.resources.match(act.resource, act.group, act.subresource):
            return "resources"
        if self.namespaces is not None and act.namespace and not self.namespaces.match(act.namespace):
            return "namespaces"
        return self._apart_object(act)

    def _apart_object(self, act: Act) -> Key | NoKey:
        if self.names is not None and act.name and not (self.names.match(act.name) or self.names.match(act.object_name)):
            return "names"
        return self._apart_by_command(act) if self.commands is not None else ""

    def _apart_by_identity(self, act: Act) -> Key | NoKey:
        """As `_apart`, where the rule has `as`, or the call is made as somebody else. A hold in `rules` lets calls pass: it covers
        whom it names. Discovery, made as somebody else, is reached by a hold that names discovery, and by a deny that does or that
        lists effects or identities at all: each of kubectl's many calls of discovery would else be held."""
        asked = act.acts_as
        if asked is None:
            return "" if self.holding is not None and not self.guardrail else "as"
        if self.acts_as is not None:
            is_named = self.acts_as.overlaps if self.guardrail or self.holding is None else self.acts_as.covers
            if not is_named(asked):
                return "as"
        general = self.holding is not None or (self.acts_as is None and self.effects == DENIED_EFFECTS)
        return "effects" if general and "discovery" in act.effects and "discovery" not in self.effects else ""

    def _apart_by_command(self, act: Act) -> Key | NoKey:
        """As `_apart`, for `commands`. An unknown argv may be any argv. Through a terminal or
        stdin any command may be given later."""
        assert self.commands is not None
        if "execute" not in act.effects:
            return "commands"
        argv = act.argv
        if argv is None or act.tty or act.stdin or any(command.overlaps(argv) for command in self.commands):
            return ""
        return "commands"


def _verbs_of(act: Act) -> tuple[str, ...]:
    """Every verb by which a deny may name the act: a client opens a stream by a get or by a create, as it prefers. `*` is asked for
    by self reviews alone."""
    verb = verb_of(act)
    if act.verb == "*":
        return (verb, *VERBS)
    if _any_of(act):
        return (verb, *CONNECTS)
    return (verb, act.verb, "get", "create") if verb != act.verb else (verb,)


def _any_of(act: Act) -> bool:
    """Whether the act is about any resource, or any subresource: a self review may ask so. A path that does is overlapped too."""
    return "*" in (act.group, act.resource, act.subresource)


def _covers_name(names: Globs, act: Act) -> bool:
    """Whether an allow names the object of this act.

    The name in a call of a proxy subresource may be `http:db:80`, and its object is `db`. So `http*` does not cover it. A pattern
    with a colon, such as `*:80`, is compared with the whole name.
    """
    if not names.match(act.name):
        return False
    return names.match(act.object_name) or any(glob(text)(act.name) for text in names.texts if ":" in text)


def _narrows(patterns: Globs | Resources | None) -> bool:
    return patterns is not None and not patterns.everything
