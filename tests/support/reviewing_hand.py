"""A reviewer for tests, in a process other than the gateway's: it works on the database of the holds, as another gateway would."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from l7gw.approval import reviewing, rows
from l7gw.approval.messages import STATES, Hold, Review, Reviewer
from l7gw.approval.people import People
from l7gw.approval.reviewing import Reviewing
from l7gw.identity.principal import Principal
from l7gw.store.database import NAME, of_state

HELD_WITHIN = 30.0  # seconds until a call must be held; an idle machine needs a tenth
LEA = Reviewer(principal=Principal("lea", ("sre",), issuer="https://idp.example.com"), proven="oidc", token_digest="t-lea")


class Hand:
    """The holds in a gateway's state, and Lea, who reviews them."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._engine: sa.Engine | None = None

    def _do(self, work: Callable[[sa.Connection], Any]) -> Any:
        if self._engine is None:
            if not (self._state / NAME).exists():
                return None
            self._engine = of_state(self._state)
        with self._engine.begin() as connection:
            return work(connection)

    def holds(self, *states: str) -> list[Hold]:
        """The holds in these states (none: in all), newest first."""
        return self._do(lambda connection: rows.listed(connection, states or STATES, most=200, before="")) or []

    def pending(self, user: str, *known: Hold) -> Hold:
        """Wait for a pending hold of this user that is not among the known ones."""
        until = time.monotonic() + HELD_WITHIN
        while True:
            ids = {hold.id for hold in known}
            found = [hold for hold in self.holds("pending") if hold.principal.user == user and hold.id not in ids]
            if found:
                return found[0]
            assert time.monotonic() < until, f"nothing of {user} is held"
            time.sleep(0.02)

    def of(self, hold: Hold) -> Hold:
        found: Hold = self._do(lambda connection: rows.one(connection, hold.id))
        return found

    def became(self, hold: Hold, state: str) -> Hold:
        """Wait until a hold has come to this state."""
        until = time.monotonic() + HELD_WITHIN
        while (now := self.of(hold)).state != state:
            assert time.monotonic() < until, f"it is not {state}, but {now.state}: {now.why}"
            time.sleep(0.02)
        return now

    def says(self, hold: Hold, said: Review, reviewer: Reviewer = LEA) -> None:
        about = Reviewing(People(), local=True, now=int(time.time() * 1_000_000))
        self._do(lambda connection: reviewing.review(connection, hold.id, reviewer, said, about))

    def approve(self, hold: Hold, **said: Any) -> None:
        self.says(hold, Review(verdict="approve", **said))

    def deny(self, hold: Hold, note: str = "not today") -> None:
        self.says(hold, Review(verdict="deny", note=note))

    @contextlib.contextmanager
    def blocking(self) -> Iterator[None]:
        """Hold the database, so that nobody else writes to it."""
        other = of_state(self._state)
        with other.begin():
            yield
        other.dispose()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()


class Answering:
    """Answers each new hold in a thread of its own, until the block ends: approves it, or denies those of the users in `denies`; all
    of them with `approve` false."""

    def __init__(self, hand: Hand, *, approve: bool = True, denies: frozenset[str] = frozenset()) -> None:
        self._hand = hand
        self._approve = approve
        self._denies = denies
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._known = frozenset(hold.id for hold in hand.holds())
        self.seen: list[Hold] = []

    def __enter__(self) -> Answering:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            for hold in self._hand.holds("pending"):
                if hold.id not in self._known:
                    self._known |= {hold.id}
                    self.seen.append(hold)
                    approves = self._approve and hold.principal.user not in self._denies
                    (self._hand.approve if approves else self._hand.deny)(hold)
