"""The policy, as the worker reads it from its file."""

from __future__ import annotations

import logging

from l7gw.config.settings import Settings
from l7gw.gateway.doubts import warnings_of
from l7gw.masking.configured import Configured
from l7gw.policy.bind_faults import check_binds
from l7gw.policy.judge import Policy

log = logging.getLogger(__name__)

MOST_TOLD = 20  # doubts in the log, of each reading: a policy that is saved every minute would fill it


def policy_of(settings: Settings, masking: Configured) -> Policy:
    """The policy, read from its file. What is probably not meant, of the settings too, is logged: at the start and after each
    change. Raises ConfigurationError."""
    policy = Policy.load(settings.policy, masking.names(settings.hooks))
    check_binds(policy, settings.policy, settings.clusters)
    doubts = warnings_of(settings, policy)
    for doubt in doubts[:MOST_TOLD]:
        log.warning("probably not meant: %s", doubt)
    if len(doubts) > MOST_TOLD:
        log.warning("probably not meant: %d more; l7gw check lists them", len(doubts) - MOST_TOLD)
    return policy
