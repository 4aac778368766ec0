"""The Python Kubernetes client over HTTP/2, which it does not speak by itself. Here are two HTTP stacks to put under it.

Both take the place of urllib3's HTTP/1.1. Calls, watches, models and errors above stay the client's own. Upgrades (exec,
port-forward) go by another library, over HTTP/1.1.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import urllib3.http2


@contextlib.contextmanager
def urllib3_speaks_http2() -> Iterator[None]:
    """Use urllib3's own experiment for every connection of this process, until the block ends.

    As of 2.8 it reads each answer to its end, so watches and followed logs do not work (`HTTP2Response.stream` raises
    NotImplementedError). It sends a body as one frame, so a body beyond 16 KiB fails (h2 raises FrameTooLargeError, or
    FlowControlError beyond the window)."""
    urllib3.http2.inject_into_urllib3()
    try:
        yield
    finally:
        urllib3.http2.extract_from_urllib3()


class HttpxPool:
    """The methods of a urllib3.PoolManager that a client's `rest_client` calls, over HTTP/2 by httpx. Answers can be streamed."""

    def __init__(self, configuration: Any) -> None:
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        self._client = httpx.Client(http1=False, http2=True, verify=context)

    def request(
        self, method: str, url: str, *, headers: dict[str, str], body: str | None = None, timeout: urllib3.Timeout | None = None,
        fields: object = None, preload_content: bool = False,
    ) -> HttpxAnswer:  # fmt: skip
        assert not fields and not preload_content  # the client does not use these here
        seconds = httpx.Timeout(None) if timeout is None else httpx.Timeout(timeout.total)
        request = self._client.build_request(method, url, headers=headers, content=body, timeout=seconds)
        return HttpxAnswer(self._client.send(request, stream=True))

    def clear(self) -> None:
        self._client.close()


class HttpxAnswer:
    """The attributes and methods of a urllib3.HTTPResponse that the client uses."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.http_version == "HTTP/2"
        self._answer = answer
        self.status = answer.status_code
        self.reason = answer.reason_phrase
        self.headers = answer.headers
        self.close = self.release_conn = answer.close

    @property
    def data(self) -> bytes:
        return self._answer.read()

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:
        return self._answer.iter_bytes()
