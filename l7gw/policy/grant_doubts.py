"""Entries of `grants` that are probably mistakes: the group opens nothing, the clusters are not configured, nobody can approve, or
an earlier entry is in the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from l7gw.config.settings import Cluster, IdentityEntry, Mapped
from l7gw.policy.callers import Known
from l7gw.policy.doubts import of_clusters, of_reviewers
from l7gw.policy.grants import GrantEntry
from l7gw.policy.patterns import Globs, glob
from l7gw.policy.rules import Rule

if TYPE_CHECKING:
    from l7gw.policy.judge import Policy


def grant_doubts(
    policy: Policy,
    clusters: Mapping[str, Cluster] | None,
    identity: Sequence[IdentityEntry] | None = None,
    mapped: Collection[Mapped] = (),
    known: Known | None = None,
) -> list[str]:
    """Each doubt as a sentence, in the order of the entries. `clusters` and `identity` are the configured ones, None where they are
    not known; `mapped` are whom other ways to review name, `known` is what `identity` says of callers."""
    found: list[str] = []
    for number, entry in enumerate(policy.grants):
        what = f"the grant of {entry.group!r} in line {entry.line}"
        if entry.clusters is not None and clusters is not None:
            found += [f"{what} {doubt}" for doubt in of_clusters(entry.clusters.texts, clusters)]
        if known is not None:
            found += [f"{what} {doubt}" for doubt in known.doubts(entry.users, entry.groups, entry.kinds)]
        found += [f"{what} {doubt}" for doubt in of_reviewers(entry.reviewers, identity, mapped)]
        if not (any(_names(rule, entry.group) for rule in (*policy.guardrails, *policy.rules)) or _goes_up(entry, clusters)):
            found.append(f"{what} opens nothing: no rule names the group, and no cluster's `groups`")
        hiding = next((one for one in policy.grants[:number] if one.group == entry.group and _covers(one, entry)), None)
        if hiding is not None:
            found.append(f"{what} is never reached: the one in line {hiding.line} decides for everybody whom it is for")
    return found


def _names(rule: Rule, group: str) -> bool:
    """Whether a rule looks at the group: by its `groups`, or by its condition."""
    by_key = rule.groups is not None and any(glob(text)(group) for text in rule.group_names)
    return by_key or (rule.when is not None and any(f"{quote}{group}{quote}" in rule.when.text for quote in "'\""))


def _goes_up(entry: GrantEntry, clusters: Mapping[str, Cluster] | None) -> bool:
    """Whether a cluster of the entry is told the group whatever the rules name."""
    return any(
        (entry.clusters is None or entry.clusters.match(name)) and any(glob(text)(entry.group) for text in cluster.groups)
        for name, cluster in (clusters or {}).items()
    )


def _covers(one: GrantEntry, other: GrantEntry) -> bool:
    """Whether whoever the other entry is for is one whom this is for."""
    pairs = ((one.users, other.users), (one.groups, other.groups), (one.clusters, other.clusters))
    return other.kinds <= one.kinds and all(_holds(wide, narrow) for wide, narrow in pairs)


def _holds(wide: Globs | None, narrow: Globs | None) -> bool:
    return wide is None or wide.everything or (narrow is not None and set(narrow.texts) <= set(wide.texts))
