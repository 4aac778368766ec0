"""Where Slack's answers come in: one path, bounded, and refused in words that the log counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from l7gw.api.requests import Answer
from l7gw.config.settings import Certificate
from l7gw.demo.pki import Authority
from l7gw.errors import Refusal
from l7gw.notify import slack_listener
from l7gw.notify.slack_listener import LARGEST, PATH, SlackListener
from l7gw.timeouts import Timeouts
from tests.support.manual_clock import ManualClock


class Takes:
    """Stands for the answers: keeps what it is sent, and refuses what it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.refuses: Exception | None = None
        self.late = False  # whether the refusal comes by the callback

    def read(self, headers: dict[str, str], body: bytes) -> Any:
        assert headers["x-slack-signature"] == "v0=x"
        self.bodies.append(body)
        if self.refuses is not None and not self.late:
            raise self.refuses
        return "press"

    def take(self, press: Any, then: Callable[[Any], None]) -> None:
        assert press == "press"
        asyncio.get_running_loop().call_soon(then, self.refuses or Answer(status=200, body=b""))

    def tick(self) -> None:
        """Once a second."""

    def close(self) -> None:
        """The listener is closed."""


class Served:
    def __init__(self, folder: Path, host: str) -> None:
        self.authority = Authority(folder)
        self.pair = self.authority.server("server", "localhost", "127.0.0.1")
        self.answers, self.clock = Takes(), ManualClock()
        answers: Any = self.answers
        self.listener = SlackListener(answers, (host, 0), Certificate(*self.pair), self.clock, Timeouts())

    async def send(self, data: bytes, context: ssl.SSLContext | None = None) -> tuple[int, Any]:
        """Send bytes; status and body of the first answer."""
        port = int(self.listener.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1"):
            head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.close()
        return int(head[9:12]), json.loads(body) if body else None


def post(body: bytes = b"payload", *, path: str = PATH, method: str = "POST", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: l7gw\r\nX-Slack-Signature: v0=x\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@asynccontextmanager
async def serving(folder: Path, host: str) -> AsyncIterator[Served]:
    served = Served(folder, host)
    await served.listener.open()
    try:
        yield served
    finally:
        served.listener.close()


def run(test: Callable[[Served], Coroutine[Any, Any, None]], folder: Path, host: str = "127.0.0.1") -> None:
    async def inside() -> None:
        async with serving(folder, host) as served:
            await test(served)

    uvloop.run(inside())


def test_a_post_to_the_path_is_taken_and_answered_with_an_empty_200(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        assert await served.send(post()) == (200, None)
        assert await served.send(post(b"x" * LARGEST, more="Expect: 100-continue\r\n")) == (200, None)
        assert served.answers.bodies == [b"payload", b"x" * LARGEST]

    run(test, tmp_path)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(path="/"), 404), (post(path="/l7gw/v1/holds"), 404), (post(path=PATH + "/x"), 404), (post(b"", method="GET"), 405),
        (post(b"x" * (LARGEST + 1)), 413), (b"NONSENSE\r\n\r\n", 400),
        (post(b"", more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"") + b"40001\r\n" + b"x" * 0x40001, 413),
    ],
)  # fmt: skip
def test_everything_else_is_refused_before_it_is_read(tmp_path: Path, data: bytes, status: int) -> None:
    async def test(served: Served) -> None:
        found, document = await served.send(data)
        assert (found, document["error"]["code"]) == (status, status) and served.answers.bodies == []

    run(test, tmp_path)


@pytest.mark.parametrize("late", [0, 1])
def test_a_refusal_is_told_and_counted_by_its_address(tmp_path: Path, late: int, caplog: pytest.LogCaptureFixture) -> None:
    async def test(served: Served) -> None:
        served.answers.refuses, served.answers.late = Refusal(401, "Unauthorized", "its signature is wrong"), bool(late)
        for _ in range(20):
            status, document = await served.send(post())
            assert (status, document["error"]["message"]) == (401, "its signature is wrong")
        served.clock.advance(61)
        served.listener.tick(served.clock.monotonic())

    with caplog.at_level(logging.WARNING):
        run(test, tmp_path)
    assert caplog.text.count("127.0.0.1: a message to Slack's listener was refused: its signature is wrong") == 2
    assert "(19 times in 61 s)" in caplog.text


def test_a_bug_is_a_500_and_the_next_message_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(served: Served) -> None:
        served.answers.refuses = KeyError("a bug")
        assert (await served.send(post()))[0] == 500
        served.answers.refuses = None
        assert (await served.send(post()))[0] == 200

    run(test, tmp_path)
    assert "an answer of Slack's went wrong" in caplog.text


def test_elsewhere_than_at_the_loopback_it_speaks_tls_with_the_gateways_certificate_also_a_renewed_one(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        context = ssl.create_default_context(cafile=served.authority.certificate)
        assert await served.send(post(), context) == (200, None)
        assert b"speaks https alone" in await _in_plain(served, post())
        assert served.answers.bodies == [b"payload"]
        before = await _serial(served, context)
        served.authority.server("server", "localhost", "127.0.0.1")
        served.listener.tick(1.0)
        assert await _serial(served, context) != before
        served.pair[0].write_text("no certificate")
        served.listener.tick(2.0)
        assert await served.send(post(), context) == (200, None)

    run(test, tmp_path, "0.0.0.0")


async def _in_plain(served: Served, data: bytes) -> bytes:
    """All that is answered to bytes without TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.listener.address.rpartition(":")[2]))
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def _serial(served: Served, context: ssl.SSLContext) -> Any:
    port = int(served.listener.address.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    return found


def test_who_sends_nothing_is_cut_and_there_are_not_more_connections_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(served: Served) -> None:
        port = int(served.listener.address.rpartition(":")[2])
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(slack_listener.MOST_CONNECTIONS)]
        slow[0][1].write(post()[:40])
        while len(served.listener._open) < len(slow):
            await asyncio.sleep(0)
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        while not slow[0][0].at_eof():
            served.clock.advance(11)
            served.listener.tick(served.clock.monotonic())
            await asyncio.wait_for(slow[0][0].read(), 20)
        for _, writer in slow:
            writer.close()
        assert "one more is refused" in caplog.text

    run(test, tmp_path)


def test_connections_in_their_handshake_count_too_and_a_failed_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(served: Served) -> None:
        port = int(served.listener.address.rpartition(":")[2])
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(slack_listener.MOST_CONNECTIONS)]
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert "one more is refused" in caplog.text
        silent[0][1].write(post())
        with contextlib.suppress(ConnectionError):
            await silent[0][0].read()
        assert "127.0.0.1: TLS handshake for Slack's answers cut" in caplog.text
        while served.listener._counted == len(silent):
            await asyncio.sleep(0.01)
        context = ssl.create_default_context(cafile=served.authority.certificate)
        assert await served.send(post(), context) == (200, None)
        for _, writer in silent:
            writer.close()

    run(test, tmp_path, "0.0.0.0")


def test_an_address_that_is_taken_is_told_in_words(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        host, port = served.listener.address.split(":")
        answers: Any = served.answers
        other = SlackListener(answers, (host, int(port)), served.listener.tls, served.clock, Timeouts())
        with pytest.raises(OSError, match=r"`reviews\.slack\.listen`: 127\.0\.0\.1:[0-9]+ cannot be used"):
            await other.open()

    run(test, tmp_path)
