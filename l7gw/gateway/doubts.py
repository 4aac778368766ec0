"""All doubts of a configuration with its policy: what is valid, and is probably not meant. The log has them, and `l7gw check`."""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.cluster import doubts as of_cluster
from l7gw.config import doubts as of_settings
from l7gw.config.settings import Settings
from l7gw.policy.all_doubts import policy_doubts
from l7gw.policy.callers import Known
from l7gw.policy.judge import Policy


def warnings_of(settings: Settings, policy: Policy) -> list[str]:
    """Each doubt as a sentence without its file: of the policy's rules in their order and of its grants, then of the settings
    and of each cluster. Certificates that end soon are not among them: `config.certificates.all_ending` has those."""
    return list(_warnings(settings, policy))


def _warnings(settings: Settings, policy: Policy) -> Iterator[str]:
    yield from policy_doubts(policy, settings)
    yield from of_settings.doubts(settings)
    known = Known(settings.identity)
    for cluster in settings.clusters.values():
        yield from of_cluster.doubts(cluster, policy, known)
    if not any(rule.says != "deny" for rule in policy.rules):
        yield "no rule allows anything: every call but discovery will be denied; l7gw policy packs lists policies to start from"
