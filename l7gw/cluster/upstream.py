"""The far side of one call, whichever HTTP carries it: what a call asks of it, and what it hears."""

from __future__ import annotations

from typing import Protocol

from l7gw.wire.events import HttpEvent

IDLE_FOR = 60.0  # seconds; the API server ends an idle connection at 90, so that ours never races with it
WRITE_LIMIT = 256 * 1024  # bytes that wait for the cluster before the client is read no further
SLOW_READER, SLOW_DISK, ANY = 1, 2, 3  # why a cluster is not read just now; it is read again when no reason is left

# What a call needs: a connection that may have served others, one that has not and will serve nobody else (upgrades), a stream
# of one that is shared (what lasts long and says little), or what measured faster for most: a connection of its own while no other
# call has one, else a stream (docs/performance.md). What has a body is KEPT: no stream that is refused could send it again.
KEPT, FRESH, SHARED, FASTER = "kept", "fresh", "shared", "faster"


class Call(Protocol):
    """Who uses it: hears what the cluster says, and when it falls silent for good."""

    def on_upstream(self, events: list[HttpEvent]) -> None:
        """Parts of the answer, as one read brought them."""

    def on_upstream_lost(self, error: Exception | None) -> None:
        """The answer will not be complete. The request may have been acted upon."""

    def on_upstream_unread(self) -> None:
        """The request surely was not acted upon: it may be sent once more (RFC 9113 section 8.7)."""

    def on_upstream_writable(self, writable: bool) -> None:
        """False while more than WRITE_LIMIT waits for the cluster; of HTTP/1.1 alone, for tunnels."""


class Upstream(Protocol):
    """A connection of HTTP/1.1, or one stream of HTTP/2, lent to one call."""

    def begin(self, call: Call) -> None:
        """From now on the call hears what comes."""

    def send(self, event: HttpEvent) -> None:
        """A part of the request; it goes out with `flush`."""

    def flush(self) -> None: ...

    def pause(self, why: int) -> None:
        """Do not read the answer while this reason stands; HTTP/2 still gives what its window allows."""

    def resume(self, why: int) -> None:
        """This reason stands no more."""

    def release(self) -> None:
        """The call is over, its answer whole."""

    def abort(self) -> None:
        """The call is over before its answer is; the cluster hears it at once."""
