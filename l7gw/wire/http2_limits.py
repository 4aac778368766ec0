"""What a peer of HTTP/2 may do at once, and in a second. `Side.refill` begins a new second."""

from __future__ import annotations

MOST_STREAMS = 100  # open streams of one client, as in kube-apiserver
STREAMS_ASSUMED = 100  # streams that we open to a cluster before its SETTINGS say how many it allows: kube-apiserver's number
# Bytes that may come before more are asked for: of a client and of a cluster, on one stream and on the connection.
CLIENT_STREAM_WINDOW = 256 * 1024  # as in kube-apiserver; a request's body has 3 MiB at most
CLIENT_WINDOW = 1024 * 1024
CLUSTER_STREAM_WINDOW = 256 * 1024  # what a slow reader of one answer makes us hold
CLUSTER_WINDOW = 16 * 1024 * 1024  # many watches share the connection
CLUSTER_FRAME = 64 * 1024  # bytes of the largest frame that a cluster may send; larger frames need fewer reads
RESETS = 100  # streams that may end early by the peer's doing in a burst (threats B1, B2)
RESETS_A_SECOND = 20  # as RESETS, in the long run
# Frames a second that bring nothing: PING, SETTINGS, PRIORITY, unknown and late small frames; beside them as many window updates
# beyond those that our bytes earned (threats B7).
CONTROL_A_SECOND = 200
# Bytes of ours for which the peer may send one more window update. Go's clients send two for 4 KiB. The frame that ends what waits
# on a stream earns two more, however small: a peer may acknowledge each event of a watch, for its stream and for the connection.
UPDATE_FOR = 1024
# Of a request that was answered before its end, the rest is read and dropped: so many bytes, for so many seconds. Java's client and
# httpx hear an answer only when they have sent their body, and nothing of it behind a reset.
MOST_DROPPED = 16 * 1024 * 1024
DROPPED_FOR = 10
MOST_SETTINGS = 32  # settings in one frame, as in nghttp2; each that changes a window costs a walk over all streams
LARGEST_UNSENT = 64 * 1024  # bytes of control frames that wait for a peer that reads nothing (threats B7)
MOST_RECENT = 128  # remembered ended streams, by which a late frame is told from a wrong one
