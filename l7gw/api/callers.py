"""Who calls the API, and which holds he sees.

Root at the socket, and the gateway's own user there, see every hold: they can read the database anyhow. Everybody else proves who
he is by a credential, and sees the holds that he could review and, without their views, those that he asked for. Agents, workloads
and who proves himself by AWS review nothing, so they see their own alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from l7gw.approval.messages import Hold, Message, Proof, Requester, Reviewer, ReviewersView, Shown, local_root
from l7gw.approval.reviewers import PROVES, within
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from l7gw.identity import certificate, oidc
from l7gw.identity.principal import Principal
from l7gw.identity.remembered import digest

ROOT_USER = 0


class Peer(NamedTuple):
    """Who is at the other end of the socket, as the kernel says (SO_PEERCRED, unix(7))."""

    pid: int
    uid: int
    gid: int


class Caller(Message, frozen=True, kw_only=True):
    """`reviewer` is who proved himself; None for the gateway's own user at the socket, who only looks. `name` is for the
    log, and what the caller asks is counted by it."""

    name: str
    reviewer: Reviewer | None
    sees_all: bool = False


def of_peer(peer: Peer) -> Caller:
    """The caller at the socket who sent no credential. Raises Refusal 401 for who must send one."""
    if peer.uid == ROOT_USER:
        return Caller(name=local_root.principal.user, reviewer=local_root, sees_all=True)
    if peer.uid == os.geteuid():
        return Caller(name="the gateway's own user", reviewer=None, sees_all=True)
    raise Refusal(401, "Unauthorized", "say who you are: send a token (--token-file FILE, or $L7GW_TOKEN)")


def of_principal(principal: Principal, token: str | None, certificates: tuple[bytes, ...], peer: Peer | None) -> Caller:
    """The caller of a proven credential. `token` is the proven token, None where there was none; `certificates` are those that the
    client showed, its own first."""
    proven = _proof(principal)
    auth_time = None
    credential: str | bytes = token or ""
    if proven == "client-certificate":
        credential = certificates[0]
    elif proven == "oidc" and token is not None:
        said = oidc.read(token).claims.get("auth_time")
        auth_time = float(said) if isinstance(said, int | float) and not isinstance(said, bool) else None
    return Caller(
        name=_name_of(principal),
        reviewer=Reviewer(principal=principal, proven=proven, token_digest=digest(credential), auth_time=auth_time),
        sees_all=peer is not None and peer.uid in (ROOT_USER, os.geteuid()),
    )


def _name_of(principal: Principal) -> str:
    """A person's name is his alone: what his agents do is counted and logged beside it."""
    if principal.actor:
        return f"{principal.actor} for {principal.user}"
    return principal.user if principal.kind == "human" else f"{principal.user} ({principal.kind})"


def _proof(principal: Principal) -> Proof:
    if principal.issuer == certificate.ISSUER:
        return "client-certificate"
    return "oidc" if principal.issuer.startswith("https://") else "aws"


class Seen(Protocol):
    """A hold or a grant, as far as it matters who sees it."""

    @property
    def principal(self) -> Requester: ...

    @property
    def asks(self) -> tuple[ReviewersView, ...]:
        """Whom it asks: the reviewers of each rule."""


def sees(caller: Caller, seen: Seen, person: Callable[[str], str]) -> bool:
    """Whether a caller may see this hold or grant. `person` gives the canonical person of a user's name (`Desk.person`)."""
    if caller.sees_all:
        return True
    reviewer = caller.reviewer
    if reviewer is None:
        return False
    return _asked(reviewer.principal, seen, person) or _reviews(reviewer, seen, person)


def as_seen(caller: Caller, hold: Hold, person: Callable[[str], str]) -> Hold:
    """A hold as a caller sees it who may see it. What the call would do is shown to reviewers alone: it was read with the rights
    that the requester has in the cluster, and the policy may deny him the reading."""
    if caller.sees_all or (caller.reviewer is not None and _reviews(caller.reviewer, hold, person)):
        return hold
    return msgspec.structs.replace(hold, shown=Shown())


def is_person(reviewer: Reviewer) -> bool:
    """Whether a person has proven who he is, and acts for nobody else."""
    who = reviewer.principal
    return reviewer.proven in PROVES and who.kind == "human" and not who.actor


def _reviews(reviewer: Reviewer, seen: Seen, person: Callable[[str], str]) -> bool:
    """Whether it asks for this reviewer: by name, or as the owner of the agent."""
    who = reviewer.principal
    if not is_person(reviewer):
        return False
    owns = bool(seen.principal.actor) and person(who.user) == person(seen.principal.user)
    return any(names(reviewers, who) or (owns and reviewers.owner) for reviewers in seen.asks)


def _asked(who: Principal, seen: Seen, person: Callable[[str], str]) -> bool:
    """Whether it is the caller's own: of his call or request, or of an agent that acts for him. An agent sees no other agent's."""
    asked = seen.principal
    if who.actor:
        return who.actor == asked.actor and person(who.user) == person(asked.user)
    return person(who.user) in {person(name) for name in (asked.user, asked.actor) if name}


def names(reviewers: Reviewers | ReviewersView, who: Principal) -> bool:
    """Whether these reviewers name him, or a group of his; their emergency groups count."""
    groups = reviewers.groups + reviewers.emergency
    return within(reviewers.users, (who.user,)) or within(groups, who.groups)
