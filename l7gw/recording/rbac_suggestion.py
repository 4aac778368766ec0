"""The least RBAC for what callers of a cluster did, as objects: what it gives to whom, and what it would have refused.

Each subject gets one role for the cluster and one for each namespace, bound to it alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from l7gw.kube.least_rights import Grant, Need, answers, least, rules_of
from l7gw.kube.rbac import Right, Rule, Subject, binding, role
from l7gw.recording.used_rights import Used, UsedRights

LONGEST_NAME = 200  # characters of a subject's name that stand in an object's; etcd's keys have a bound


@dataclass(frozen=True)
class Suggested:
    """What one subject is given in one namespace, or in the cluster (""). `calls` says of each rule how many calls needed it."""

    subject: Subject
    namespace: str
    rules: tuple[Rule, ...]
    calls: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of both objects. No two subjects have the same."""
        subject = self.subject
        text = f"{subject.namespace}:{subject.name}" if subject.namespace else subject.name
        if "/" in text or "%" in text or len(text) > LONGEST_NAME or text in (".", ".."):
            digest = hashlib.sha256(text.encode()).hexdigest()[:10]
            text = "".join(c if c.isalnum() or c in "-.:@" else "-" for c in text[:LONGEST_NAME]) + f"-{digest}"
        return f"suggested:{subject.kind.lower()}:{text}"

    @property
    def objects(self) -> tuple[dict[str, Any], ...]:
        """The role and its binding."""
        return role(self.name, self.rules, self.namespace), binding(self.name, [self.subject], self.namespace)


class Suggestion:
    """The least RBAC under which the calls of `used` pass again. Where several groups of a caller could be given a right, one of
    `preferred` is (names as the cluster knows them), else the one that the fewest users have."""

    def __init__(self, used: UsedRights, preferred: Iterable[str] = ()) -> None:
        first = frozenset(preferred)
        self.needs = dict(used.needs())
        self._grants = least(self.needs, lambda subject: -1 if subject.name in first else used.rank(subject))
        self._given = frozenset(self._grants)
        self.subjects = frozenset(grant.subject for grant in self._grants)

    def suggested(self) -> Iterator[Suggested]:
        """What is given, by subject, the cluster before its namespaces."""
        calls = self._calls()
        places: dict[tuple[Subject, str], list[Grant]] = {}
        for grant in self._grants:
            places.setdefault((grant.subject, grant.right.namespace), []).append(grant)
        for (subject, namespace), grants in sorted(places.items()):
            rules = rules_of(grants)
            counted = [sum(calls[grant] for grant in grants if _of(rule, grant)) for rule in rules]
            yield Suggested(subject, namespace, tuple(rules), tuple(counted))

    def refuses(self, others: UsedRights) -> Iterator[tuple[Need, Used]]:
        """What subjects of the suggestion needed in other calls, and are not given."""
        for need, used in others.needs():
            if not self.subjects.isdisjoint(need.subjects) and not self.gives(need):
                yield need, used

    def gives(self, need: Need) -> bool:
        """Whether what is given covers a need."""
        return any(answer in self._given for answer in answers(need))

    def _calls(self) -> dict[Grant, int]:
        """How many calls needed each grant. A call that two grants cover counts for both."""
        found = dict.fromkeys(self._grants, 0)
        for need, used in self.needs.items():
            for answer in answers(need):
                if answer in found:
                    found[answer] += used.count
        return found


def _of(rule: Rule, grant: Grant) -> bool:
    """Whether the grant is part of the rule, both being of one subject and one place."""
    right = grant.right
    if right.path:
        return right.path in rule.urls and right.verb in rule.verbs
    if grant.any_name != (not rule.names):
        return False
    return rule.allows(Right(right.verb, right.group, right.resource, right.namespace, right.name))
