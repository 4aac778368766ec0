"""The listeners' door: counts the connections of clients, and logs the handshakes that fail. docs/log.md has its lines."""

from __future__ import annotations

import logging
import ssl

from l7gw.gateway import strangers
from l7gw.log import CountedLog

log = logging.getLogger(__name__)


class Door:
    """At most `most` connections are open, also those in their handshake. `told` counts lines that a peer can cause."""

    __slots__ = ("_most", "_told", "_turned_away", "open")

    def __init__(self, most: int, told: CountedLog) -> None:
        self._most = most
        self._told = told
        self._turned_away = 0  # connections refused since the last tick
        self.open = 0

    def opened(self) -> bool:
        """Count a new connection. False where its descriptor would be missing for the clusters and the journal (threats I3): it is
        then not counted, and must be closed."""
        if self.open >= self._most:
            self._turned_away += 1
            return False
        self.open += 1
        return True

    def closed(self) -> None:
        """A connection that `opened` counted is closed."""
        self.open -= 1

    def failed(self, address: str, error: ssl.SSLError) -> None:
        """Log why a handshake was cut."""
        strangers.cut(self._told, address, error)

    def left(self, address: str, *, in_time: bool) -> None:
        """Log that a client did not finish its handshake."""
        strangers.left(self._told, address, in_time=in_time)

    def tick(self) -> None:
        """Once a second."""
        if self._turned_away:
            log.error("%d connections refused: %d are open, the limit of descriptors is near", self._turned_away, self.open)
            self._turned_away = 0
