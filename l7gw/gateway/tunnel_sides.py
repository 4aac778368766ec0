"""What a tunnel asks of the call that it belongs to, of the client's connection and of the cluster's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from l7gw.clock import Clock
from l7gw.masking.call_masks import CallMasks
from l7gw.recording.call_record import CallRecord
from l7gw.recording.events import Outcome
from l7gw.timeouts import Timeouts
from l7gw.wire.errors import PeerError


class TunnelOwner(Protocol):
    """What a tunnel asks of the call that it belongs to."""

    def may_forward(self, port: int) -> bool:
        """Judge one connection inside a port-forward."""

    def wait_for_disk(self) -> None:
        """The tunnel has stopped reading because the disk is behind: call its `disk_caught_up` later."""

    def client_broke(self, error: PeerError) -> None:
        """Log that the client broke the protocol of its stream."""

    def cluster_broke(self, error: PeerError) -> None:
        """Log that the cluster broke the protocol of its stream."""

    def held_bytes_due(self) -> None:
        """Bytes that were held back for masking have waited long enough: call the tunnel's `release`."""

    def guessing(self, values: int) -> None:
        """Log that so many different registered values were found in the tunnel."""

    def ended(self, outcome: Outcome, reason: str) -> None:
        """The tunnel is over. `reason` is "" where the outcome is `complete`."""


class FromClient(Protocol):
    """Who takes what comes from the client once its connection is a tunnel."""

    def from_client(self, data: bytes) -> None:
        """Bytes of the client have come."""


class ClientSide(Protocol):
    """What a tunnel asks of the client's connection, which carries nothing else from the 101 on."""

    @property
    def writable(self) -> bool:
        """False while too many bytes wait for a client that reads slowly."""

    def write(self, data: bytes) -> None: ...

    def read(self, *, wanted: bool, why: int) -> None:
        """Note that one of the reasons in `backpressure` not to read the client is gone (`wanted`) or has come."""

    def switch_to_tunnel(self, tunnel: FromClient) -> None:
        """Hand all further bytes to the tunnel."""

    def linger(self) -> None:
        """The tunnel is over: give the client a moment to end the connection."""


class ClusterSide(Protocol):
    """What a tunnel asks of the connection to the cluster."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sides:
    """The call and the two connections of a tunnel, its record, its masks and its clock."""

    call: TunnelOwner
    client: ClientSide
    cluster: ClusterSide
    record: CallRecord
    masks: CallMasks
    clock: Clock
    timeouts: Timeouts
