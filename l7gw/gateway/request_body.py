"""The body of a request. It is gathered whole before any of it goes up, so that what is judged and recorded is what is sent."""

from __future__ import annotations

from l7gw.gateway.guard import Step
from l7gw.gateway.refusal import LARGEST_BODY, too_large


class RequestBody:
    """The body of one request, as it comes from the client. `whole` is true once the request has ended, also where it has no
    body."""

    __slots__ = ("_parts", "_size", "_then", "whole")

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole
        self._parts: list[bytes] | None = None  # None: no bytes
        self._size = 0  # bytes that came
        self._then: Step | None = None  # the step to take once the request is whole

    def take(self, data: bytes) -> None:
        """Take the next bytes. Raises Refusal 413 beyond LARGEST_BODY, with or without a Content-Length."""
        self._size += len(data)
        if self._size > LARGEST_BODY:
            raise too_large()
        if self._parts is None:
            self._parts = []
        self._parts.append(data)

    def end(self) -> Step | None:
        """The request is whole. Returns the step that waits for that; None where none does yet."""
        self.whole = True
        step, self._then = self._then, None
        return step

    def then(self, step: Step) -> None:
        """Have `end` return this step."""
        self._then = step

    def joined(self) -> bytes:
        """All bytes that came, or those that were put in their place; b"" where the request has no body."""
        if not self._parts:
            return b""
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0]

    def replace(self, data: bytes) -> None:
        """Put other bytes in the place of those that came: these go up."""
        self._parts = [data]

    def clear(self) -> None:
        """The body has gone up: keep none of it."""
        self._parts = None
