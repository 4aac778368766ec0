"""What clusters answer to the traffic: of every form that the gateway tells apart."""

from __future__ import annotations

import base64
import gzip
import json
import random
from functools import lru_cache

from tests.support.twins.far_answers import AUDIT_ID, DATE, Answer
from tests.support.twins.heads_of_twins import SECRETS, Asked

JSON = ("Content-Type", "application/json")


@lru_cache
def _pod(size: int, told: str) -> bytes:
    env = [{"name": "PASSWORD", "value": told}] if told else []
    spec = {"containers": [{"name": "c", "image": "i" * size, "env": env}]}
    return json.dumps({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a-0", "namespace": "shop"}, "spec": spec}).encode()


@lru_cache
def _pods(count: int) -> bytes:
    items = [{"metadata": {"name": f"a-{n}", "namespace": "shop"}, "spec": {"containers": []}} for n in range(count)]
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}).encode()


def _status(code: int, reason: str, message: str) -> bytes:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code}
    return json.dumps(said).encode()


FORBIDDEN = 'pods is forbidden: User "l7gw" cannot list resource "pods" in API group "" in the namespace "shop"'
NOT_IMPERSONATED = (
    'groups "l7gw:engineers" is forbidden: User "gw" cannot impersonate resource "groups" in API group "" at the cluster scope'
)


@lru_cache
def _secret(name: str) -> bytes:
    value = base64.b64encode(SECRETS[int(name[-1])].encode()).decode()
    metadata = {"name": name, "namespace": "shop"}
    return json.dumps(
        {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": {"password": value}, "type": "Opaque"}
    ).encode()


def answer_for(draw: random.Random, asked: Asked) -> Answer:
    """An answer to this request."""
    if "watch=true" in asked.target:
        events = b"".join(b'{"type":"ADDED","object":%s}\n' % _pod(3 + n, "") for n in range(draw.randrange(1, 4)))
        return _formed(draw, 200, events, framing="chunked", asked=asked)
    if "/log" in asked.target:
        lines = b"".join(
            b"line %d %s\n" % (n, SECRETS[n].encode() if n == 2 else b"of the log") for n in range(draw.randrange(1, 6))
        )
        return _formed(draw, 200, lines, kind="text/plain", asked=asked)
    if "/secrets/" in asked.target and draw.random() < 0.8:
        name = asked.target.rpartition("/")[2]
        return _formed(draw, 200, _secret(name if name[-1:] in "012345" and name[:2] == "db" else "db5"), asked=asked)
    if "upgrade" in dict(asked.headers):
        return _formed(draw, draw.choice((400, 403, 404)), _status(403, "Forbidden", FORBIDDEN), asked=asked)
    what = draw.choices(range(18), (60, 15, 6, 8, 3, 5, 4, 3, 3, 2, 3, 3, 3, 2, 2, 2, 6, 6))[0]
    if what == 0:
        return _formed(draw, 200, _pod(draw.choice((1, 1, 500, 900, 5000)), ""), asked=asked)
    if what == 1:
        return _formed(draw, 200, _pods(draw.choice((0, 3, 40, 120))), framing=draw.choice(("chunked", "length")), asked=asked)
    if what == 2:
        return _formed(draw, 404, _status(404, "NotFound", 'pods "a-0" not found'), asked=asked)
    if what == 3:
        return _formed(
            draw,
            200,
            _pod(draw.choice((5, 5, 9000)), draw.choice(SECRETS) if draw.random() < 0.7 else "EMP-123456 x@example.com"),
            asked=asked,
        )
    if what == 4:
        return _formed(draw, 403, _status(403, "Forbidden", draw.choice((FORBIDDEN, NOT_IMPERSONATED))), asked=asked)
    if what == 5:
        return _formed(draw, draw.choice((409, 422, 429, 500, 503)), _status(500, "InternalError", "no"), asked=asked)
    if what == 6:
        return _formed(draw, 304, b"", framing="none", asked=asked)
    if what == 7:
        return _formed(draw, 204, b"", framing="none", asked=asked)
    if what == 8:
        return _formed(draw, draw.choice((301, 302, 307)), b"", more=[("Location", "https://elsewhere.example.com/")], asked=asked)
    if what == 9:
        return _formed(draw, 401, _status(401, "Unauthorized", "Unauthorized"), asked=asked)
    if what == 10:
        return _formed(draw, 200, gzip.compress(_pods(30), mtime=0), more=[("Content-Encoding", "gzip")], asked=asked)
    if what == 11:
        return _formed(draw, 200, _pod(300, ""), framing="close", asked=asked)
    if what == 12:
        return _formed(draw, 200, b"<html>hello</html>", kind="text/html", asked=asked)
    if what == 13:
        size = len(_pod(400, ""))
        return _formed(draw, 200, _pod(400, ""), asked=asked, cut=draw.randrange(size), ends=draw.choice(("close", "abort")))
    if what == 14:
        return Answer(
            raw=draw.choice((b"HTTP/1.1 200\r\n\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")),
            ends="close",
        )
    if what == 15:
        return _formed(draw, 200, draw.choice((b"not json at all", b'{"kind":"Status","status":"Success"}')), asked=asked)
    if what == 16:
        return _formed(draw, 200, b"", asked=asked)
    said = json.dumps(
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}, "data": {"a": draw.choice(SECRETS), "b": "password=" + "x" * 9}}
    )
    return _formed(draw, 200, said.encode(), asked=asked)


def _formed(
    draw: random.Random, status: int, body: bytes, *, asked: Asked, kind: str = "application/json", framing: str = "length",
    more: list[tuple[str, str]] | None = None, cut: int = -1, ends: str = "",
) -> Answer:  # fmt: skip
    """The answer with fields in one of a few orders, most often in the same one."""
    headers: list[tuple[str, str]] = [("Audit-Id", AUDIT_ID), ("Cache-Control", "no-cache, private"), ("Content-Type", kind)]
    headers += [("Date", DATE), *(more or [])]
    if draw.random() < 0.15:
        headers += draw.sample(
            [
                ("Warning", '299 - "deprecated"'), ("Set-Cookie", "a=b"), ("X-Kubernetes-Pf-Flowschema-Uid", "u"), ("ETag", '"v1"'),
                ("WWW-Authenticate", "Basic"), ("X-Custom", draw.choice(SECRETS)), ("X-Custom", "mail x@example.com"), ("Alt-Svc", "h3=\":443\""),
                ("Date", "Tue, 01 Jan 2030 00:00:00 GMT"), ("Date", "yesterday"), ("Retry-After", "1"), ("L7gw-Session", "x"),
                ("Warning", f'299 - "holds {draw.choice(SECRETS)}"'), ("Content-Type", "text/plain"),
            ],
            draw.choice((1, 1, 2)),
        )  # fmt: skip
    if draw.random() < 0.03:
        draw.shuffle(headers)
    if draw.random() < 0.02:
        headers = [(name.upper() if draw.random() < 0.5 else name.lower(), value) for name, value in headers]
    return Answer(
        status, tuple(headers), body, framing,
        interim=draw.choice(((),) * 15 + ((103,), (102, 103))),
        cut=cut, ends=ends,
        pieces=tuple(draw.randrange(4000) for _ in range(draw.randrange(1, 4))) if draw.random() < 0.15 else (),
        waits=draw.randrange(3) if asked.stands and draw.random() < 0.8 else -1,
    )  # fmt: skip
