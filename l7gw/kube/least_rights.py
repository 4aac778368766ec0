"""The fewest and narrowest rules under which what was done can be done again.

A `Need` is what RBAC was asked, and by which of several subjects it may be answered: a caller with two groups needs it of one of
them. A `Grant` is one verb on one resource, for one name or for all, in one namespace or in the cluster, to one subject. Grants
that nothing needs because others cover it are left out, the narrower first. Then those that differ in one thing are written as
one rule, which lets nothing pass that they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from l7gw.kube.rbac import Right, Rule, Subject

NAMES = 5  # of one verb on one resource that a rule lists, where nothing else is asked for; with more it is about all
SPACES = 50  # namespaces of one verb on one resource; with more the right is given in the cluster


@dataclass(frozen=True, slots=True)
class Need:
    """A right that one of the subjects must have. With `any_name` it is needed for every name, as also where `right` has none."""

    subjects: tuple[Subject, ...]
    right: Right
    any_name: bool = False

    @property
    def of_all(self) -> bool:
        """Whether only a rule without names covers it."""
        return self.any_name or not (self.right.name or self.right.path)


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A right that a subject is given. With `any_name` it is for every name."""

    subject: Subject
    right: Right
    any_name: bool = False


def answers(need: Need) -> Iterator[Grant]:
    """Every grant that covers the need, for each subject the narrowest first."""
    for subject in need.subjects:
        for space in dict.fromkeys((need.right.namespace, "")):
            here = replace(need.right, namespace=space)
            if not need.of_all:
                yield Grant(subject, here)
            if not need.right.path:
                yield Grant(subject, replace(here, name=""), any_name=True)


def least(needs: Iterable[Need], rank: Callable[[Subject], int]) -> list[Grant]:
    """The grants, in order. Of several subjects that could be given a right, the one of the lowest rank is. None of the grants can
    be taken away: there is a need that it alone covers."""
    wanted = sorted(set(needs), key=lambda need: (len(need.subjects), need.right, need.subjects))
    given: dict[Grant, None] = {}
    for need in wanted:
        if not any(answer in given for answer in answers(need)):
            subject = min(need.subjects, key=lambda one: (rank(one), one))
            given[next(answers(replace(need, subjects=(subject,))))] = None
    return sorted(_pruned(wanted, given))


def _pruned(needs: Iterable[Need], given: Mapping[Grant, None]) -> list[Grant]:
    """The grants without those that nothing needs."""
    needing: dict[Grant, list[int]] = {grant: [] for grant in given}
    covers: list[int] = []  # of each need: how many of the grants cover it
    for need in needs:
        found = {answer for answer in answers(need) if answer in given}
        for grant in found:
            needing[grant].append(len(covers))
        covers.append(len(found))
    kept = []
    for grant in sorted(given, key=lambda one: (one.any_name, one.right.namespace == "", one)):
        if all(covers[number] > 1 for number in needing[grant]):
            for number in needing[grant]:
                covers[number] -= 1
        else:
            kept.append(grant)
    return kept


def rules_of(grants: Iterable[Grant]) -> list[Rule]:
    """The rules of grants to one subject in one namespace, or in the cluster. They let pass what the grants do, and no more."""
    named: dict[tuple[str, str, str, str], set[str] | None] = {}  # verb, group, resource, path -> the names, None for all
    for grant in grants:
        right = grant.right
        key = (right.verb, right.group, right.resource, right.path)
        names = named.setdefault(key, set())
        if grant.any_name or right.path:
            named[key] = None
        elif names is not None:
            names.add(right.name)
    verbs: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for (verb, group, resource, path), names in sorted(named.items(), key=lambda one: one[0]):
        verbs.setdefault((group, resource, path, tuple(sorted(names or ()))), []).append(verb)
    alike: dict[tuple[str, bool, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, path, listed), of_verbs in sorted(verbs.items()):
        alike.setdefault((group, bool(path), listed, tuple(of_verbs)), []).append(path or resource)
    return [
        Rule(of_verbs, urls=tuple(about)) if is_path else Rule(of_verbs, (group,), tuple(about), listed)
        for (group, is_path, listed, of_verbs), about in alike.items()
    ]
