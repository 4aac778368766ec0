"""A suggestion beside the RBAC that is there: what would be new, what is given and was not used, what was used and is not given."""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.kube.existing_rbac import Bound, Existing, in_words, place_of, rules_in
from l7gw.kube.least_rights import Need
from l7gw.kube.rbac import Right, Subject
from l7gw.recording.rbac_suggestion import Suggestion

EVERYBODY = Subject("Group", "system:authenticated")
MOST_RULES = 12  # of one binding that are listed


class Difference:
    """Between a suggestion and what exists. Each method gives lines for people."""

    def __init__(self, found: Suggestion, existing: Existing) -> None:
        self._found, self._existing = found, existing
        self._made = [made for one in found.suggested() for made in one.objects]

    def objects(self) -> Iterator[str]:
        """Which of the suggested objects are there, and are the same."""
        for made in self._made:
            there = self._existing.objects.get(place_of(made))
            if there is None:
                yield f"new: {in_words(place_of(made))}"
            elif "rules" not in made:
                changed = there.get("roleRef") != made["roleRef"] or there.get("subjects") != made["subjects"]
                yield f"{'would change' if changed else 'the same'}: {in_words(place_of(made))}"
            else:
                former, new = set(rules_in(there)), set(rules_in(made))
                yield f"{'the same' if former == new else 'would change'}: {in_words(place_of(made))}"
                yield from (f"  - {one}" for one in sorted(former - new))
                yield from (f"  + {one}" for one in sorted(new - former))

    def unused(self) -> Iterator[str]:
        """What the subjects are given by bindings of other names, and how much of it was used."""
        own = {place_of(made) for made in self._made}
        for subject in sorted(self._found.subjects):
            rights = [need.right for need in self._found.needs if subject in need.subjects]
            for bound in self._existing.bound_to(subject):
                if bound.binding not in own:
                    yield from _compared(bound, subject, rights)

    def missing(self) -> Iterator[str]:
        """What was needed and is not given now."""
        bound = {subject: [*self._existing.bound_to(subject)] for subject in {*self._found.subjects, EVERYBODY}}
        for need in self._found.needs:
            if not any(_gives(one, need) for subject in (*need.subjects, EVERYBODY) for one in bound.get(subject, ())):
                yield f"{need.right}, of {' or '.join(map(str, need.subjects))}"


def _gives(bound: Bound, need: Need) -> bool:
    """Whether a binding covers a need; where all names are needed, by a rule without names."""
    rules = (rule for rule in bound.rules if not (need.of_all and rule.names))
    return any(bound.allows(rule, need.right) for rule in rules)


def _compared(bound: Bound, subject: Subject, rights: list[Right]) -> Iterator[str]:
    """A line for a binding, and one for each of its rules that is wider than what was used of it."""
    if not bound.rules:
        yield f"{bound} to {subject}: the role is not there, or has no rules"
        return
    wider, unused = [], 0
    for rule in bound.rules:
        used = sorted({right.verb for right in rights if bound.allows(rule, right)})
        unused += not used
        if set(used) != set(rule.verbs):
            wider.append(f"  {rule}: used {', '.join(used) or 'nothing'}")
    yield f"{bound} to {subject}: {unused:,} of its {len(bound.rules):,} rules were not used"
    yield from wider[:MOST_RULES]
    if len(wider) > MOST_RULES:
        yield f"  and {len(wider) - MOST_RULES:,} rules more that are wider than what was used"
