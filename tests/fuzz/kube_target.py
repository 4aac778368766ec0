"""A request line of any bytes has one meaning, and its new spelling has the same meaning; or it is refused."""

from __future__ import annotations

from l7gw.errors import Refusal
from l7gw.kube.requestinfo import describe

WORDS = [
    b"/api/v1/",
    b"/apis/",
    b"namespaces/",
    b"pods/",
    b"/exec",
    b"/proxy/",
    b"%2f",
    b"%25",
    b"%C3%BC",
    b"%c2%85",
    b"&tty=&tty=",
    b"..",
    b"//",
    b"?watch=",
    b"&a=b",
    b";",
    b"watch/",
]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def one(data: bytes) -> None:
    """`describe` gives an act with at least one effect, and gives the same act for that act's target; or it raises a Refusal."""
    method = METHODS[data[0] % len(METHODS)] if data else "GET"
    upgrade = ("", "websocket", "SPDY/3.1")[data[0] // 8 % 3] if data else ""
    target = "/" + data[1:].decode("latin-1")
    try:
        act = describe(method, target, upgrade)
    except Refusal as refusal:
        assert refusal.code in (400, 403, 405)
        return
    assert act.effects
    assert act.target.isascii() and act.target.isprintable() and " " not in act.target
    assert describe(method, act.target, upgrade) == act
