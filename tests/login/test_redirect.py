"""Where the browser comes back to: on loopback alone, one answer alone, and with a page that says what happened."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

import pytest

from l7gw.login.failure import LoginFailed
from l7gw.login.loopback_peer import own_users
from l7gw.login.redirect import LARGEST_HEAD, MOST_READ, Redirect
from tests.support.login_issuer import got


def run(main: Callable[[Redirect], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(30), Redirect(own_users()) as redirect:
            await main(redirect)

    asyncio.run(within())


def mine(query: str) -> bool:
    return query == "state=mine"


async def status(answer: Awaitable[bytes]) -> int:
    return int((await answer).split(b" ")[1])


def test_one_answer_is_taken_and_its_browser_is_told_how_it_ended() -> None:
    async def main(redirect: Redirect) -> None:
        assert redirect.uri.startswith("http://127.0.0.1:") and redirect.uri.endswith("/callback")
        waits = asyncio.create_task(redirect.answer(mine))
        await asyncio.sleep(0)
        first = asyncio.create_task(got(redirect.uri, "state=mine"))
        assert await waits == "state=mine"
        assert await status(got(redirect.uri, "state=mine")) == 410
        redirect.tell("<Logged in>", 'as "ann" & co')
        head, _, page = (await first).partition(b"\r\n\r\n")
        assert b"<h1>&lt;Logged in&gt;</h1><p>as &quot;ann&quot; &amp; co</p>" in page
        assert head.startswith(b"HTTP/1.1 200 OK\r\n") and f"Content-Length: {len(page)}".encode() in head
        for said in (b"Cache-Control: no-store", b"Referrer-Policy: no-referrer", b"default-src 'none'", b"frame-ancestors 'none'"):
            assert said in head

    run(main)


def test_an_answer_that_belongs_to_another_login_ends_nothing() -> None:
    async def main(redirect: Redirect) -> None:
        waits = asyncio.create_task(redirect.answer(mine))
        await asyncio.sleep(0)
        assert await status(got(redirect.uri, "state=other")) == 400
        assert not waits.done()
        assert await status(got(redirect.uri, "", "GET /favicon.ico HTTP/1.1")) == 404
        assert await status(got(redirect.uri, "state=mine", "POST {path}?{query} HTTP/1.1")) == 404
        assert await status(got(redirect.uri, "state=mine", host="evil.example.com:80")) == 400
        assert await status(got(redirect.uri, "state=mine", "GET {path}?{query}")) == 400
        assert not waits.done()
        last = asyncio.create_task(got(redirect.uri, "state=mine"))
        assert await waits == "state=mine"
        redirect.tell("Logged in", "")
        assert await status(last) == 200

    run(main)


def test_a_silent_an_endless_and_too_many_connections_hold_nothing_up() -> None:
    async def main(redirect: Redirect) -> None:
        where = ("127.0.0.1", int(redirect.uri.split(":")[2].split("/")[0]))
        waits = asyncio.create_task(redirect.answer(mine))
        _, silent = await asyncio.open_connection(*where)
        reader, endless = await asyncio.open_connection(*where)
        endless.write(b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * LARGEST_HEAD))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        last = asyncio.create_task(got(redirect.uri, "state=mine"))
        assert await waits == "state=mine"
        crowd = [await asyncio.open_connection(*where) for _ in range(2 * MOST_READ)]  # who all say nothing
        assert await status(got(redirect.uri, "state=mine")) == 410
        for _, writer in crowd:
            writer.close()
        redirect.tell("Logged in", "")
        assert await status(last) == 200
        silent.close()
        endless.close()

    run(main)


def test_nothing_listens_once_the_login_has_ended() -> None:
    uri = ""

    async def main(redirect: Redirect) -> None:
        nonlocal uri
        uri = redirect.uri

    run(main)
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(got(uri, "state=mine"))


def test_a_port_that_is_given_is_the_redirects_and_one_that_is_taken_is_told() -> None:
    async def main(redirect: Redirect) -> None:
        port = int(redirect.uri.split(":")[2].split("/")[0])
        with pytest.raises(LoginFailed, match=rf"port {port} of 127.0.0.1 cannot be used: Address already in use") as failed:
            await Redirect(own_users(), port=port).__aenter__()
        assert "--port" in str(failed.value) and "another login" in str(failed.value)
        await redirect.__aexit__()
        async with Redirect(own_users(), port=port) as again:  # at once: the port of a login that has ended is free
            assert again.uri == f"http://127.0.0.1:{port}/callback" and f"-L {port}:127.0.0.1:{port}" in again.way_in

    run(main)


def test_another_user_of_the_machine_is_refused_whatever_he_knows_and_the_person_is_told_once() -> None:
    words: list[str] = []

    async def main() -> None:
        async with asyncio.timeout(30), Redirect(frozenset({os.geteuid() + 1}), words.append) as redirect:
            waits = asyncio.create_task(redirect.answer(mine))
            await asyncio.sleep(0)
            for _ in range(2):
                assert await status(got(redirect.uri, "state=mine")) == 403
            assert not waits.done()
            waits.cancel()

    asyncio.run(main())
    (said,) = words  # and the crowd of others keeps nobody from the login
    assert said.startswith("another user of this machine tried") and "--device" in said
