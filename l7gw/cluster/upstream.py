"""The far side of one call, over HTTP/1.1 and HTTP/2 alike: what a call asks of its connection, and what it is told."""

from __future__ import annotations

from typing import Final, Literal, Protocol

from l7gw.kube.act import Act
from l7gw.wire.events import HttpEvent, Request
from l7gw.wire.semantics import BODILESS

UNREAD_BY_CLUSTER = 256 * 1024  # bytes that wait for the cluster; where there are more, the client is not read
SLOW_READER, SLOW_DISK, MASKING, ANY = 1, 2, 4, 7  # bits: why a cluster is not read; it is read again when no reason is left

# The kinds of connection that a call may ask for.
# KEPT: a connection that may have served other calls. Calls with a body use it, because a stream that is refused could not send the
#   body again.
# FRESH: a connection that has served no other call and will serve none. Upgrades use it.
# SHARED: a stream of a shared connection, for calls that last long and say little.
# ADAPTIVE: KEPT while no other call has a connection, else SHARED. Measured as faster for most calls (docs/performance.md).
Wanted = Literal["kept", "fresh", "shared", "adaptive"]
KEPT: Final = "kept"
FRESH: Final = "fresh"
SHARED: Final = "shared"
ADAPTIVE: Final = "adaptive"


def kind_for(request: Request, act: Act) -> Wanted:
    """The kind of connection over which a call goes up."""
    if request.upgrade:
        return FRESH
    if act.follows:
        return SHARED
    return ADAPTIVE if request.method in BODILESS else KEPT


class UpstreamListener(Protocol):
    """The call that uses a connection or stream, as that connection sees it."""

    def on_upstream(self, events: list[HttpEvent]) -> None:
        """One read brought these parts of the answer."""

    def on_upstream_lost(self, error: Exception | None) -> None:
        """The connection ended before the answer did. The request may have been acted upon."""

    def on_upstream_unprocessed(self) -> None:
        """The cluster certainly did not act upon the request, which may be sent once more (RFC 9113 section 8.7)."""

    def on_upstream_writable(self, *, writable: bool) -> None:
        """Whether fewer than UNREAD_BY_CLUSTER bytes wait for the cluster now. Called over HTTP/1.1 alone, for tunnels."""


class Upstream(Protocol):
    """A connection of HTTP/1.1, or one stream of HTTP/2, lent to one call."""

    def begin(self, call: UpstreamListener) -> None:
        """Tell this call of all that comes from now on."""

    def send(self, event: HttpEvent) -> None:
        """Encode a part of the request. It is written by the next `flush`."""

    def send_whole(self, request: Request) -> None:
        """Encode a request that has no body, and its end, and write them."""

    def flush(self) -> None: ...

    def in_parts(self, *, kept: bool) -> None:
        """The call takes BodyParts in the place of a Body from now on, which saves copies of a large answer. `kept`: it keeps them
        for a while. Else it is done with them when it returns, so that a next read may lie where this one did."""

    def pause(self, why: int) -> None:
        """Do not read the answer while this reason stands. HTTP/2 still brings what its window allows."""

    def resume(self, why: int) -> None:
        """This reason to pause is gone."""

    def release(self) -> None:
        """The call is over, and its answer is whole."""

    def abort(self) -> None:
        """The call is over before its answer is whole: tell the cluster at once."""
