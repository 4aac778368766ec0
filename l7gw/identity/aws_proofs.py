"""What STS said of tokens, and whom it is asked about next: once for each token, and seldom (threats F14).

Strangers make tokens faster than STS can be asked. So STS is asked at most MOST_A_SECOND times a second. What waits for that waits
in a line for each client address, and the addresses take turns: whoever floods waits behind himself. Where too many calls wait,
those of the address that has most of them are turned away. A token is known by its digest alone, and its URL is let go once STS
has been asked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from l7gw.clock import Clock
from l7gw.errors import Refusal
from l7gw.identity.aws_sts import Ask, SignedBy, StsRefused, StsUnavailable
from l7gw.identity.aws_tokens import Presigned
from l7gw.identity.claims import refused
from l7gw.limits import Limits

log = logging.getLogger(__name__)

MOST_A_SECOND = 20  # requests to STS (threats F14); AWS lets an account ask several hundred times
MOST_QUEUED = 200  # tokens that wait to be asked about: ten seconds' work
LONGEST_QUEUED = 10.0  # seconds; after that a client has given up, or tries again
REFUSED_FOR = 60.0  # seconds that a refusal of STS is remembered; a new access key is known to all of STS within such a time
MOST_REFUSED = 4096  # remembered refusals: more than STS can give in REFUSED_FOR


class TokenKey(NamedTuple):
    """A token, as far as it is kept, for a cluster: the same token says nothing about another."""

    digest: str
    cluster_id: str


class Proof(NamedTuple):
    """What STS said of a token. It holds until `expires`, in seconds since 1970. `host` is the STS that the token names."""

    by: SignedBy
    expires: float
    host: str


class Asking:
    """A token about which STS is being asked, or will be. `outcome` is None until then. `place` is the line in which it waits."""

    __slots__ = ("_waiting", "key", "outcome", "place", "presigned", "since")

    def __init__(self, key: TokenKey, presigned: Presigned, place: str, since: float) -> None:
        self.key = key
        self.presigned = presigned
        self.place = place
        self.since = since
        self.outcome: Proof | Refusal | None = None
        self._waiting: list[Callable[[], None]] = []

    def then(self, callback: Callable[[], None]) -> None:
        """Call back once, in the event loop, when there is an outcome."""
        self._waiting.append(callback)

    def proof(self) -> Proof:
        """The outcome. Raises it where it is a Refusal."""
        assert self.outcome is not None, "nothing was answered yet"
        if isinstance(self.outcome, Refusal):
            raise self.outcome
        return self.outcome

    def end(self, outcome: Proof | Refusal) -> int:
        """Tell whoever waits; gives how many calls did."""
        self.outcome = outcome
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            try:
                callback()
            except Exception:  # an error of one waiting call must not reach the others
                log.exception("a call that waited for STS failed")
        return len(waiting)

    def turn_away(self, refusal: Refusal) -> int:
        """Refuse the calls that wait, though the answer is still to come; gives how many did."""
        told = self.end(refusal)
        self.outcome = None
        return told

    @property
    def calls(self) -> int:
        return len(self._waiting)


class Proofs:
    """What STS said of tokens. All calls come from the event loop's thread. Under `former`, of an earlier configuration, the same
    STS was asked: what it said stays known, so that a reload asks about nobody anew."""

    def __init__(self, ask: Ask, clock: Clock, limits: Limits, former: Proofs | None = None) -> None:
        self._ask = ask
        self._clock = clock
        self._limits = limits
        self._proofs: dict[TokenKey, Proof] = dict(former._proofs) if former is not None else {}
        self._refused: dict[TokenKey, tuple[str, float]] = {}
        self._asking: dict[TokenKey, Asking] = {}
        self._waiting = 0  # calls
        self._queues: dict[str, deque[Asking]] = {}  # by `_place`, the one whose turn is next first
        self._queued = 0
        self._asked: deque[float] = former._asked if former is not None else deque(maxlen=MOST_A_SECOND)  # when, monotonic
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.failure = ""  # why STS could not be asked the last time; "" after an answer

    def known(self, key: TokenKey, hosts: frozenset[str]) -> Proof | None:
        """What STS said of this token; None where it must be asked. `hosts` are the hosts of STS that count."""
        proof = self._proofs.get(key)
        return proof if proof is not None and self._clock.wall() < proof.expires and proof.host in hosts else None

    def check_refused(self, key: TokenKey) -> None:
        """Raises the Refusal 401 of a token that STS refused a moment ago."""
        code, until = self._refused.get(key, ("", 0.0))
        if code and self._clock.monotonic() < until:
            raise _refusal(code)

    def asking(self, key: TokenKey) -> Asking | None:
        """The question about this token that is under way: it is asked once, however many calls wait for the answer."""
        return self._asking.get(key)

    def wait(self, asking: Asking, callback: Callable[[], None]) -> None:
        """Call back when there is an outcome. Raises Refusal 503 where too many calls wait."""
        if self._waiting >= self._limits.calls_waiting_for_keys:
            self._make_room(asking)
        self._waiting += 1
        asking.then(callback)

    def _make_room(self, newcomer: Asking) -> None:
        """Turn away the calls with one token, of the address that has most calls waiting. A stranger may send one token a thousand
        times, over as many connections as he likes. Raises Refusal where those are the newcomer's own."""
        calls: Counter[str] = Counter()
        for asking in self._asking.values():
            calls[asking.place] += asking.calls
        place, most = calls.most_common(1)[0]
        if most <= calls[newcomer.place] + 1:
            raise _busy()
        heaviest = max((asking for asking in self._asking.values() if asking.place == place), key=lambda one: one.calls)
        self._waiting -= heaviest.turn_away(_busy())

    def check_room(self, address: str) -> None:
        """Raises Refusal 503 where a token of this client would be turned away: a flood costs no more than this look."""
        if self._queued >= MOST_QUEUED:
            self._longest(_place(address))

    def begin(self, key: TokenKey, presigned: Presigned, address: str) -> Asking:
        """Ask STS about a token, when its turn comes. `address` is the client's. Raises Refusal 503 where too many wait."""
        place = _place(address)
        if self._queued >= MOST_QUEUED:
            self._turn_away(self._longest(place))
        asking = self._asking[key] = Asking(key, presigned, place, self._clock.monotonic())
        self._queues.setdefault(place, deque()).append(asking)
        self._queued += 1
        self._go_on()
        return asking

    # ------------------------------------------------------------------ whose turn it is

    def _longest(self, place: str) -> str:
        """The longest line. Raises Refusal where that is the newcomer's own."""
        longest = max(self._queues, key=lambda one: len(self._queues[one]))
        if len(self._queues[longest]) <= len(self._queues.get(place, ())) + 1:
            raise _busy()
        return longest

    def _turn_away(self, place: str) -> None:
        """Turn away what came last in a line."""
        last = self._queues[place].pop()
        self._queued -= 1
        self._end(last, _busy())

    def _next(self) -> Asking:
        """Take the next token from the line whose turn it is, which then stands behind all others."""
        place = next(iter(self._queues))
        queue = self._queues.pop(place)
        asking = queue.popleft()
        self._queued -= 1
        if queue:
            self._queues[place] = queue
        return asking

    def _go_on(self) -> None:
        """Begin what may begin now, and come back for the rest."""
        now = self._clock.monotonic()
        while self._queued:
            if len(self._asked) == MOST_A_SECOND and now - self._asked[0] < 1.0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(self._asked[0] + 1.0 - now, self._again)
                return
            asking = self._next()
            if now - asking.since > LONGEST_QUEUED:
                self._end(asking, _busy())
                continue
            self._asked.append(now)
            task = asyncio.get_running_loop().create_task(self._run(asking), name="asks STS")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _again(self) -> None:
        self._timer = None
        self._go_on()

    # ------------------------------------------------------------------ asking

    async def _run(self, asking: Asking) -> None:
        outcome: Proof | Refusal = _unavailable()
        try:
            by = await self._ask(asking.presigned, asking.key.cluster_id)
        except StsRefused as error:
            self._remember_refusal(asking.key, error.code)
            self._told("")
            outcome = _refusal(error.code)
        except StsUnavailable as error:
            self._told(str(error))
        except Exception as error:  # of any kind: the calls that wait must be told. Its words may quote the URL
            self._told(f"an error of {type(error).__name__}")
        else:
            self._told("")
            outcome = Proof(by, asking.presigned.expires, asking.presigned.host)
            self._remember(asking.key, outcome)
        finally:  # the loop may be stopping
            self._end(asking, outcome)

    def _end(self, asking: Asking, outcome: Proof | Refusal) -> None:
        del self._asking[asking.key]
        self._waiting -= asking.end(outcome)

    def _remember(self, key: TokenKey, proof: Proof) -> None:
        if len(self._proofs) >= self._limits.proven_credentials:
            now = self._clock.wall()
            self._proofs = {one: what for one, what in self._proofs.items() if now < what.expires}
        if len(self._proofs) >= self._limits.proven_credentials:
            del self._proofs[next(iter(self._proofs))]
        self._proofs[key] = proof

    def _remember_refusal(self, key: TokenKey, code: str) -> None:
        self._refused.pop(key, None)
        if len(self._refused) >= MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[key] = (code, self._clock.monotonic() + REFUSED_FOR)

    def _told(self, failure: str) -> None:
        """The log has one line for an outage, not one for each attempt."""
        failure = "".join(c if c.isprintable() else "?" for c in failure)
        if failure and not self.failure:
            log.warning("STS cannot be asked about AWS tokens, so new ones let nobody in: %s", failure)
        elif self.failure and not failure:
            log.info("STS answers about AWS tokens again")
        self.failure = failure


def _place(address: str) -> str:
    """The line in which a client waits: its address, of IPv6 the network of 64 bits, in which one client has every address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else parsed.exploded[:19]


def _busy() -> Refusal:
    return Refusal(503, "ServiceUnavailable", "too many AWS tokens wait to be verified by STS; try again in a moment")


def _unavailable() -> Refusal:
    """Why STS is not available stands in the log only: it is about our network, which strangers need not know."""
    return Refusal(
        503, "ServiceUnavailable", "this gateway cannot ask STS about AWS tokens now; hint: try again, the gateway's log says more"
    )


# Words for the codes that an honest client meets (STS API Reference, Common Errors)
_MEANINGS = {
    "ExpiredToken": "the AWS credentials that signed it have expired; hint: log in at AWS again (aws sso login)",
    "SignatureDoesNotMatch": "its signature does not fit; hint: it must be made for this cluster (aws eks get-token "
    "--cluster-name NAME --region REGION, with the name that the cluster has at EKS)",
    "InvalidClientTokenId": "it does not know the access key that signed it; hint: was the key deleted or disabled, or is it of "
    "another partition?",
    "RequestExpired": "its date is not of now; hint: compare the clock of its maker with that of STS (date; timedatectl)",
    "MissingAuthenticationToken": "it is not signed",
}


def _refusal(code: str) -> Refusal:
    return refused(f"STS refuses the AWS token: {_MEANINGS.get(code.removesuffix('Exception'), code)}")
