"""What the paths of the API below `grants` do: a group is asked for, and people say yes or no, or take it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from l7gw.api.callers import Caller, sees
from l7gw.api.messages import PREFIX, GrantPage, GrantRequest, SaidOfGrant, decode_grant_request, decode_said_of_grant
from l7gw.api.requests import LIST_KEYS, Answer, ApiRequest, as_many_as_fit, bad, only, part_of, query_of, said_in, states_of
from l7gw.approval.grant_messages import GRANT_STATES, Grant, GrantAsked
from l7gw.approval.messages import Requester, Review, Reviewer, ReviewVerdict, encode
from l7gw.approval.reviewers import PROVES
from l7gw.config.document import lasting
from l7gw.errors import Refusal
from l7gw.hold_terms import RuleTerms
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from l7gw.name_rules import quoted, visible
from l7gw.policy.grants import first_for
from l7gw.policy.judge import Policy

if TYPE_CHECKING:
    from l7gw.approval.grant_desk import GrantDesk

VERBS: dict[str, ReviewVerdict] = {"approve": "approve", "deny": "deny"}
MOST_NAMED = 8  # groups that a refusal names

Then = Callable[[Answer | Refusal], None]


class GrantDesks(Protocol):
    """What the handlers ask for."""

    @property
    def grants_if_any(self) -> GrantDesk | None:
        """The desk; None as long as nothing was ever granted or held."""

    @property
    def policy(self) -> Policy: ...

    @property
    def identity(self) -> IdentityChain: ...

    def has_cluster(self, name: str) -> bool:
        """Whether a cluster of this name is configured."""


def answer(desks: GrantDesks, request: ApiRequest, path: Sequence[str], query: str, caller: Caller, then: Then) -> None:
    """Answer a request for a path below `grants`. Raises Refusal where that is known at once, else `then` is called."""
    whole = request.target.partition("?")[0]
    match path:
        case [] if request.method == "POST":
            query_of(query, ())
            _ask(desks, said_in(request, decode_grant_request, "request for a grant"), caller, then)
        case []:
            if request.method != "GET":
                raise Refusal(405, "MethodNotAllowed", f"{visible(whole)} takes GET and POST alone")
            _list(desks, query, caller, then)
        case [grant] if grant:
            only("GET", request, whole)
            query_of(query, ())
            _found(desks, grant, caller, lambda found: then(_told(found)))
        case [grant, verb] if grant and (verb in VERBS or verb == "revoke"):
            only("POST", request, whole)
            query_of(query, ())
            _say(desks, grant, verb, said_in(request, decode_said_of_grant, "review"), caller, then)
        case _:
            raise no_such_path(whole)


def no_such_path(path: str) -> Refusal:
    """The answer for a path that the API does not have."""
    has = f"{PREFIX}holds, and below it ID, ID/approve and ID/deny; {PREFIX}grants, and below it also ID/revoke; {PREFIX}sessions"
    return Refusal(404, "NotFound", f"the API has no {quoted(path)}; it has {has}")


# ---------------------------------------------------------------------- asking


def _ask(desks: GrantDesks, asked: GrantRequest, caller: Caller, then: Then) -> None:
    who = _asker(caller)
    desk = desks.grants_if_any
    entry = first_for(desks.policy.grants, who, asked.cluster, asked.group)
    if entry is None or desk is None:
        raise _not_listed(desks.policy, who, asked)
    if not desks.has_cluster(asked.cluster):
        raise Refusal(404, "NotFound", f"there is no cluster {quoted(asked.cluster)}")
    if asked.group in who.groups:
        raise Refusal(409, "Conflict", f"you are in the group {quoted(asked.group)} already")
    if asked.for_seconds > entry.most:
        raise Refusal(403, "Forbidden", f"the policy grants {quoted(asked.group)} for {lasting(entry.most)} at most")
    if not asked.reason.strip():
        raise bad("say why, in `reason`: the reviewer and the record are told")
    message = GrantAsked(
        principal=_requester(who),
        person=desk.person(who.user),
        group=asked.group,
        cluster=asked.cluster,
        seconds=asked.for_seconds,
        reason=asked.reason,
        terms=entry.terms,
        ttl=entry.ttl,
        tokens=tuple(desks.identity.credentials_of(who)),
    )
    desk.ask(message, lambda found: then(_told(found)))


def _asker(caller: Caller) -> Principal:
    """Who asks. Raises Refusal 403 for who has not proven who he is, or by AWS."""
    reviewer = caller.reviewer
    if reviewer is None or reviewer.local:
        raise _unproven("who asks for a grant")
    if reviewer.proven not in PROVES:
        raise Refusal(403, "Forbidden", "a grant is asked for with an OIDC token or a client certificate; AWS tokens never ask")
    return reviewer.principal


def _not_listed(policy: Policy, who: Principal, asked: GrantRequest) -> Refusal:
    groups = dict.fromkeys(one.group for one in policy.grants if one.is_for(who, asked.cluster))
    named = ", ".join(quoted(group) for group in [*groups][:MOST_NAMED])
    hint = f"; you may ask for {named} there" if named else ""
    kind = "" if who.kind == "human" else f", {'an agent' if who.kind == 'agent' else 'a workload'},"  # a claim may say so unasked
    why = f"the policy does not let you{kind} ask for {quoted(asked.group)} on {quoted(asked.cluster)}{hint}"
    return Refusal(403, "Forbidden", why)


def _requester(who: Principal) -> Requester:
    return Requester(user=who.user, groups=who.groups, kind=who.kind, issuer=who.issuer, actor=who.actor, address=who.address)


# ---------------------------------------------------------------------- looking


def _list(desks: GrantDesks, query: str, caller: Caller, then: Then) -> None:
    asked = query_of(query, LIST_KEYS)
    states = states_of(asked, GRANT_STATES, "grant")
    limit, before = part_of(asked, "grant")
    desk = desks.grants_if_any
    if desk is None:
        then(_page([], ""))
        return

    def listed(found: tuple[list[Grant], str] | Refusal) -> None:
        then(found if isinstance(found, Refusal) else _page(*found))

    desk.page(states, lambda grant: sees(caller, grant, desk.person), listed, most=limit, before=before)


def _page(grants: list[Grant], before: str) -> Answer:
    told = as_many_as_fit(grants)
    if len(told) < len(grants):
        before = grants[len(told) - 1].id
    return Answer(status=200, body=encode(GrantPage(grants=told, before=before)))


def _found(desks: GrantDesks, prefix: str, caller: Caller, then: Callable[[Grant | Refusal], None]) -> None:
    """The grant whose id begins so, where the caller may see it."""
    desk = desks.grants_if_any
    if desk is None:
        then(_unknown(prefix, caller))
        return

    def got(found: Grant | Refusal) -> None:
        unknown = isinstance(found, Refusal) and found.code == 404
        then(_unknown(prefix, caller) if unknown else found)

    desk.get(prefix, got, lambda grant: sees(caller, grant, desk.person))


def _unknown(prefix: str, caller: Caller) -> Refusal:
    """The answer is the same for a grant that is not there and for one that the caller may not see."""
    which = "" if caller.sees_all else " that you asked for, or could review"
    return Refusal(404, "NotFound", f"there is no grant {quoted(prefix)}{which}")


def _told(found: Grant | Refusal) -> Answer | Refusal:
    return found if isinstance(found, Refusal) else Answer(status=200, body=encode(found))


# ---------------------------------------------------------------------- reviewing, revoking


def _say(desks: GrantDesks, prefix: str, verb: str, said: SaidOfGrant, caller: Caller, then: Then) -> None:
    reviewer = caller.reviewer
    if reviewer is None:
        raise _unproven("who reviews or revokes")
    if verb == "revoke" and (said.force or said.reason):
        raise bad("`force` and `reason` are for an approval; say why in `note`")

    def got(found: Grant | Refusal) -> None:
        desk = desks.grants_if_any
        if isinstance(found, Refusal):
            then(found)
        elif why := _over(found, verb):
            then(Refusal(409, "Conflict", why))
        elif desk is not None:
            _to_desk(desk, found, verb, said, reviewer, _terms(desks.policy, found), lambda told: then(_told(told)))

    _found(desks, prefix, caller, got)


def _to_desk(
    desk: GrantDesk,
    grant: Grant,
    verb: str,
    said: SaidOfGrant,
    reviewer: Reviewer,
    terms: RuleTerms | None,
    then: Callable[[Grant | Refusal], None],
) -> None:
    if verb == "revoke":
        desk.revoke(grant.id, reviewer, said.note, then)
    else:
        review = Review(verdict=VERBS[verb], note=said.note, force=said.force, reason=said.reason)
        desk.review(grant.id, reviewer, review, terms, then)


def _terms(policy: Policy, grant: Grant) -> RuleTerms | None:
    """Who approves this grant by the policy in force. None where it does not list it any more, or not for so long."""
    entry = first_for(policy.grants, grant.principal, grant.cluster, grant.group)
    return entry.terms if entry is not None and grant.seconds <= entry.most else None


def _over(grant: Grant, verb: str) -> str:
    """Why this comes too late; "" where it does not, as far as is known."""
    if grant.state == "pending" or (grant.state == "approved" and verb == "revoke"):
        return ""
    if grant.state == "approved":
        take_back = "; l7gw grants revoke takes it back" if verb == "deny" else ""
        return f"it is approved already, since {grant.starts}, and ends at {grant.ends}{take_back}"
    why = f": {visible(grant.why)}" if grant.why else ""
    return f"it is {grant.state} since {grant.ended}{why}; it has to be asked for again"


def _unproven(who: str) -> Refusal:
    return Refusal(403, "Forbidden", f"{who} proves who he is: send a token (--token-file FILE, or $L7GW_TOKEN)")
