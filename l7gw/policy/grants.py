"""`grants:` of the policy: which groups may be asked for, by whom, on which clusters, for how long, and who approves that.

Only what an entry lists may be asked for, and the first entry that fits decides. Who asks is looked at with the groups of his
credential alone: a granted group opens no other grant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import yaml

from l7gw import name_rules
from l7gw.config.document import Document, Reader, lasting, shown
from l7gw.config.settings import DAY, KINDS, Kind
from l7gw.hold_terms import Reviewers, RuleTerms
from l7gw.policy import holds
from l7gw.policy.binds import Bind, bind_of
from l7gw.policy.patterns import Globs
from l7gw.policy.value_lists import choices, globs, people

KEYS = ("group", "users", "groups", "kinds", "clusters", "reviewers", "max", "ttl", "bind", "namespaces")

MOST_ENTRIES = 200  # a request is compared with them one by one, and so is each call of somebody who has a grant
MAX = 3600  # seconds that a grant may last, where the entry does not say: an hour is an incident's work
LEAST = 60  # seconds of `max`
PEOPLE: frozenset[Kind] = frozenset(("human",))

EXAMPLE = "grants: [{group: oncall, groups: [engineers], clusters: [prod], reviewers: {groups: [sre]}, max: 2h}]"


class Asker(Protocol):
    """Who asks: a proven principal, or what is kept of one. `groups` are those of his credential."""

    @property
    def user(self) -> str: ...

    @property
    def groups(self) -> tuple[str, ...]: ...

    @property
    def kind(self) -> Kind: ...


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """One entry. It lists a group for whoever its keys name; a key that is None names everybody. Times are in seconds: `most` is
    the longest grant, `ttl` how long a request is pending. `bind` is what the cluster is told while a grant is in force."""

    group: str
    reviewers: Reviewers
    users: Globs | None = None
    groups: Globs | None = None
    kinds: frozenset[Kind] = PEOPLE
    clusters: Globs | None = None
    most: int = MAX
    ttl: int = holds.TTL
    bind: Bind | None = None
    line: int = 0  # in its file, from 1; 0 where it is in none

    @property
    def terms(self) -> RuleTerms:
        """Who approves, in the form of a hold's rule."""
        return RuleTerms(f"grant of {self.group}", self.reviewers)

    def is_about(self, cluster: str) -> bool:
        return self.clusters is None or self.clusters.match(cluster)

    def is_for(self, who: Asker, cluster: str) -> bool:
        """Whether this principal may ask for the group on this cluster."""
        if who.kind not in self.kinds or not self.is_about(cluster):
            return False
        if self.users is not None and not self.users.match(who.user):
            return False
        return self.groups is None or any(map(self.groups.match, who.groups))


def first_for(entries: Sequence[GrantEntry], who: Asker, cluster: str, group: str) -> GrantEntry | None:
    """The entry by which this principal may ask for the group on this cluster, None where there is none."""
    return next((entry for entry in entries if entry.group == group and entry.is_for(who, cluster)), None)


def in_words(entry: GrantEntry) -> str:
    """What an entry offers: `oncall for 2h at most, after an approval by groups sre`."""
    bound = f", with {entry.bind}" if entry.bind is not None else ""
    return f"{entry.group} for {lasting(entry.most)} at most, after {holds.who(entry.reviewers)}{bound}"


# ---------------------------------------------------------------------- reading


def grants_of(top: Reader, default: Reviewers) -> tuple[GrantEntry, ...]:
    """The entries of `grants`, in their order. `default` are the reviewers of `defaults`. Mistakes are reported."""
    nodes = top.items("grants")
    if len(nodes) > MOST_ENTRIES:
        top.wrong("grants", f"`grants` has more than {MOST_ENTRIES} entries", "lists of values make one entry of many")
        nodes = nodes[:MOST_ENTRIES]
    return tuple(_entry(top.document, node, default) for node in nodes)


def _entry(document: Document, node: yaml.Node, default: Reviewers) -> GrantEntry:
    reader = Reader(document, node, "this grant", KEYS)
    reviewers = holds.reviewed(reader, default)
    holds.check_somebody(reader, reviewers, "it")
    if reader.has("namespaces") and not reader.has("bind"):
        reader.wrong(
            "namespaces", "`namespaces` of a grant says where `bind` binds", "bind: ROLE; which calls pass is said by rules"
        )
    return GrantEntry(
        group=_group(reader),
        reviewers=reviewers,
        users=people(reader, "users"),
        groups=people(reader, "groups"),
        kinds=choices(reader, "kinds", KINDS) or PEOPLE,
        clusters=globs(reader, "clusters"),
        most=reader.duration("max", MAX, least=LEAST, most=DAY),
        ttl=reader.duration("ttl", holds.TTL, least=holds.LEAST_TIME, most=holds.MOST_TIME),
        bind=bind_of(reader),
        line=node.start_mark.line + 1,
    )


def _group(reader: Reader) -> str:
    """The group that is granted: one name, and none of Kubernetes' own."""
    name = reader.text("group", required=True)
    if not name:
        return ""
    fault = name_rules.fault(name)
    if fault:
        reader.wrong("group", f"`group`: {shown(name)} {fault}")
    elif "*" in name:
        reader.wrong("group", f"`group`: {shown(name)} is a pattern, and a grant is of one group", "one entry for each group")
    elif name.startswith("system:"):
        reader.wrong("group", f"`group`: {shown(name)} is Kubernetes' own, and is never granted", "bind a group of yours instead")
    return name
