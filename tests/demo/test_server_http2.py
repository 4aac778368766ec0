"""The demo cluster over HTTP/2: streams side by side, windows, resets, GOAWAY; with curl and kubectl as well as with h2."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, GoAwayFrame

from l7gw.demo.calls import LARGEST_BODY, Answer, Call
from tests.conftest import missing
from tests.support.demo_cluster import Site, output, with_demo, with_server

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"


def names(listed: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


# ---------------------------------------------------------------------- the cluster


def test_objects_are_read_made_and_removed_on_one_connection(tmp_path: Path) -> None:
    async def body(demo: Site) -> None:
        async with demo.connect() as client:
            listed = await client.ask("GET", PODS)
            assert (listed.status, names(listed.json())) == (200, ["web-0", "web-1"])
            assert listed.headers["content-length"] == str(len(listed.body))
            document = json.dumps({"metadata": {"name": "words"}, "data": {"greeting": "hello"}}).encode()
            made = await client.ask("POST", MAPS, document, content_type="application/json", audit_id="a-1")
            assert (made.status, made.headers["audit-id"]) == (201, "a-1")
            found = await client.ask("GET", f"{MAPS}/words")
            assert found.json()["data"] == {"greeting": "hello"}
            head = await client.ask("HEAD", f"{MAPS}/words")
            assert (head.status, head.headers["content-length"], head.body) == (200, str(len(found.body)), b"")
            assert (await client.ask("DELETE", f"{MAPS}/words")).status == 200
            gone = await client.ask("GET", f"{MAPS}/words")
            assert (gone.status, gone.json()["reason"]) == (404, "NotFound")
        assert demo.cluster.spoken == {"h2": 6}

    with_demo(tmp_path, body)


def test_a_dry_run_answers_as_the_real_call_and_changes_nothing(tmp_path: Path) -> None:
    """Of a delete with a body the DeleteOptions alone say whether it is one: a query beside it says nothing."""

    async def body(demo: Site) -> None:
        async with demo.connect() as client:
            made = await client.ask("POST", f"{MAPS}?dryRun=All", b'{"metadata": {"name": "words"}}')
            assert (made.status, made.json()["metadata"]["namespace"]) == (201, "default")
            assert made.json()["metadata"]["uid"] and "resourceVersion" not in made.json()["metadata"]
            assert (await client.ask("GET", f"{MAPS}/words")).status == 404
            stands = (await client.ask("GET", f"{PODS}/web-0")).json()
            patch = b'{"metadata": {"labels": {"seen": "yes"}}}'
            patched = await client.ask("PATCH", f"{PODS}/web-0?dryRun=All", patch, content_type="application/merge-patch+json")
            assert patched.json()["metadata"]["labels"] == {"app": "web", "seen": "yes"}
            assert patched.json()["metadata"]["resourceVersion"] == stands["metadata"]["resourceVersion"]
            dry = b'{"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}'
            assert (await client.ask("DELETE", f"{PODS}/web-0", dry)).json()["details"]["uid"] == stands["metadata"]["uid"]
            assert (await client.ask("DELETE", "/api/v1/namespaces/shop", dry)).status == 200
            assert (await client.ask("DELETE", f"{PODS}/web-0?dryRun=All")).status == 200
            other = b'{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "another"}}'
            assert (await client.ask("DELETE", f"{PODS}/web-0", other)).status == 409
            assert (await client.ask("GET", f"{PODS}/web-0")).json() == stands
            real = b'{"kind": "DeleteOptions", "apiVersion": "v1"}'
            assert (await client.ask("DELETE", f"{PODS}/web-0?dryRun=All", real)).status == 200
            assert names((await client.ask("GET", PODS)).json()) == ["web-1"]

    with_demo(tmp_path, body)


def test_a_namespace_takes_with_it_what_it_holds(tmp_path: Path) -> None:
    async def body(demo: Site) -> None:
        async with demo.connect() as client:
            assert (await client.ask("DELETE", "/api/v1/namespaces/shop")).status == 200
            for gone in ("namespaces/shop/pods", "namespaces/shop/persistentvolumeclaims", "persistentvolumes"):
                assert (await client.ask("GET", f"/api/v1/{gone}")).json()["items"] == []
            late = await client.ask("POST", "/api/v1/namespaces/shop/configmaps", b'{"metadata": {"name": "late"}}')
            assert (late.status, late.json()["message"]) == (404, 'namespaces "shop" not found')

    with_demo(tmp_path, body)


def test_a_watch_tells_what_happens_until_the_client_resets_it(tmp_path: Path) -> None:
    async def body(demo: Site) -> None:
        async with demo.connect() as client:
            since = (await client.ask("GET", MAPS)).json()["metadata"]["resourceVersion"]
            stream, watch = await client.open("GET", f"{MAPS}?watch=1&resourceVersion={since}")
            await watch.answered.wait()  # the head comes before the first event
            assert watch.status == 200 and "content-length" not in watch.headers
            await client.ask("POST", MAPS, b'{"metadata": {"name": "seen"}}')
            event = json.loads(await watch.until(1))
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "seen")
            client.reset(stream)
            assert (await client.ask("DELETE", f"{MAPS}/seen")).status == 200  # the connection lives on
            assert b"DELETED" not in watch.body

    with_demo(tmp_path, body)


def test_a_connection_serves_many_streams_at_once_and_one_after_the_other(tmp_path: Path) -> None:
    async def body(demo: Site) -> None:
        async with demo.connect() as client:
            watches = [await client.open("GET", f"{MAPS}?watch=1") for _ in range(20)]
            for _, watch in watches:
                await watch.answered.wait()
            for _ in range(10):
                found = await asyncio.gather(*(client.ask("GET", PODS) for _ in range(20)))
                assert {answer.status for answer in found} == {200}
            await client.ask("POST", MAPS, b'{"metadata": {"name": "all"}}')
            for _, watch in watches:
                assert b'"all"' in await watch.until(1)

    with_demo(tmp_path, body)


def test_http1_is_served_on_the_same_port(tmp_path: Path) -> None:
    curl = shutil.which("curl") or missing("curl")

    async def body(demo: Site) -> None:
        for flag, version in (("--http2", "2"), ("--http1.1", "1.1")):
            certificate, key = map(str, demo.client)
            code, out, err = await output(
                None, curl, flag, "-sS", "--cacert", str(demo.authority.certificate), "--cert", certificate, "--key", key,
                "-w", "\n%{http_version}", f"https://127.0.0.1:{demo.cluster.port}{PODS}",
            )  # fmt: skip
            assert code == 0, err
            text, _, spoken = out.rpartition("\n")
            assert (names(json.loads(text)), spoken) == (["web-0", "web-1"], version)
        assert demo.cluster.spoken == {"h2": 1, "http/1.1": 1}

    with_demo(tmp_path, body)


# ---------------------------------------------------------------------- the server


def test_a_reset_ends_the_handler_and_its_pieces(tmp_path: Path) -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def pieces(what: str) -> AsyncGenerator[bytes, None]:
        try:
            if what == "/full":
                while True:
                    yield bytes(100_000)  # the client's window is soon full
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.put_nowait(what)

    async def handler(call: Call) -> Answer:
        if call.path == "/handler":
            try:
                await asyncio.Event().wait()
            finally:
                ended.put_nowait(call.path)
        return Answer(pieces=pieces(call.path))

    async def body(site: Site) -> None:
        async with site.connect() as client:
            for path in ("/waiting", "/full", "/handler"):
                client.reading = path != "/full"
                stream, exchange = await client.open("GET", path)
                if path == "/handler":
                    await client.ask("HEAD", "/waiting")  # after this round trip the handler has begun
                else:
                    await exchange.until(5 if path == "/waiting" else 60_000)
                assert ended.empty()
                client.reset(stream)
                assert await ended.get() == path
        async with site.connect() as client:
            _, exchange = await client.open("GET", "/waiting")
            await exchange.until(5)
        assert await ended.get() == "/waiting"  # the handler ended because the client closed its connection

    with_server(tmp_path, handler, body)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_log_of_megabytes_fits_through_a_small_window(tmp_path: Path, streamed: bool) -> None:
    lines = b"".join(b"line %06d of a long log\n" % number for number in range(150_000))
    assert len(lines) > 3_000_000
    sent = 0

    async def pieces() -> AsyncGenerator[bytes, None]:
        nonlocal sent
        for at in range(0, len(lines), 50_000):
            sent = at
            yield lines[at : at + 50_000]

    async def handler(call: Call) -> Answer:
        return Answer(pieces=pieces()) if streamed else Answer(body=lines)

    async def body(site: Site) -> None:
        async with site.connect(window=4096) as client:  # h2 fails where a server sends more than that
            assert (await client.ask("GET", "/log")).body == lines
            client.reading = False
            _, slow = await client.open("GET", "/log")
            await slow.until(4096)
            client.h2.ping(b"12345678")
            client.flush()
            assert (await client.ask("HEAD", "/")).status == 200
            assert len(slow.body) == 4096
            assert not streamed or sent == 0  # pieces that the client does not take are not asked of the handler

    with_server(tmp_path, handler, body)


@pytest.mark.parametrize("more", [0, 1, 200_000])
def test_a_body_may_have_3_mib_and_no_byte_more(tmp_path: Path, more: int) -> None:
    async def handler(call: Call) -> Answer:
        return Answer(body=str(len(call.body)).encode())

    async def body(site: Site) -> None:
        async with site.connect() as client:
            answer = await client.ask("POST", "/", bytes(LARGEST_BODY + more))
            assert answer.status == (413 if more else 200)
            assert str(LARGEST_BODY) in answer.body.decode()
            assert (await client.ask("POST", "/", b"1234")).body == b"4"  # the connection lives on
            assert answer.reset == (ErrorCodes.NO_ERROR if more > 1 else None)  # the server does not want the rest

    with_server(tmp_path, handler, body)


def test_streams_under_way_outlive_the_clients_goaway(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"before"
        await go_on.wait()
        yield b" after"

    async def handler(call: Call) -> Answer:
        return Answer(pieces=pieces())

    async def body(site: Site) -> None:
        async with site.connect() as client:
            _, watch = await client.open("GET", "/")
            await watch.until(6)
            client.write(GoAwayFrame(last_stream_id=0, error_code=0))
            client.h2.ping(b"12345678")  # a frame behind it
            client.flush()
            await asyncio.sleep(0.05)
            go_on.set()
            await watch.ended.wait()
            assert (bytes(watch.body), watch.reset) == (b"before after", None)
            await client.closed.wait()  # the connection ended after the last answer
            assert client.terminated is None
        async with site.connect() as client:
            client.write(GoAwayFrame(last_stream_id=0, error_code=0))
            await client.closed.wait()  # nothing was under way

    with_server(tmp_path, handler, body)


async def endless(ended: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """A watch that has one event, and lasts until the server ends it."""
    try:
        yield b"first"
        await asyncio.Event().wait()
    finally:
        ended.set()


def test_the_end_of_the_server_is_told_by_goaway(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def handler(call: Call) -> Answer:
        return Answer(pieces=endless(ended))

    async def body(site: Site) -> None:
        async with site.connect() as client:
            stream, watch = await client.open("GET", "/")
            await watch.until(5)
            site.served.stop()
            await client.closed.wait()
            assert client.terminated is not None
            assert (client.terminated.error_code, client.terminated.last_stream_id) == (ErrorCodes.NO_ERROR, stream)
            assert ended.is_set()

    with_server(tmp_path, handler, body)


def test_the_end_of_the_server_ends_a_watch_over_http1(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def handler(call: Call) -> Answer:
        return Answer(pieces=endless(ended))

    async def body(site: Site) -> None:
        reader, writer = await site.connect_http1()
        writer.write(b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n")
        await reader.readuntil(b"first")
        site.served.stop()
        await ended.wait()
        assert await reader.read() in (b"", b"\r\n")  # without a last chunk, the client sees the cut
        writer.close()

    with_server(tmp_path, handler, body)


def test_a_handler_gets_the_same_call_over_either_http(tmp_path: Path) -> None:
    calls: list[Call] = []

    async def handler(call: Call) -> Answer:
        calls.append(call)
        return Answer()

    async def body(site: Site) -> None:
        target = "/a%20b//c?x=1&x=%26&empty="
        async with site.connect() as client:
            await client.ask("PUT", target, b"12", content_length="2", impersonate_group=["a", "b"])
        reader, writer = await site.connect_http1()
        writer.write(f"PUT {target} HTTP/1.1\r\nHost: demo\r\nContent-Length: 2\r\n".encode())
        writer.write(b"Impersonate-Group: a\r\nImpersonate-Group: b\r\n\r\n12")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        over_h2, over_http1 = calls
        assert (over_h2.protocol, over_http1.protocol) == ("h2", "http/1.1")
        assert dataclasses.replace(over_h2, protocol="") == dataclasses.replace(over_http1, protocol="")
        assert over_h2.path == "/a b//c" and over_h2.query == [("x", "1"), ("x", "&"), ("empty", "")]
        assert over_h2.header_lines[0] == ("host", "demo") and over_h2.body == b"12"

    with_server(tmp_path, handler, body)


def test_a_client_that_breaks_the_protocol_is_told_so_by_goaway(tmp_path: Path) -> None:
    async def handler(call: Call) -> Answer:
        return Answer()

    async def body(site: Site) -> None:
        async with site.connect() as client:
            await client.ask("GET", "/")
            client.write(DataFrame(2, b"on a stream that the client may not open"))
            await client.closed.wait()
            assert client.terminated is not None and client.terminated.error_code == ErrorCodes.PROTOCOL_ERROR

    with_server(tmp_path, handler, body)


def test_a_fault_in_a_handler_ends_its_stream_alone(tmp_path: Path) -> None:
    async def handler(call: Call) -> Answer:
        if call.path == "/fault":
            raise LookupError("a bug of the demo's")
        return Answer(body=b"ok")

    async def body(site: Site) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # keeps asyncio from logging the fault
        async with site.connect() as client:
            fault, tunnel = await client.ask("GET", "/fault"), await client.ask("CONNECT", "/")
            assert fault.reset == ErrorCodes.INTERNAL_ERROR
            assert tunnel.reset == ErrorCodes.HTTP_1_1_REQUIRED
            assert (await client.ask("GET", "/")).body == b"ok"

    with_server(tmp_path, handler, body)
