"""A traffic that is written by hand: a client asks the same again until the gateway knows it, something changes, and it asks again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import hpack

from tests.support.twins.far_answers import AUDIT_ID, DATE, Answer, frame
from tests.support.twins.house_of_twins import BEGINS, token
from tests.support.twins.traffic import PREFACE, SETTINGS

Step = tuple[Any, ...]
POD = "/api/v1/namespaces/shop/pods/a-0"
PLAIN = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a-0","namespace":"shop"},"spec":{"containers":[]}}'
HEADERS = (
    ("Audit-Id", AUDIT_ID), ("Cache-Control", "no-cache, private"), ("Content-Type", "application/json"), ("Date", DATE)
)  # fmt: skip
ANN = token("ann", ("engineers", "team-a"), begins=BEGINS, kind="person")
BOB = token("bob", ("engineers",), begins=BEGINS, kind="person")
AGAIN = 5  # times that a head is sent until both its call and its answer are known: the second is remembered, the third leaves an answer


def pod(body: bytes = PLAIN, *more: tuple[str, str], status: int = 200, **named: Any) -> Answer:
    """An answer of the usual shape, unless `more` says otherwise."""
    return Answer(status, (*HEADERS, *more), body, **named)


@dataclass
class Client:
    """One connection."""

    story: Story
    number: int
    http2: bool = False
    stream: int = 1
    packer: hpack.Encoder = field(default_factory=hpack.Encoder)

    def head(self, target: str, *headers: str, method: str = "GET", bearer: str = ANN) -> bytes:
        """The bytes of a request's head over HTTP/1.1."""
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
        if bearer:
            lines.append(f"Authorization: Bearer {bearer}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def ask(self, target: str = "/prod" + POD, *headers: str, method: str = "GET", bearer: str = ANN, ends: bool = True) -> None:
        """Send a request, over HTTP/2 without its end where `ends` is false."""
        data = self.head(target, *headers, method=method, bearer=bearer)
        if self.http2:
            fields = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", target)]
            fields += [(name.lower(), value) for name, value in (header.split(": ", 1) for header in headers)]
            fields += [("authorization", f"Bearer {bearer}")] if bearer else []
            block = bytes(self.packer.encode([hpack.NeverIndexedHeaderTuple(*pair) for pair in fields]))
            data = frame(1, 5 if ends else 4, self.stream, block)
            self.stream += 2
        self.story.steps.append(("feed", self.number, data))

    def end(self) -> None:
        """End the last request."""
        self.story.steps.append(("feed", self.number, frame(0, 1, self.stream - 2)))

    def known(self, *arguments: str, **named: Any) -> None:
        """Ask until the gateway knows the call."""
        for _ in range(AGAIN):
            self.ask(*arguments, **named)
            if not named.get("ends", True):
                self.end()
        self.story.learnt = len(self.story.steps)


class Story:
    """`steps` are the traffic. `learnt` is the number of steps after which the calls were known."""

    def __init__(self, *, http2: bool = False) -> None:
        self.http2 = http2  # whether the clusters speak it
        self.steps: list[Step] = []
        self.learnt = 0
        self._clients = 0

    def client(self, *, http2: bool = False, certificates: str = "", server_name: str = "", address: str = "10.1.0.1") -> Client:
        self._clients += 1
        greeting = PREFACE + SETTINGS + frame(4, 1, 0) if http2 else b""
        spoken = "h2" if http2 else "http/1.1"
        self.steps.append(("open", self._clients, spoken, address, certificates, server_name, greeting))
        return Client(self, self._clients, http2)

    def do(self, *steps: Sequence[Any]) -> None:
        self.steps += map(tuple, steps)

    def answers(self, answer: Answer, target: str = POD, cluster: str = "prod") -> None:
        self.do(("answers", cluster, target, answer))

    def policy(self, text: str) -> None:
        self.do(("policy", text), ("tick",))

    def configured(self, **changed: Any) -> None:
        self.do(("configured", changed))

    def passes(self, seconds: float) -> None:
        self.do(("advance", seconds), ("tick",))
