"""How long the gateway waits: for a client, a cluster, an issuer's keys, the disk. Handed to the worker and the recorder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Each in seconds, but `slowest_body`. Those that are looked at once a second end up to a second later."""

    # for a client
    handshake: float = 10.0  # for TCP's first byte to the end of TLS (threats I1)
    request_head: float = 10.0  # for a request's head, or a frame of HTTP/2, to be complete (threats I1)
    slowest_body: int = 1024  # bytes a second that a request's body must bring after `request_head` (threats I1)
    between_requests: float = 120.0  # on a client's connection; Go's client ends an idle one at 90
    answer_unread: float = 60.0  # that a finite answer may wait for a client that reads nothing of it (threats B9)
    first_streams: float = 30.0  # for the first stream of a SPDY tunnel, and for the second of a pair
    client_ping_after: float = 25.0  # without a byte of ours: balancers forget a connection after 60 or 45 (threats I17)
    client_acknowledges: float = 40.0  # for its kernel to acknowledge what was sent; it may be a laptop that changes its network
    linger: float = 2.0  # that a refused client's bytes are read and dropped, so that no reset eats the refusal
    goaway_read: float = 1.0  # for a GOAWAY to be read before its connection is cut
    alert_read: float = 1.0  # for a TLS alert to be read that says why a handshake failed
    close_notify: float = 5.0  # for a peer's, after ours; the loop's default of 30 lets silent peers linger

    # for a cluster
    dial: float = 10.0  # for TCP and TLS together
    answer_begins: float = 75.0  # until the head of a short call's answer; kube-apiserver gives up at 60 itself
    longest_stream: float = 12 * 3600.0  # longer than a day's work, so that what was forgotten open ends
    upstream_idle: float = 60.0  # that a connection is kept unused; the API server ends it at 90, so that ours never races with it
    cluster_ping_after: float = 25.0  # without a byte of ours within a tunnel (threats I17)
    # A dead cluster is known within 45: about client-go's 30 and 15, with a look each second (threats I5).
    shared_quiet: float = 29.0  # without a byte of the cluster's on a shared connection, until a PING of HTTP/2
    shared_answer: float = 14.0  # for the answer to that PING
    cluster_acknowledges: float = 14.0  # for its kernel to acknowledge what was sent; a cluster is near, and pinged every 25

    # for others
    keys_fetch: float = 10.0  # for an issuer's discovery document and its keys together
    disk: float = 10.0  # that one write or sync of the journal may take before new calls are refused
    sync_every: float = 1.0  # between a write of the journal and its sync, at most, when nobody waits for it

    # for what runs, when the gateway ends
    drain_next_call: float = 2.0  # in which a connection that was just let in, or just used, may ask once more
    drain_short_calls: float = 30.0
    drain_streams: float = 60.0  # from the same start


USUAL_TIMEOUTS = Timeouts()
