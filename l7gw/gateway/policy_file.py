"""The policy, as the worker reads it from its file."""

from __future__ import annotations

import logging

from l7gw.config.settings import Settings
from l7gw.masking.configured import Configured
from l7gw.policy.bind_faults import check_binds
from l7gw.policy.doubts import doubts
from l7gw.policy.grant_doubts import grant_doubts
from l7gw.policy.judge import Policy

log = logging.getLogger(__name__)


def policy_of(settings: Settings, masking: Configured) -> Policy:
    """The policy, read from its file. Rules that are probably mistakes are logged. Raises ConfigurationError."""
    policy = Policy.load(settings.policy, masking.names(settings.hooks))
    check_binds(policy, settings.policy, settings.clusters)
    found = doubts((*policy.guardrails, *policy.rules), settings.clusters, settings.identity, settings.mapped)
    for doubt in (*found, *grant_doubts(policy, settings.clusters, settings.identity, settings.mapped)):
        log.warning("%s: %s", settings.policy, doubt)
    return policy
