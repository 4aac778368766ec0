"""A credential whose tokens come from the broker (`broker.py`): one person's, or one that all callers of a cluster share.

Calls wait for the first token together, and the broker is asked once for all of them. A token that the cluster refused is dropped
and made anew once; where the cluster refuses the new one too, that is an outage, and no more are made for RENEWED_FOR seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from l7gw.clock import Clock
from l7gw.cluster.credentials.messages import Failed, Token, TokenWanted
from l7gw.cluster.credentials.waiting import Then, Waiting
from l7gw.errors import Refusal
from l7gw.wire.events import Headers

RENEWED_FOR = 60.0  # seconds between two tokens that are made because the cluster refused the one before


class Tokens(Protocol):
    """What a credential asks of the broker."""

    def ask(self, wanted: TokenWanted, then: Callable[[Token | Failed], None]) -> None:
        """Call `then` on the loop, with a token or with why there is none."""

    def at_hand(self, wanted: TokenWanted) -> Token | None:
        """The token, where there is one. It may have another minute to live, or more."""

    def drop(self, wanted: TokenWanted, token: Token) -> None:
        """The cluster refused this token: give it to nobody again."""


class BrokeredCredential:
    """The tokens that answer `wanted`. Calls wait `within` seconds for one."""

    pair = ()  # there is no client certificate
    renews = True

    def __init__(self, broker: Tokens, wanted: TokenWanted, clock: Clock, *, within: float) -> None:
        self._broker = broker
        self._wanted = wanted
        self._clock = clock
        self._token: Token | None = None  # looked up within this second: asking the broker for each call costs it 1 us
        self._header: Headers = ()  # of the last one
        self._waiting = Waiting(self._ask, clock, within=within, what=f"token for cluster {wanted.cluster}")
        self._renewed_until = 0.0

    @property
    def authorization(self) -> Headers:
        """The header line with the token of this moment. A token that ended, or was dropped, while the connection was made is
        still shown: the cluster takes it for its last margin, and what it refuses is sent again with another."""
        self._look_up()
        if not self._header:
            raise Refusal(503, "ServiceUnavailable", f"there is no token for cluster {self._wanted.cluster} just now; try again")
        return self._header

    def _look_up(self) -> Token | None:
        if self._token is None:
            self._token = token = self._broker.at_hand(self._wanted)
            if token is not None:
                self._header = (("authorization", f"Bearer {token.text}"),)
        return self._token

    def ready(self) -> bool:
        return self._look_up() is not None

    def wait(self, then: Then) -> None:
        if self.ready():
            then(None)
        else:
            self._waiting.wait(then)

    def _ask(self) -> None:
        self._broker.ask(self._wanted, self._answered)

    def _answered(self, said: Token | Failed) -> None:
        self._waiting.answered(said if isinstance(said, Failed) else None)

    def refused(self, sent: str) -> bool:
        self._token = None
        token = self._look_up()
        if token is None or sent != f"Bearer {token.text}":
            return True  # another call was told before, and another token is there or on its way
        now = self._clock.monotonic()
        if now < self._renewed_until:
            return False
        self._renewed_until = now + RENEWED_FOR
        self._broker.drop(self._wanted, token)
        self._token = None
        return True

    def tick(self, now: float) -> None:
        """Once a second: look the token up anew, as it may be renewed or over. It is given with a minute to live, or more."""
        self._token = None
        self._waiting.tick(now)
