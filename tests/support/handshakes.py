"""TLS handshakes in memory, between two contexts of Python's."""

from __future__ import annotations

import contextlib
import ssl


def shaken(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = "127.0.0.1", session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """The server's and the client's end of a handshake, after a byte went each way. Raises the server's error or, where it has
    none, the client's."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = server.wrap_bio(to_server, to_client, server_side=True)
    there = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    failed: ssl.SSLError | None = None
    for _ in range(4):  # a handshake has at most two round trips
        with contextlib.suppress(ssl.SSLWantReadError):
            try:
                there.do_handshake()
            except ssl.SSLWantReadError:
                raise
            except ssl.SSLError as error:
                failed = error
        with contextlib.suppress(ssl.SSLWantReadError):
            here.do_handshake()
    if failed is not None:
        raise failed
    there.write(b"?")
    assert here.read() == b"?"
    here.write(b"!")
    assert there.read() == b"!"
    return here, there
