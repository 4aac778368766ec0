"""The broker: the one part of the gateway that holds keys of AWS. It assumes roles, makes tokens of EKS, and describes clusters.

It answers the messages of `messages.py` on the loop. AWS itself is asked in threads. A role session is for one user of one role; a
token is for one user at one cluster. Both are kept by everything that they depend on (threats F9), renewed at two thirds of their
life while they are used, and used until their end. So STS may refuse for minutes without anybody noticing (threats I13).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from l7gw.aws.cluster_tokens import LIFE, LONGEST, cluster_token
from l7gw.aws.failures import AwsFailure, unknown
from l7gw.aws.roles import Aws, EksPlace, Found, Role, RoleSession, place_of, role_of
from l7gw.clock import Clock
from l7gw.cluster.credentials.kept import Kept, Made
from l7gw.cluster.credentials.messages import Described, DescribeWanted, Failed, Token, TokenWanted
from l7gw.cluster.credentials.threads import Lanes
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster
from l7gw.log import CountedLog
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

log = logging.getLogger(__name__)

MARGIN = 60.0  # seconds before its end from which a token is shown no more: a call goes up, and EKS asks STS, within them
NOTABLE = 5.0  # seconds of difference between two clocks; STS refuses signatures that are 5 minutes off
REFUSED_FOR = 60.0  # seconds between two role sessions that are dropped because the cluster, or EKS, refused them

T = TypeVar("T")


class _Place:
    """One cluster as the configuration has it. It is equal to itself alone; a reload that changes nothing of it keeps it."""

    def __init__(self, name: str, role: Role | None, eks: EksPlace) -> None:
        self.name = name
        self.role = role
        self.eks = eks
        self.named = eks.name  # by which tokens name it; EKS says another word for a local cluster of an Outpost

    def is_as(self, other: _Place) -> bool:
        return (self.role, self.eks) == (other.role, other.eks)


class _Whom(NamedTuple):
    """The key of a role session."""

    role: Role
    issuer: str
    user: str


class _At(NamedTuple):
    """The key of a token."""

    place: _Place
    issuer: str
    user: str


class Broker:
    """One of a gateway. It survives reloads: `configure` drops what is configured no more, and keeps the rest."""

    def __init__(
        self,
        clusters: Mapping[str, Cluster],
        clock: Clock,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        *,
        lanes: Lanes | None = None,
        share: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._aws = Aws(clock, timeouts)
        self._lanes = lanes or Lanes("l7gw-aws")
        self._told = CountedLog(log, clock.monotonic)
        self._places: dict[str, _Place] = {}
        self._sessions: Kept[_Whom, RoleSession] = Kept(self._assume, clock, failed=self._session_failed, share=share)
        self._tokens: Kept[_At, Token] = Kept(self._mint, clock, failed=self._token_failed, share=share)
        self._describing: dict[_Place, list[Callable[[Described | Failed], None]]] = {}
        self._refused: dict[_Whom, float] = {}  # when a role session was last dropped, in monotonic seconds
        self.configure(clusters)

    def configure(self, clusters: Mapping[str, Cluster]) -> None:
        """Put the clusters of a configuration into force. AWS's own files are read anew."""
        places = {}
        for name, cluster in clusters.items():
            place = _place(cluster)
            if place is not None:
                former = self._places.get(name)
                places[name] = former if former is not None and former.is_as(place) else place
        self._places = places
        kept, roles = set(places.values()), {place.role for place in places.values()}
        self._tokens.keep(lambda key: key.place in kept)
        self._sessions.keep(lambda key: key.role in roles)
        self._aws.forget()

    # ------------------------------------------------------------------ what is asked

    def at_hand(self, wanted: TokenWanted) -> Token | None:
        """The token, if there is one now."""
        place = self._places.get(wanted.cluster)
        return self._tokens.at_hand(_At(place, wanted.issuer, wanted.user)) if place is not None else None

    def ask(self, wanted: TokenWanted | DescribeWanted, then: Callable[..., None]) -> None:
        """Call `then` on the loop with what is wanted (Token, or Described) or Failed: at once where it is at hand."""
        place = self._places.get(wanted.cluster)
        if place is None:
            then(_failed(f"cluster {wanted.cluster} is no cluster of AWS in this configuration any more"))
        elif isinstance(wanted, TokenWanted):
            self._tokens.ask(_At(place, wanted.issuer, wanted.user), then)
        else:
            self._describe(place, then)

    def drop(self, wanted: TokenWanted, token: Token) -> None:
        """The cluster refused this token: give it to nobody again. Its role session is dropped too, unless that was done just
        now: somebody may have revoked it."""
        place = self._places.get(wanted.cluster)
        if place is None or place.role is None or not self._tokens.drop(_At(place, wanted.issuer, wanted.user), token):
            return
        self._doubt(_Whom(place.role, wanted.issuer, wanted.user))

    def _doubt(self, whom: _Whom) -> None:
        """Drop a role session, unless that was done just now."""
        now = self._clock.monotonic()
        if now - self._refused.get(whom, -REFUSED_FOR) >= REFUSED_FOR:
            self._refused[whom] = now
            session = self._sessions.at_hand(whom)
            if session is not None:
                self._sessions.drop(whom, session)

    def tick(self) -> None:
        """Once a second."""
        self._told.tick()
        self._sessions.tick()
        self._tokens.tick()
        now = self._clock.monotonic()
        self._refused = {whom: when for whom, when in self._refused.items() if now - when < REFUSED_FOR}

    def close(self) -> None:
        """Tell all who wait that the gateway ends."""
        why = _failed("the gateway ends")
        self._tokens.close(why)
        self._sessions.close(why)
        for place in list(self._describing):
            self._described(place, why)
        self._lanes.close()

    # ------------------------------------------------------------------ role sessions

    def _assume(self, whom: _Whom, then: Callable[[Made[RoleSession] | Failed], None]) -> None:
        """Its failure names no cluster: several may share the role."""

        def done(session: RoleSession | Failed) -> None:
            if isinstance(session, Failed):
                then(session)
                return
            self._look_at_clock(session)
            then(Made(session, session.ends - self._clock.monotonic() - MARGIN))

        place = whom.role.region, whom.role.endpoint_url, whom.role.profile
        self._lanes.run(("sts", *place), lambda: _tried(partial(self._aws.assume, *whom), "AssumeRole"), done)

    def _look_at_clock(self, session: RoleSession) -> None:
        if session.ahead is not None and abs(session.ahead) > NOTABLE:
            words = "ahead of" if session.ahead > 0 else "behind"
            hint = "signatures that are 5 minutes off are refused; timedatectl set-ntp true"
            self._told.warning("the clock of this machine", f"it is %.0f s {words} the one of STS; {hint}", abs(session.ahead))

    def _session_failed(self, whom: _Whom, why: Failed) -> None:
        self._told.warning(f"role {whom.role.arn}", "a session is not renewed, and used until its end: %s", why.message)

    # ------------------------------------------------------------------ tokens

    def _mint(self, at: _At, then: Callable[[Made[Token] | Failed], None]) -> None:
        place = at.place
        if place.role is None:
            then(_failed(f"cluster {place.name} has no role (clusters.{place.name}.credential.aws)"))
            return
        whom = _Whom(place.role, at.issuer, at.user)

        def with_session(session: RoleSession | Failed) -> None:
            if isinstance(session, Failed):
                then(_of(place, session))
                return
            behind = max(0.0, -(session.ahead or 0.0))  # then STS takes our date for an earlier one
            life = min(LIFE - behind, session.ends - self._clock.monotonic()) - MARGIN
            work = partial(_signed, session, place, self._clock.wall() + life)
            self._lanes.run("signing", work, lambda made: then(_lasting(made, life)))

        self._sessions.ask(whom, with_session)

    def _token_failed(self, at: _At, why: Failed) -> None:
        self._told.warning(f"cluster {at.place.name}", "a token is not renewed, and used until its end: %s", why.message)

    # ------------------------------------------------------------------ DescribeCluster

    def _describe(self, place: _Place, then: Callable[[Described | Failed], None]) -> None:
        waiting = self._describing.setdefault(place, [])
        waiting.append(then)
        if len(waiting) > 1:
            return
        if place.role is None:
            self._describe_with(place, None)
        else:
            self._sessions.ask(_Whom(place.role, "", ""), partial(self._describe_with, place))

    def _describe_with(self, place: _Place, session: RoleSession | Failed | None) -> None:
        if isinstance(session, Failed):
            self._described(place, _of(place, session))
            return
        keys = session.keys if session is not None else None
        role, profile = (place.role.arn, place.role.profile) if place.role is not None else ("", "")
        work = partial(self._aws.describe, place.eks, keys, cluster=place.name, role=role, profile=profile)
        lane = "eks", place.eks.region, place.eks.endpoint_url, profile
        step = f"cluster {place.name}: DescribeCluster"

        def done(found: Found | Failed) -> None:
            if isinstance(found, Found):
                self._name(place, found.named)
            elif place.role is not None:
                self._doubt(_Whom(place.role, "", ""))
            self._described(place, found)

        self._lanes.run(lane, lambda: _tried(work, step), done)

    def _name(self, place: _Place, named: str) -> None:
        """Name a cluster so in its tokens. Those with another name are dropped."""
        if place.named != named:
            place.named = named
            self._tokens.keep(lambda at: at.place is not place)

    def _described(self, place: _Place, found: Found | Failed) -> None:
        answer = (
            found if isinstance(found, Failed) else Described(found.endpoint, found.certificate_authority, found.version, found.arn)
        )
        for then in self._describing.pop(place, []):
            then(answer)


def _place(cluster: Cluster) -> _Place | None:
    """A cluster's place at AWS; None for one without."""
    if cluster.eks is None:
        return None
    role = role_of(cluster.credential) if isinstance(cluster.credential, AwsRole) else None
    return _Place(cluster.name, role, place_of(cluster.eks))


def _tried(work: Callable[[], T], step: str) -> T | Failed:
    """The result of a work of a thread, or why there is none."""
    try:
        return work()
    except AwsFailure as failure:
        return _failed(failure.message)
    except Exception as error:  # a bug: who waits must be told, and no traceback may show what botocore held
        return _failed(unknown(error, step))


def _signed(session: RoleSession, place: _Place, expires: float) -> Token | Failed:
    """A token, in a thread: the first one loads a part of botocore."""
    text = _tried(lambda: cluster_token(session.keys, place.eks.region, place.named), f"cluster {place.name}: signing a token")
    if isinstance(text, Failed):
        return text
    if len(text) > LONGEST:
        hint = "shorten credential.aws.session-tags"
        return _failed(f"cluster {place.name}: the token has {len(text)} bytes, and EKS takes {LONGEST}; {hint}")
    return Token(text, expires)


def _lasting(made: Token | Failed, life: float) -> Made[Token] | Failed:
    return made if isinstance(made, Failed) else Made(made, life)


def _of(place: _Place, failed: Failed) -> Failed:
    """A failure of a role session, told to who asked for something of this cluster."""
    return _failed(f"cluster {place.name}: {failed.message}")


def _failed(message: str) -> Failed:
    return Failed(503, "ServiceUnavailable", message)
