"""Opens the tunnel for an accepted 101: chooses its protocol and its channels."""

from __future__ import annotations

from l7gw.cluster.headers import TUNNEL_PROTOCOL
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.tunnel_sides import Sides
from l7gw.gateway.tunnel_spdy import SpdyInWebSocket, SpdyTunnel
from l7gw.gateway.tunnel_websocket import WebSocketTunnel
from l7gw.kube.act import Act
from l7gw.kube.channels import WebSocketChannels, WebSocketPorts, asked_channels, requested_ports
from l7gw.kube.streams import SpdyChannels
from l7gw.wire import spdy


def open_tunnel(sides: Sides, act: Act, *, websocket: bool, subprotocol: str) -> Tunnel:
    """The tunnel for a 101 that was found acceptable. Its protocol is WebSocket or, without `websocket`, SPDY."""
    asked = None if act.subresource == "portforward" else asked_channels(act)
    if not websocket:
        return SpdyTunnel(sides, SpdyChannels(asked), spdy.Connection("server"), spdy.Connection("client"))
    if subprotocol == TUNNEL_PROTOCOL:
        return SpdyTunnel(sides, SpdyChannels(asked), SpdyInWebSocket("server"), SpdyInWebSocket("client"))
    if asked is None:
        return WebSocketTunnel(sides, WebSocketPorts(requested_ports(act.query)))
    return WebSocketTunnel(sides, WebSocketChannels(subprotocol, asked))
