"""Who may say what about a hold or a grant: which rules a reviewer counts for, and who never counts (threats G3).

Agents and workloads never approve, nor does who proved himself by AWS. Nobody approves his own call, under whatever name. A rule
may ask for one exception: with `owner: true` the person for whom an agent acts may approve, by another credential of a fresh login.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from l7gw.approval.messages import Proof, Review, Reviewable, Reviewer
from l7gw.approval.people import People
from l7gw.errors import Refusal
from l7gw.hold_terms import RuleTerms
from l7gw.name_rules import quoted
from l7gw.policy.patterns import Globs

FRESH = 10 * 60.0  # seconds since a person logged in, for the approval of an own agent's call
SKEW = 60.0  # seconds that the issuer's clock may be ahead
PROVES: frozenset[Proof] = frozenset(("oidc", "client-certificate", "slack", "webhook"))


@dataclass(frozen=True, slots=True)
class Counts:
    """The rules for which a review counts, by name, and those among them that it forces."""

    rules: tuple[str, ...]
    forced: tuple[str, ...] = ()


def counts(asked: Reviewable, reviewer: Reviewer, review: Review, people: People, *, local: bool, now: float) -> Counts:
    """For which of the rules that were asked about this review counts. `local` is the configuration's `reviews: {local}`, `now` is
    in seconds since 1970. Raises Refusal 403, in words, where it counts for none, 400 for a forced approval without a reason."""
    if reviewer.local:
        return _of_root(asked, review, local=local)
    _proven(reviewer)
    approves = review.verdict == "approve"
    own = approves and _is_own(asked, reviewer, people)
    why_not = _not_as_owner(asked, reviewer, people, now)
    found, forced = [], []
    for terms in asked.rules:
        if own:
            fits = terms.reviewers.owner and not why_not
        else:
            fits = _fits(terms, reviewer) or (terms.reviewers.owner and not why_not)
        may_force = not own and within(terms.reviewers.emergency, reviewer.principal.groups)
        if may_force and approves and review.force:
            forced.append(terms.rule)
        if fits or (may_force and (review.force or not approves)):
            found.append(terms.rule)
    if review.force and approves:
        _check_force(review, forced, asked.what)
    if found:
        return Counts(tuple(found), tuple(forced))
    if own and not any(terms.reviewers.owner for terms in asked.rules):
        raise _refused(f"nobody approves his own {asked.what}, under whatever name")
    if why_not and any(terms.reviewers.owner for terms in asked.rules) and own:
        raise _refused(f"who is behind a {asked.what} approves it only as the owner of the agent: {why_not}")
    raise _refused(f"{quoted(reviewer.principal.user)} is not among the reviewers: {_named(asked)}")


def _of_root(asked: Reviewable, review: Review, *, local: bool) -> Counts:
    if not local:
        raise _refused("root reviews without a credential only where the configuration says `reviews: {local: true}`")
    if review.force:
        raise _refused("root without a credential is one approval, and in no emergency group")
    return Counts(tuple(terms.rule for terms in asked.rules))


def _proven(reviewer: Reviewer) -> None:
    principal = reviewer.principal
    if reviewer.proven not in PROVES:
        raise _refused("an approval needs an OIDC token or a client certificate; AWS tokens never approve")
    if principal.kind != "human" or principal.actor:
        raise _refused("agents and workloads never approve, nor does who acts for somebody else")


def _is_own(asked: Reviewable, reviewer: Reviewer, people: People) -> bool:
    """Whether the reviewer is behind the call, by the names known now or by those known when it was made."""
    return people.person(reviewer.principal.user) in people.behind(asked.principal) | {asked.person}


def _not_as_owner(asked: Reviewable, reviewer: Reviewer, people: People, now: float) -> str:
    """Why the reviewer is not the person for whom the agent acts, freshly logged in; "" where that is who reviews."""
    requester = asked.principal
    if not requester.actor:
        return "no agent acts for the one who asked"
    person = people.person(reviewer.principal.user)
    if person != people.person(requester.user) or person == people.person(requester.actor):
        return "the agent acts for somebody else"
    if not reviewer.token_digest or reviewer.token_digest in asked.tokens:
        return "the approval needs another credential than any that the agent's session has used"
    if reviewer.auth_time is None:
        return "the credential does not say when the person logged in (its issuer sends no claim auth_time): another must approve"
    if not -SKEW <= now - reviewer.auth_time <= FRESH:
        return f"the person logged in more than {FRESH / 60:.0f} minutes ago; log in again"
    return ""


def _fits(terms: RuleTerms, reviewer: Reviewer) -> bool:
    who = terms.reviewers
    return within(who.users, (reviewer.principal.user,)) or within(who.groups, reviewer.principal.groups)


def _check_force(review: Review, forced: list[str], what: str) -> None:
    if not forced:
        raise _refused(f"an approval is forced only by a member of a rule's emergency groups who is not behind the {what}")
    if not review.reason.strip():
        raise Refusal(400, "BadRequest", "a forced approval needs a reason (--reason TEXT)")


def within(globs: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Whether one of the names is among those that the globs name."""
    if not globs or not names:
        return False
    matches = _compiled(globs)
    return any(matches.match(name) for name in names)


@lru_cache(maxsize=1024)  # lists of reviewers; a policy has fewer
def _compiled(texts: tuple[str, ...]) -> Globs:
    return Globs(texts)


def _named(asked: Reviewable) -> str:
    """The reviewers of each rule, in words."""
    said = []
    for terms in asked.rules:
        who = terms.reviewers
        whom = [f"users {', '.join(who.users)}"] if who.users else []
        whom += [f"groups {', '.join(who.groups)}"] if who.groups else []
        whom += ["the owner of the agent"] if who.owner else []
        said.append(f"rule {quoted(terms.rule)} asks {' or '.join(whom) or 'nobody'}")
    return "; ".join(said)


def _refused(why: str) -> Refusal:
    return Refusal(403, "Forbidden", why)
