"""Binds that cannot be made on a configured cluster, because of whom the gateway names to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from l7gw.config.settings import Cluster
from l7gw.errors import ConfigurationError, Problem
from l7gw.policy.judge import Policy


def check_binds(policy: Policy, path: Path, clusters: Mapping[str, Cluster]) -> None:
    """Raises ConfigurationError where a rule binds a role to its callers on a cluster that does not know them by name, or a grant
    does on one that knows nobody. `path` is the policy's file."""
    problems = [Problem(str(path), line, what, hint) for line, what, hint in _faults(policy, clusters)]
    if problems:
        raise ConfigurationError(problems)


def _faults(policy: Policy, clusters: Mapping[str, Cluster]) -> Iterator[tuple[int, str, str]]:
    for name, cluster in clusters.items():
        for rule in policy.rules:
            if rule.bind is not None and rule.is_about(name) and cluster.impersonate != "user":
                what = f"`bind` of rule {rule.name!r}: cluster {name} is not told who calls (impersonate: {cluster.impersonate})"
                yield rule.line, what, "a role is bound to callers by name: impersonate: user; or let a grant bind it"
        for entry in policy.grants:
            if entry.bind is not None and entry.is_about(name) and cluster.impersonate == "none":
                what = (
                    f"`bind` of the grant of {entry.group!r}: cluster {name} is told neither users nor groups (impersonate: none)"
                )
                yield entry.line, what, "impersonate: groups, or user; or list other `clusters`"
