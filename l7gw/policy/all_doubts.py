"""All doubts of a policy: of its rules and of its grants, with what the configuration says of clusters and callers."""

from __future__ import annotations

from l7gw.config.settings import Settings
from l7gw.policy.callers import Known
from l7gw.policy.doubts import doubts
from l7gw.policy.grant_doubts import grant_doubts
from l7gw.policy.judge import Policy


def policy_doubts(policy: Policy, settings: Settings | None) -> list[str]:
    """Each doubt as a sentence: of the guardrails, the rules and the grants, in their order. `settings` is None where the
    configuration is not known; clusters and callers are then not looked at."""
    rules = (*policy.guardrails, *policy.rules)
    if settings is None:
        return [*doubts(rules, None), *grant_doubts(policy, None)]
    prefixes = [cluster.prefix for cluster in settings.clusters.values() if cluster.impersonate != "none"]
    known = Known(settings.identity, [entry.group for entry in policy.grants], prefixes)
    found = doubts(rules, settings.clusters, settings.identity, settings.mapped, known)
    return [*found, *grant_doubts(policy, settings.clusters, settings.identity, settings.mapped, Known(settings.identity))]
