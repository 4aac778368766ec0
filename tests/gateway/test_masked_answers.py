"""Answers on their way to the client: what is masked is masked for the client's socket and for the disk alike, a head waits where it
must, and what cannot be masked does not pass."""

from __future__ import annotations

import base64
import gzip
import json
import select
import threading
import zlib
from typing import Any

import pytest

from tests.support.faults import ask, trouble
from tests.support.raw_client import RawClient
from tests.support.scene import Scene
from tests.support.scripted_upstream import Visit, answering

CANARY = b"correct horse battery 7"
SECRETS = "/api/v1/namespaces/d/secrets"
POD = "/api/v1/namespaces/d/pods/web-0"
TOKEN = b"ghp_" + b"a1B2c3D4e5F6" * 3


def secret(value: bytes = CANARY, **more: Any) -> dict[str, Any]:
    data = {"password": base64.b64encode(value).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "d"},
        "type": "Opaque",
        "data": data,
        **more,
    }


def answer(body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/json", chunked: bool = False) -> bytes:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", framing, *headers, "", ""]
    if chunked:
        body = (
            b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 700]), body[at : at + 700]) for at in range(0, len(body), 700))
            + b"0\r\n\r\n"
        )
    return "\r\n".join(lines).encode() + body


def call(it: Scene, path: str, whole: bytes, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    it.upstream.script = answering(whole)
    return ask(it, it.request(f"{method} {path}", *headers), method)


def spellings(value: bytes) -> list[bytes]:
    return [value, base64.b64encode(value)]


def nothing_of(value: bytes, data: bytes) -> bool:
    return not any(spelling in data for spelling in spellings(value))


def masks(it: Scene) -> list[tuple[str, str, int, str]]:
    """The mask events of the last call."""
    (session,) = it.gateway.sessions()
    events = it.gateway.events(session["id"])
    last = max(event["exchange"] for event in events if "exchange" in event)
    return [
        (event["detector"], event["where"], event["length"], event["direction"])
        for event in events
        if event["type"] == "mask" and event["exchange"] == last
    ]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_secret_reaches_neither_the_client_nor_the_disk(own: Scene, chunked: bool, packed: bool) -> None:
    body = json.dumps(secret()).encode()
    accept = ["Accept-Encoding: gzip"] if packed else []
    headers = ["Content-Encoding: gzip", "Vary: Accept-Encoding"] if packed else ['ETag: "1"']
    whole = answer(gzip.compress(body) if packed else body, *headers, chunked=chunked)
    status, fields, shown = call(own, f"{SECRETS}/db", whole, *accept)
    assert status == 200 and int(fields["content-length"]) == len(shown) and "etag" not in fields
    assert fields.get("vary", "") == ("Accept-Encoding" if packed else "")
    plain = gzip.decompress(shown) if packed else shown
    assert nothing_of(CANARY, plain) and json.loads(plain)["metadata"]["name"] == "db"
    assert masks(own) == [("secret-data", "data.password", len(CANARY), "down")]
    own.gateway.stop()
    (session,) = own.gateway.sessions()
    recorded = "".join(map(str, own.gateway.events(session["id"])))
    assert nothing_of(CANARY, recorded.encode())
    assert all(nothing_of(CANARY, path.read_bytes()) for path in own.gateway.state.rglob("*") if path.is_file())


def test_what_has_nothing_to_mask_keeps_its_bytes_its_length_and_its_etag(it: Scene) -> None:
    body = b'{ "kind":"Node",\n  "metadata":{"name":"n1"} }\n'
    for packed in (False, True):
        came = gzip.compress(body, 9, mtime=5) if packed else body
        headers = ['ETag: "1"', *(["Content-Encoding: gzip"] if packed else [])]
        accept = ["Accept-Encoding: gzip"] if packed else []
        status, fields, shown = call(it, "/api/v1/nodes/n1", answer(came, *headers), *accept)
        assert (status, fields["etag"], shown) == (200, '"1"', came)


@pytest.mark.parametrize(
    ("body", "headers", "kind", "words"),
    [
        (b"<html>", (), "text/html", "its type is text/html, and neither JSON nor protobuf"),
        (b"\xd9\xd9\xf7\xa1", (), "application/cbor", "its type is application/cbor"),
        (b"kind: Secret", (), "application/yaml", "its type is application/yaml"),
        (b"{}", ("Content-Encoding: br",), "application/json", "one that nobody asked for"),
        (b"{}", ("Content-Encoding: gzip",), "application/json", "says that it is gzip, and is none"),
        (b'{"kind":"Secret"', (), "application/json", ""),
        (b"no protobuf", (), "application/vnd.kubernetes.protobuf", "it is no protobuf object"),
        (gzip.compress(b'{"a":"' + b"x" * 40_000_000), ("Content-Encoding: gzip",), "application/json", "times its size"),
        (gzip.compress(bytes(40_000_000)), ("Content-Encoding: gzip",), "application/json", "it is no JSON object"),
    ],
)
def test_what_cannot_be_masked_is_a_502_that_says_why(
    it: Scene, body: bytes, headers: tuple[str, ...], kind: str, words: str
) -> None:
    status, _, told = call(it, f"{SECRETS}/db", answer(body, *headers, kind=kind), "Accept-Encoding: gzip")
    message = json.loads(told)["message"]
    assert (
        status == 502
        and message.startswith("l7gw: the cluster's answer cannot be masked, so it does not pass: ")
        and words in message
    )


def test_errors_of_the_cluster_pass_in_json_and_in_plain_words_and_are_masked(it: Scene) -> None:
    failure = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": 'secrets "db" not found',
        "reason": "NotFound",
        "code": 404,
    }
    body = json.dumps(failure).encode()
    assert call(it, f"{SECRETS}/db", answer(body, status="404 Not Found"))[::2] == (404, body)
    assert call(it, f"{SECRETS}/db", answer(b"Too many requests", status="429 No", kind="text/plain"))[::2] == (
        429,
        b"Too many requests",
    )
    quoting = json.dumps(failure | {"message": f"cannot be handled: {json.dumps(secret())}", "code": 422}).encode()
    status, _, shown = call(it, f"{SECRETS}/db", answer(quoting, status="422 No"))
    assert status == 422 and nothing_of(CANARY, shown)


def test_the_head_of_a_watch_goes_out_before_its_first_event(it: Scene) -> None:
    def watch(visit: Visit) -> None:
        visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        visit.drain(0.3)
        event = json.dumps({"type": "ADDED", "object": secret()}).encode() + b"\n"
        visit.send(b"%x\r\n%s\r\n" % (len(event), event))
        visit.drain(5)

    it.upstream.script = watch
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {SECRETS}?watch=1"))
        head = client.socket.recv(65536)
        assert head.startswith(b"HTTP/1.1 200") and b"ADDED" not in head
        event = b""
        while b"ADDED" not in event or not event.endswith(b"\n\r\n"):
            event += client.socket.recv(65536)
        assert nothing_of(CANARY, event) and b"l7gw-masked" in base64.b64decode(
            json.loads(event.splitlines()[1])["object"]["data"]["password"]
        )


NONSENSE = b"nonsense\n"
GOOD = b'{"type":"BOOKMARK","object":{"kind":"Secret","metadata":{"resourceVersion":"7"}}}\n'
WATCH = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: "


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("before", [[], [b""], [GOOD]], ids=["with its head", "behind its head", "behind an event"])
def test_a_watch_that_cannot_be_read_any_more_ends_with_an_error_event(it: Scene, before: list[bytes], packed: bool) -> None:
    """It stands where the next event would, also where head and first event came in one read, and the watch then ends."""
    came, stream = threading.Event(), zlib.compressobj(wbits=31)

    def chunk(data: bytes) -> bytes:
        data = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH) if packed else data
        return b"%x\r\n%s\r\n" % (len(data), data)

    def watch(visit: Visit) -> None:
        visit.head()
        head = WATCH + b"application/json\r\n" + (b"Content-Encoding: gzip\r\n" if packed else b"") + b"\r\n"
        for event in before:
            visit.send(head + (chunk(event) if event else b""))
            came.wait(10)
            head = b""
        visit.send(head + chunk(NONSENSE))
        visit.drain(5)

    it.upstream.script = watch
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {SECRETS}?watch=1", *(["Accept-Encoding: gzip"] if packed else [])))
        if before:
            select.select([client.socket], [], [], 10)
            came.set()
        status, _, body = client.answer()
    *good, last = (gzip_read(body) if packed else body).splitlines(keepends=True)
    assert status == 200
    assert good == [event for event in before if event]
    event = json.loads(last)
    assert (event["type"], event["object"]["kind"], event["object"]["code"]) == ("ERROR", "Status", 502)
    assert event["object"]["message"] == (
        "l7gw: the cluster's answer cannot be masked, so it does not pass: an event of it is no JSON object"
    )
    if packed or not good:
        return
    (session,) = it.gateway.sessions()
    end = [event for event in it.gateway.events(session["id"]) if event["type"] == "end"][-1]
    assert end["outcome"] == "cut" and "an event of it is no JSON object" in end["reason"]


def gzip_read(data: bytes) -> bytes:
    """What gzip unpacks to, with or without its end."""
    return zlib.decompressobj(31).decompress(data)


def test_a_watch_in_protobuf_ends_with_an_error_event_in_protobuf(it: Scene) -> None:
    def watch(visit: Visit) -> None:
        visit.head()
        visit.send(WATCH + b"application/vnd.kubernetes.protobuf;stream=watch\r\n\r\n8\r\n\0\0\0\4\xff\xff\xff\xff\r\n")
        visit.drain(5)

    it.upstream.script = watch
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {SECRETS}?watch=1", "Accept: application/vnd.kubernetes.protobuf;stream=watch"))
        status, _, body = client.answer()
    assert status == 200
    assert int.from_bytes(body[:4], "big") == len(body) - 4
    assert body[4:11] == b"\x0a\x05ERROR"
    assert b"k8s\0" in body and b"l7gw: the cluster's answer cannot be masked" in body


@pytest.mark.parametrize("path", [f"{SECRETS}/db", SECRETS])
def test_an_answer_that_says_json_and_is_none_is_refused_as_soon_as_that_can_be_seen(it: Scene, path: str) -> None:
    told = threading.Event()

    def script(visit: Visit) -> None:
        visit.head()
        page = b"<html>" + b" " * 1000
        visit.send(WATCH + b"application/json\r\n\r\n%x\r\n%s\r\n" % (len(page), page))
        told.wait(10)
        visit.drain(5)

    it.upstream.script = script
    status, _, body = ask(it, it.request(f"GET {path}"))
    told.set()
    assert (status, json.loads(body)["message"]) == (
        502,
        "l7gw: the cluster's answer cannot be masked, so it does not pass: it is no JSON object",
    )


def test_a_log_that_comes_packed_goes_on_plain_and_masked(it: Scene) -> None:
    came = answer(gzip.compress(b"up\npassword=hunter2hunter\n"), "Content-Encoding: gzip", kind="text/plain")
    status, fields, shown = call(it, f"{POD}/log", came, "Accept-Encoding: gzip")
    assert (status, shown) == (200, b"up\npassword=*************\n") and "content-encoding" not in fields
    assert masks(it)[-1][1] == "log:12"


def test_text_behind_a_proxy_is_scanned_and_the_rest_is_labelled(it: Scene) -> None:
    page = b"<p>" + TOKEN + b"</p>"
    status, fields, shown = call(it, f"{POD}/proxy/page", answer(page, kind="text/html"))
    assert status == 200 and TOKEN not in shown and shown.startswith(b"<p>l7gw-masked-") and "l7gw-masking" not in fields
    picture = bytes(range(256))
    status, fields, shown = call(it, f"{POD}/proxy/logo", answer(picture, kind="image/png"))
    assert (status, fields["l7gw-masking"], shown) == (200, "unmasked", picture)


def test_a_value_in_a_header_of_an_answer_is_masked_for_the_client_and_the_disk(own: Scene) -> None:
    """An admission webhook's warning may quote what it refuses; an application behind a proxy may say anything."""
    quoted = f'Warning: 299 - "spec.env: {TOKEN.decode()} is too short"'
    for path, header in ((f"{POD}", quoted), (f"{POD}/proxy/", f"X-Next: https://a/?token={TOKEN.decode()}")):
        status, headers, body = call(own, path, answer(b"{}", header))
        assert (status, body) == (200, b"{}")
        name = header.partition(":")[0].lower()
        assert "l7gw-masked-github-token-" in headers[name] and TOKEN.decode() not in headers[name]
        assert ("github-token", f"{name}:") in [(detector, where[: len(name) + 1]) for detector, where, _, _ in masks(own)]
    own.gateway.stop()
    assert not any(TOKEN in path.read_bytes() for path in own.gateway.state.rglob("*") if path.is_file())


def test_discovery_passes_byte_for_byte_whatever_stands_in_it(it: Scene) -> None:
    body = b'{"a": "' + TOKEN + b'"}'
    for path in ("/openapi/v3?hash=A", "/version", "/apis"):
        status, fields, shown = call(it, path, answer(body, 'ETag: "1"'))
        assert (status, fields["etag"], shown) == (200, '"1"', body)


def test_a_token_request_is_answered_with_a_warning_that_names_the_reveal(it: Scene) -> None:
    body = json.dumps(
        {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}, "status": {"token": "ey.a.token"}}
    ).encode()
    status, fields, shown = call(
        it, "/api/v1/namespaces/d/serviceaccounts/default/token", answer(body, status="201 Created"), method="POST"
    )
    assert status == 201 and b"ey.a.token" not in shown
    assert fields["warning"].startswith('299 - "l7gw: ') and "reveal: [token-request]" in fields["warning"]


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "404 Not Found", "500 Internal Server Error"])
def test_a_refused_upgrade_keeps_its_status_and_its_words_are_masked(it: Scene, status: str, kind: str) -> None:
    """A kubelet names no type where it refuses (kubernetes-wire 6.2)."""
    words = (
        b'{"kind":"Status","status":"Failure","message":"no such container"}' if "json" in kind else b"no such container " + TOKEN
    )
    whole = answer(words, status=status, kind=kind).replace(b"Content-Type: \r\n", b"")
    upgrade = ("Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io")
    code, _, shown = call(it, f"{POD}/exec?command=ls&stdout=true", whole, *upgrade, method="POST")
    assert code == int(status[:3]) and b"no such container" in shown and TOKEN not in shown


# ---------------------------------------------------------------------- what is much work (threats I9)


WORD = b"hunter2"


def many_passwords(objects: int) -> bytes:
    """A ConfigMap in which each object of a list has a password. To mask 10,000 takes a second."""
    inside = json.dumps([{"password": f"{WORD.decode()}{number}"} for number in range(objects)])
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a.json": inside}}).encode()


def serving(big: bytes, sent: threading.Event) -> Any:
    """Serves a big ConfigMap, and other calls, as often as it is asked."""

    def script(visit: Visit) -> None:
        at = 0
        while head := visit.head()[at:]:
            at += len(head)
            if b"/configmaps/c" in head.partition(b"\r\n")[0]:
                visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(big) + big)
                sent.set()
            else:
                visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    return script


BIG = "/api/v1/namespaces/d/configmaps/c"


def test_while_a_large_object_is_masked_neighbours_are_answered(own: Scene) -> None:
    own.upstream.script = serving(many_passwords(10_000), sent := threading.Event())
    ask(own, own.request(f"GET {POD}"))  # what is compiled once is ready
    answered = 0
    with RawClient(own.gateway) as client, RawClient(own.gateway) as neighbour:
        client.send(own.request(f"GET {BIG}"))
        assert sent.wait(10)
        while not select.select([client.socket], [], [], 0)[0]:
            neighbour.send(own.request(f"GET {POD}"))
            assert neighbour.answer()[0] == 200
            answered += 1
        status, _, shown = client.answer()
        assert status == 200 and WORD not in shown and shown.count(b"l7gw-masked-") == 10_000
        client.send(own.request(f"GET {POD}"))
        assert client.answer()[0] == 200  # the next call on the same connections
    assert answered >= 5


def test_a_client_that_leaves_while_its_answer_is_masked_leaves_nothing_behind(own: Scene) -> None:
    own.upstream.script = serving(many_passwords(10_000), sent := threading.Event())
    with RawClient(own.gateway) as client:
        client.send(own.request(f"GET {BIG}"))
        assert sent.wait(10)
    assert ask(own, own.request(f"GET {POD}"))[0] == 200
    assert not trouble(own)


def test_an_answer_whose_cluster_leaves_behind_its_end_is_whole(own: Scene) -> None:
    """The end, and that of the connection, come while the mask is at work."""
    status, _, shown = call(own, BIG, answer(many_passwords(2_000), chunked=True))
    assert status == 200 and WORD not in shown and shown.count(b"l7gw-masked-") == 2_000
    assert call(own, BIG, answer(many_passwords(2_000))[:-9])[0] == 502
    assert not trouble(own)
