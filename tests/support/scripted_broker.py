"""A broker that answers as a test says: at once, later, or never. It knows no AWS. Its tokens name whom they are for."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from l7gw.cluster.credentials.messages import Described, DescribeWanted, Failed, Token, TokenWanted

Wanted = TokenWanted | DescribeWanted
Answer = Token | Described | Failed


class ScriptedBroker:
    """Keeps every question. `answer` answers those that wait, the oldest first. With `at_once` each question is answered within
    `ask`: with a new token, or with `described`."""

    def __init__(self, *, at_once: bool = True, described: Described | Failed | None = None) -> None:
        self.at_once = at_once
        self.described = described
        self.failing: Failed | None = None  # what every question gets, as long as it stands
        self.asked: list[Wanted] = []
        self.dropped: list[Token] = []
        self.waiting: list[tuple[Wanted, Callable[[Answer], None]]] = []
        self.held: dict[TokenWanted, Token] = {}
        self.made: dict[str, TokenWanted] = {}  # every token's text, and whose it is
        self._numbers = itertools.count(1)

    def ask(self, wanted: Wanted, then: Callable[..., None]) -> None:
        self.asked.append(wanted)
        self.waiting.append((wanted, then))
        if self.at_once:
            self.answer()

    def answer(self, failed: Failed | None = None) -> None:
        """Answer all questions that wait: with a failure, or as they want."""
        waiting, self.waiting = self.waiting, []
        for wanted, then in waiting:
            then(failed or self.failing or self._told(wanted))

    def _told(self, wanted: Wanted) -> Answer:
        if isinstance(wanted, DescribeWanted):
            assert self.described is not None
            return self.described
        text = f"{wanted.user if wanted.user.isalnum() else 'token'}-{next(self._numbers)}"
        self.made[text] = wanted
        token = self.held[wanted] = Token(text, expires=0.0)
        return token

    def at_hand(self, wanted: TokenWanted) -> Token | None:
        return self.held.get(wanted)

    def drop(self, wanted: TokenWanted, token: Token) -> None:
        self.dropped.append(token)
        if self.held.get(wanted) == token:
            del self.held[wanted]

    def expire(self) -> None:
        """All tokens are over."""
        self.held.clear()
