"""A request that goes up once more, because the cluster certainly did not act upon it: it turned the request away unread, or did
not accept the gateway's token. Nothing else is ever sent twice (RFC 9110 section 9.2.2)."""

from __future__ import annotations

from l7gw.cluster.credentials.credential import Credential
from l7gw.cluster.standing import Standing
from l7gw.errors import Refusal
from l7gw.wire.events import Request

MOST_TRIES = 5  # times that a request is sent again after the cluster turned it away unread (threats I8)


class NotAccepted(Refusal):
    """The cluster answers 401: it does not accept the gateway's own credential, and acted upon nothing."""

    def __init__(self) -> None:
        super().__init__(502, "BadGateway", "the cluster does not accept the gateway's own credential; tell whoever runs l7gw")


class Tries:
    """How often one request went up again."""

    __slots__ = ("_credential", "_turned_away")

    def __init__(self) -> None:
        self._turned_away = 0
        self._credential = False  # whether it went up with another token already

    def turned_away(self) -> None:
        """The cluster says that it did not look at the request. Raises Refusal 503 where it says so again and again."""
        self._turned_away += 1
        if self._turned_away > MOST_TRIES:
            raise Refusal(503, "ServiceUnavailable", "the cluster turns this call away again and again; nothing was done")

    def not_accepted(self, refusal: NotAccepted, credential: Credential, standing: Standing, sent: Request) -> None:
        """The cluster does not accept the token of this request. Returns where the call should go up again, with another. Raises
        the refusal where that is in vain."""
        if not self._credential:
            self._credential = True
            if credential.refused(next((value for name, value in sent.headers if name == "authorization"), "")):
                return
        standing.rejected()
        raise refusal
