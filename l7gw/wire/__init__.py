"""Bytes to frames and back: HTTP/1.1, HTTP/2, SPDY/3.1, WebSocket.

Guarantees: every byte of a peer is accepted as one defined event or refused with a `PeerError`; every buffer is bounded.
May import the standard library, websockets' C mask, and hpack's Huffman code and static table. Sans-IO: no socket, no clock, no
policy, no Kubernetes.
"""
