"""From an accepted 101 to its tunnel: which protocol, which channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7gw.cluster.headers import TUNNEL_PROTOCOL
from l7gw.gateway.answer import chosen_protocol
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.tunnel_spdy import SpdyInWebSocket, SpdyTunnel
from l7gw.gateway.tunnel_websocket import WebSocketTunnel
from l7gw.kube.channels import WebSocketChannels, WebSocketPorts, asked_channels, requested_ports
from l7gw.kube.streams import SpdyChannels
from l7gw.wire import spdy

if TYPE_CHECKING:
    from l7gw.gateway.exchange import Exchange
    from l7gw.wire.events import Response


def open_tunnel(exchange: Exchange, response: Response) -> Tunnel:
    """The tunnel for the protocol and subprotocol of a 101 that was found acceptable."""
    act = exchange.act
    assert act is not None
    websocket = exchange.request.upgrade == "websocket"
    protocol = chosen_protocol(response, websocket=websocket)
    asked = None if act.subresource == "portforward" else asked_channels(act)
    if not websocket:
        return SpdyTunnel(exchange, SpdyChannels(asked), spdy.Connection("server"), spdy.Connection("client"))
    if protocol == TUNNEL_PROTOCOL:
        return SpdyTunnel(exchange, SpdyChannels(asked), SpdyInWebSocket("server"), SpdyInWebSocket("client"))
    if asked is None:
        return WebSocketTunnel(exchange, WebSocketPorts(requested_ports(act.query)))
    return WebSocketTunnel(exchange, WebSocketChannels(protocol, asked))
