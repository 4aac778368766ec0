"""How long the gateway waits: for a client, a cluster, an issuer's keys, AWS, the disk. The worker
and the recorder are handed these times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """All are in seconds, but `slowest_body`. A time that is checked once a second may end up to a second later."""

    # waiting for a client
    handshake: float = 10.0  # from the connection to the end of the TLS handshake (threats I1)
    request_head: float = 10.0  # until a request's head, or a frame of HTTP/2, is complete (threats I1)
    slowest_body: int = 1024  # bytes a second that a request's body must bring, once `request_head` is over (threats I1)
    between_requests: float = 120.0  # that a client's connection may be idle; Go's client ends an idle one after 90
    answer_unread: float = 60.0  # that the rest of a finite answer waits for a client that reads nothing (threats B9)
    first_streams: float = 30.0  # until the first stream of a SPDY tunnel, and the second of a pair, is opened
    client_ping_after: float = 25.0  # without our bytes, until a ping; balancers forget a silent one after 60 or 45 (threats I17)
    client_acknowledges: float = 40.0  # until its kernel acknowledges sent bytes; a laptop may change its network
    linger: float = 2.0  # that bytes of a refused client are read and dropped, as a TCP reset could destroy the refusal
    goaway_read: float = 1.0  # from a GOAWAY to the cut of its connection, so that the client can read it
    alert_read: float = 1.0  # from the TLS alert of a failed handshake to the cut, so that the client can read it
    close_notify: float = 5.0  # from our close_notify to the peer's; the event loop's default is 30

    # waiting for a cluster
    dial: float = 10.0  # for TCP and TLS together
    credential: float = 20.0  # for a token of AWS: two requests to STS, each of which is tried again
    described_again: float = 60.0  # between two questions where a cluster of EKS is; it moves when its owner changes it
    answer_begins: float = 75.0  # until the head of a short call's answer; kube-apiserver gives up at 60 itself
    longest_stream: float = 12 * 3600.0  # of a watch, a followed log or a tunnel; longer than a day's work
    upstream_idle: float = 60.0  # that an unused connection is kept; the API server ends one after 90, so ours must come first
    cluster_ping_after: float = 25.0  # without a byte of ours in a tunnel, until a ping (threats I17)
    # The next two find a dead cluster within 45, as client-go's 30 and 15 do (threats I5).
    shared_quiet: float = 29.0  # without a byte of the cluster on a shared connection, until a PING of HTTP/2
    shared_answer: float = 14.0  # for the answer to that PING
    cluster_acknowledges: float = 14.0  # until its kernel acknowledges sent bytes; a cluster is near, and pinged every 25

    # waiting for a reviewer
    processing_every: float = 50.0  # between two `102 Processing` on HTTP/1.1; balancers forget a silent connection after 60
    dry_run: float = 10.0  # for a dry run, and for each reading of what a reviewer is shown
    view: float = 30.0  # for all that a reviewer is shown of one call; the inventory of a namespace takes some dozen readings

    # waiting for issuers, AWS and the disk
    keys_fetch: float = 10.0  # for an issuer's discovery document and its keys together
    aws_dial: float = 4.0  # for TCP and TLS to an endpoint of AWS, of each of three attempts
    aws_answer: float = 10.0  # for an answer of AWS; STS takes 0.1 and DescribeCluster 0.3, and a call at kubectl waits for both
    sts: float = 10.0  # for STS to say who signed a token of EKS; as aws-iam-authenticator waits
    disk: float = 10.0  # that one write or sync of the journal may take before new calls are refused
    sync_every: float = 1.0  # from a write of the journal to its sync, where no call waits for the sync

    # waiting for what runs, when the gateway ends
    drain_next_call: float = 2.0  # in which a connection that is new, or was just used, may bring one more call
    drain_short_calls: float = 30.0
    drain_streams: float = 60.0  # counted from the same moment
    bound: float = 0.5  # from a new RoleBinding to the first call by it: each API server hears of it by a watch of its own
    binding_lasts: float = 1200.0  # that a session's RoleBinding outlives a gateway that died; made anew when half of it is over
    unbind: float = 3.0  # for the cluster to remove the bindings of grants and sessions, when all calls are over
    drain_last_words: float = 5.0  # after `drain_streams`, so that clients can read why a stream was ended


USUAL_TIMEOUTS = Timeouts()
