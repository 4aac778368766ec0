"""Where the browser comes back to: a listener on loopback that takes one answer (RFC 8252 section 7.3)."""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import Callable

from l7gw.login.failure import LoginFailed
from l7gw.login.loopback_peer import is_own

PATH = "/callback"
LARGEST_HEAD = 16 * 1024  # bytes; a code has 4 KiB at most, a browser's other headers about 1
HEAD_WITHIN = 10.0  # seconds for a request's head; browsers open connections ahead, on which they say nothing
MOST_READ = 64  # connections whose heads are awaited; a browser makes two or three. One more ends the wait for the oldest
TELLS_WITHIN = 5.0  # seconds in which the browser must read the page, once it is known what to tell

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>l7gw login</title>
<style>body{{font:18px/1.5 sans-serif;margin:4em auto;max-width:36em;padding:0 1em}}</style></head>
<body><h1>{title}</h1><p>{words}</p></body></html>
"""
_HEAD = (
    "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n"
    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\r\n"
)


class Redirect:
    """The listener, while `async with` runs. `answer` gives the query of the one request that belongs to the login, as
    `belongs` says; its browser waits for the page that `tell` gives."""

    def __init__(self, users: frozenset[int], say: Callable[[str], None] = lambda words: None, port: int = 0) -> None:
        """`users` are the ids of those whose browser may answer. `say` tells the person of others who try. `port` is 0 for any
        that is free. Entering raises LoginFailed where the port cannot be had."""
        self.uri = ""
        self._port = port
        self._users, self._say = users, say
        self._told = False
        self._belongs: Callable[[str], bool] = lambda query: False
        self._serving: set[asyncio.Task[None]] = set()
        self._own: dict[asyncio.Task[None], None] = {}  # whose heads are awaited, the oldest first
        self._others: dict[asyncio.Task[None], None] = {}

    async def __aenter__(self) -> Redirect:
        loop = asyncio.get_running_loop()
        self._query: asyncio.Future[str] = loop.create_future()
        self._page: asyncio.Future[tuple[str, str]] = loop.create_future()
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=LARGEST_HEAD, backlog=16)
        except OSError as error:
            what = f"port {self._port} of 127.0.0.1 cannot be used: {os.strerror(error.errno or 0)}"
            hint = "end what listens there, perhaps another login, or give another port that is registered at the issuer (--port)"
            raise LoginFailed(what, hint) from None
        self._host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.uri = f"http://{self._host}{PATH}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if not self._page.done():
            self.tell("The login has ended", "It was ended before an answer came. This page may be closed.")
        if self._serving:
            ended = await asyncio.wait(self._serving, timeout=TELLS_WITHIN if self._query.done() else 0.0)
            for task in ended[1]:
                task.cancel()

    @property
    def way_in(self) -> str:
        """What to do where the browser is at another machine, and the issuer knows no device code."""
        port = self._host.rpartition(":")[2]
        return f"first: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"

    async def answer(self, belongs: Callable[[str], bool]) -> str:
        """The query of the request that belongs to the login."""
        self._belongs = belongs
        return await self._query

    def tell(self, title: str, words: str) -> None:
        """What the browser shows."""
        self._page.set_result((title, words))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            own = is_own(writer.get_extra_info("sockname"), writer.get_extra_info("peername"), self._users)
            head = await self._head(task, reader, self._own if own else self._others)
            writer.write(await self._answered(head) if own else self._refused())
            await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # who says nothing, or too much, is let go
        finally:
            self._serving.discard(task)
            writer.close()

    @staticmethod
    async def _head(task: asyncio.Task[None], reader: asyncio.StreamReader, waiting: dict[asyncio.Task[None], None]) -> bytes:
        """A request's head. Who says nothing does not keep others from being heard."""
        if len(waiting) >= MOST_READ:
            next(iter(waiting)).cancel()
        waiting[task] = None
        try:
            async with asyncio.timeout(HEAD_WITHIN):
                return await reader.readuntil(b"\r\n\r\n")
        finally:
            waiting.pop(task, None)

    def _refused(self) -> bytes:
        if not self._told:
            hint = "where it was you, log in by --device"
            self._say(f"another user of this machine tried to answer this login, and was refused\n  hint: {hint}")
        self._told = True
        return _response("403 Forbidden", "Not yours", "Another user of this machine waits here for a login.")

    async def _answered(self, head: bytes) -> bytes:
        line, *headers = head.decode("latin-1").split("\r\n")
        method, _, rest = line.partition(" ")
        target, _, protocol = rest.partition(" ")
        hosts = [value.strip().lower() for name, _, value in (one.partition(":") for one in headers) if name.lower() == "host"]
        if not protocol.startswith("HTTP/1.") or hosts != [self._host]:  # a name that leads here is not the redirect's address
            return _response("400 Bad Request", "Not understood", "This address is for the end of a login alone.")
        path, _, query = target.partition("?")
        if method != "GET" or path != PATH:
            return _response("404 Not Found", "Not here", "This address is for the end of a login alone.")
        if self._query.done():
            return _response("410 Gone", "Already answered", "This login has its answer. This page may be closed.")
        if not self._belongs(query):
            words = "It does not belong to the login that waits here, which goes on waiting. This page may be closed."
            return _response("400 Bad Request", "Another login's answer", words)
        self._query.set_result(query)
        return _response("200 OK", *await self._page)


def _response(status: str, title: str, words: str) -> bytes:
    page = _PAGE.format(title=html.escape(title), words=html.escape(words)).encode()
    return _HEAD.format(status=status, length=len(page)).encode("latin-1") + page
