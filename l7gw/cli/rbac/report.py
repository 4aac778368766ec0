"""What `l7gw rbac suggest` says beside the objects, in lines: what it rests on, what it leaves out, what would be different."""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.config.settings import Cluster
from l7gw.quantities import many
from l7gw.recording.rbac_difference import Difference
from l7gw.recording.rbac_suggestion import Suggestion
from l7gw.recording.used_rights import UsedRights, Why

MOST_LISTED = 20  # lines of one kind in the report
MOST_COMPARED = 100  # lines about what is given now
IN_WORDS: dict[Why, str] = {
    "denied": "the policy denied it",
    "not-approved": "it was held, and not let through",
    "not-sent": "the gateway could not pass it on",
    "refused-there": "the cluster refused it",
    "unanswered": "no answer is recorded",
    "nobody": "no group of the caller goes up: nothing in the cluster tells him from any other",
    "masked": "the object's name is masked in the recording",
    "inexpressible": "no rule of RBAC can be about it alone",
}
# What RBAC asks beside the right itself, which no recording shows
BESIDE = {
    "rbac.authorization.k8s.io": "roles and bindings: RBAC also asks for each right that is handed on, or `escalate` and `bind`",
    "certificates.k8s.io": "certificate requests: approving and signing also ask for `approve` and `sign` of the signer",
}


def times(count: int) -> str:
    """A number of calls."""
    return many(count, "call")


def report(cluster: Cluster, used: UsedRights, found: Suggestion, others: UsedRights) -> Iterator[str]:
    """What was counted, what was left out and why, and what would be refused of the other calls."""
    yield f"{times(used.calls)} counted; {used.everybodys:,} of them need no more than everybody may (discovery, self reviews)"
    if cluster.record == "none":
        yield f"clusters.{cluster.name} has record: none: of its calls nothing is recorded"
    for group, words in BESIDE.items():
        if any(need.right.group == group and need.right.verb not in ("get", "list", "watch") for need in found.needs):
            yield words
    if used.too_many or used.more_left_out:
        yield f"too many different ones: {used.too_many:,} rights and {used.more_left_out:,} calls are left out without a word"
    left = sorted(used.left_out.items(), key=lambda one: (one[0].why, -one[1].count))
    yield from _listed(
        "Left out, and given no right:",
        [f"{times(count.count)}: {one.what}: {IN_WORDS[one.why]} ({count.example})" for one, count in left],
    )
    refused = [f"{times(count.count)}: {need.right} ({count.example})" for need, count in found.refuses(others)]
    yield from _listed("Would have been refused, of what these users and groups did in other calls:", refused)
    yield from _listed(
        "The gateway also listed for reviewers, as the requesters; without the right they read `not known`:", sorted(used.views)
    )


def compared(difference: Difference) -> Iterator[str]:
    """What would be different from the RBAC that is there."""
    yield from _listed("Beside what is there:", [*difference.objects()])
    yield from _listed("Given now, and wider than what was used:", [*difference.unused()], MOST_COMPARED)
    yield from _listed("Needed, and not given now:", [*difference.missing()])


def _listed(head: str, lines: list[str], most: int = MOST_LISTED) -> Iterator[str]:
    if lines:
        yield head
        yield from (f"  {line}" for line in lines[:most])
        if len(lines) > most:
            yield f"  and {len(lines) - most:,} more"
