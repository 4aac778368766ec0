"""Doubts of a cluster's section: settings that are valid, and that are probably not meant under this policy."""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.cluster.impersonation import GATEWAY_USER
from l7gw.cluster.known_as import users_of
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.policy.callers import Known
from l7gw.policy.judge import Policy
from l7gw.policy.rules import Rule

MOST_LISTED = 6  # rules in a sentence


def doubts(cluster: Cluster, policy: Policy, known: Known) -> Iterator[str]:
    """Sentences about one cluster, under a policy. `known` is what is known of callers."""
    if (
        cluster.impersonate == "groups"
        and isinstance(cluster.credential, ClientCredential)
        and GATEWAY_USER in users_of(cluster.credential)
    ):
        yield (
            f"cluster {cluster.name}: the gateway's own certificate names {GATEWAY_USER}, as which every caller is shown to the "
            "cluster: RBAC gives all of them what it gives the gateway; take a certificate with another common name"
        )
    if cluster.impersonate != "none" and not policy.groups_going_up(cluster.name, cluster.groups).everything:
        yield from _without_groups(cluster, policy, known)


def lets_through(rule: Rule, cluster: Cluster) -> bool:
    """Whether the rule lets calls to the cluster through, at once or after an approval."""
    return rule.says != "deny" and rule.is_about(cluster.name)


def _without_groups(cluster: Cluster, policy: Policy, known: Known) -> Iterator[str]:
    """Sentences about rules that allow calls by groups that are never named to the cluster."""
    rules = [rule for rule in policy.rules if lets_through(rule, cluster) and not rule.group_names]
    found = [repr(rule.name) for rule in rules if known.have_groups(rule.users, rule.groups, rule.kinds)]
    if found:
        more = f" and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
        yield (
            f"cluster {cluster.name}: rules without `groups:` ({', '.join(found[:MOST_LISTED])}{more}) let callers through whose "
            f"groups do not go up: RBAC that is bound to those does not see them; clusters.{cluster.name}.groups may name them"
        )
