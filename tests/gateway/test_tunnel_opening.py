"""An upgrade has one meaning for all readers: every header of its handshake stands once, and all readers choose the same
subprotocol."""

from __future__ import annotations

import itertools

import pytest

from l7gw.cluster.headers import check_acceptable, offered_protocols, upstream_request
from l7gw.errors import Refusal
from l7gw.gateway.answer import acceptable_upgrade
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.wire.events import NO_BODY, Headers, Request, Response
from l7gw.wire.websocket_handshake import accept_key

V5, V4, TUNNEL = "v5.channel.k8s.io", "v4.channel.k8s.io", "SPDY/3.1+portforward.k8s.io"
KEY, OTHER = "dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA=="
LIST = {"websocket": "sec-websocket-protocol", "SPDY/3.1": "x-stream-protocol-version"}
HANDSHAKE = (("sec-websocket-version", "13"), ("sec-websocket-key", KEY), ("sec-websocket-protocol", V4))


def asking(*headers: tuple[str, str], upgrade: str = "websocket", kind: str = "exec") -> tuple[Request, Act]:
    target = f"/api/v1/namespaces/d/pods/p/{kind}?command=sh&stdout=true"
    return Request("POST", target, (("host", "gw"), *headers), upgrade=upgrade), describe("POST", target, upgrade)


def going_up(request: Request, act: Act) -> Request:
    return upstream_request(request, act, (), host="c", address="10.0.0.1", body=NO_BODY, audit_id="A")


@pytest.mark.parametrize("name", ["sec-websocket-version", "sec-websocket-key"])
def test_a_missing_or_repeated_header_of_the_websocket_handshake_is_refused(name: str) -> None:
    check_acceptable(*asking(*HANDSHAKE))
    value = dict(HANDSHAKE)[name]
    other = {"sec-websocket-version": "8", "sec-websocket-key": OTHER}[name]
    for values in ((value, value), (other, value), (value, other), ()):
        headers = [pair for pair in HANDSHAKE if pair[0] != name] + [(name, one) for one in values]
        with pytest.raises(Refusal) as refused:
            check_acceptable(*asking(*headers))
        assert refused.value.code == 400


LISTS: list[tuple[list[str], list[str]]] = [
    ([V4], [V4]),
    ([f"{V5},{V4}"], [V5, V4]),
    ([V5, V4], [V5, V4]),  # on several lines, of which wsstream would read only the first
    ([V4, V5], [V4, V5]),
    ([f" {V4} , {V4},,{V4}"], [V4]),
    ([f"base64.channel.k8s.io,{V4}", f"{V5},{V4}"], [V4, V5]),
    ([f"{V5},unknown", "v4.base64.channel.k8s.io"], [V5]),
    (["V4.CHANNEL.K8S.IO", V4], [V4]),  # names are case-sensitive
]


@pytest.mark.parametrize("upgrade", LIST)
@pytest.mark.parametrize(("lines", "offered"), LISTS)
def test_known_subprotocols_of_all_header_lines_go_up_once_and_in_their_order(
    upgrade: str, lines: list[str], offered: list[str]
) -> None:
    handshake = HANDSHAKE[:2] if upgrade == "websocket" else ()
    request, act = asking(*handshake, *((LIST[upgrade], line) for line in lines), upgrade=upgrade)
    check_acceptable(request, act)
    assert offered_protocols(request, act) == offered
    sent = [value for name, value in going_up(request, act).headers if name == LIST[upgrade]]
    assert sent == ([",".join(offered)] if upgrade == "websocket" else offered)  # every reader finds the same one first


def answer(request: Request, *more: tuple[str, str], drop: str = "") -> Response:
    """A 101 that fits the request, with header lines added or one dropped."""
    headers: Headers = ((LIST[request.upgrade], V4),)
    if request.upgrade == "websocket":
        headers += (("sec-websocket-accept", accept_key(dict(request.headers)["sec-websocket-key"])),)
    return Response(101, (*(pair for pair in headers if pair[0] != drop), *more), NO_BODY, upgrade=request.upgrade)


@pytest.mark.parametrize("upgrade", LIST)
def test_a_101_without_exactly_one_right_subprotocol_is_refused(upgrade: str) -> None:
    handshake = HANDSHAKE[:2] if upgrade == "websocket" else ()
    request, act = asking(*handshake, (LIST[upgrade], f"{V5},{V4}"), upgrade=upgrade)
    up, name = going_up(request, act), LIST[upgrade]
    acceptable_upgrade(up, act, answer(up))
    bad = [((name, V4),), ((name, V5),), ((name, ""),)]
    dropped = [(), ((name, f"{V4},{V5}"),), ((name, f"{V4}, {V4}"),), ((name, "v3.channel.k8s.io"),), ((name, ""),)]
    for more, drop in [*((one, "") for one in bad), *((one, name) for one in dropped)]:
        with pytest.raises(Refusal) as refused:
            acceptable_upgrade(up, act, answer(up, *more, drop=drop))
        assert refused.value.code == 502


def test_a_101_without_exactly_one_right_accept_key_is_refused() -> None:
    request, act = asking(*HANDSHAKE)
    up = going_up(request, act)
    name = "sec-websocket-accept"
    right, wrong = (name, accept_key(dict(up.headers)["sec-websocket-key"])), (name, accept_key(OTHER))
    acceptable_upgrade(up, act, answer(up, right, drop=name))
    for proofs in [(), (wrong,), *itertools.product((right, wrong), repeat=2)]:
        with pytest.raises(Refusal) as refused:
            acceptable_upgrade(up, act, answer(up, *proofs, drop=name))
        assert refused.value.code == 502
