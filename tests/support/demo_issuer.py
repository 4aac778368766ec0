"""The demo's issuer for programs that have no event loop: the tests, the bench."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority, server_context


@contextlib.contextmanager
def issuing(authority: Authority) -> Iterator[DemoIssuer]:
    """Run the issuer in a thread of its own until the block ends."""
    loop, issuer = asyncio.new_event_loop(), DemoIssuer()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    context = server_context(authority.server("issuer", "127.0.0.1"))
    asyncio.run_coroutine_threadsafe(issuer.start(context), loop).result()
    try:
        yield issuer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
