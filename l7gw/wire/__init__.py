"""Bytes to frames and back: HTTP/1.1, SPDY/3.1, WebSocket (HTTP/2 has its place here).

Guarantees: every byte of a peer is accepted as one defined event or refused with a `PeerError`; every buffer is bounded.
May import the standard library and websockets' C mask. Sans-IO: no socket, no clock, no policy, no Kubernetes.
"""
