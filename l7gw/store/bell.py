"""The bell: it rings at a gateway for what others changed in the same database, so that nobody must look again and again.

Whoever changes something calls `ring` in the same transaction. It rings at each other gateway once that is committed, and never for
what is rolled back. What a gateway changes itself it knows; its own bell stays silent. In SQLite nothing rings: several gateways on
one file look once a second. So it is with a server too while the bell's connection is away: the bell spares looking, and whoever
relies on it must look at times all the same. When the connection is back, each topic rings with an empty subject: anything may have
changed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from l7gw.store.database import in_words

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

CHANNEL = "l7gw"  # of the database's; gateways in other schemas of one database hear each other, and look in vain
LONGEST = 200  # characters of a subject; it is an id
LOOKS = 0.5  # seconds between two looks at whether the bell ends
AGAIN = 2.0  # seconds until the next try for a connection

Rings = Callable[[str], None]


def ring(connection: sa.Connection, topic: str, subject: str) -> None:
    """Let others hear, once this transaction is committed, that `subject` of `topic` has changed. A subject is an id and no more,
    since every user of the database may listen; a topic is one word."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, f"{topic} {subject[:LONGEST]}")))


class Bell:
    """Who wants to hear of what. All of it on the loop."""

    def __init__(self) -> None:
        self._hears: dict[str, list[Rings]] = {}

    def subscribe(self, topic: str, callback: Rings) -> None:
        """Call back with the subject of what another gateway has changed; with "" where anything of the topic may have changed."""
        self._hears.setdefault(topic, []).append(callback)

    def rang(self, message: str) -> None:
        """What came from the server: topic and subject. Unknown topics are of other versions."""
        topic, _, subject = message.partition(" ")
        if subject and len(subject) <= LONGEST:
            for callback in self._hears.get(topic, ()):
                _guarded(callback, subject)

    def missed(self) -> None:
        """The bell may not have rung for a while."""
        for callbacks in self._hears.values():
            for callback in callbacks:
                _guarded(callback, "")


def _guarded(callback: Rings, subject: str) -> None:
    try:
        callback(subject)
    except Exception:  # a bug of one listener keeps nothing from the others
        log.exception("what another gateway changed is not looked at: %r", subject)


class Listener:
    """A thread with a connection of its own that listens, and rings the bell on the loop.

    `connect` gives a connection that commits each statement; `own` is the server's process that serves the store: what that sends
    is this gateway's.
    """

    def __init__(
        self, bell: Bell, loop: asyncio.AbstractEventLoop, connect: Callable[[], psycopg.Connection[Any]], own: Callable[[], int]
    ) -> None:
        self._bell = bell
        self._loop = loop
        self._connect = connect
        self._own = own
        self._ended = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="l7gw-bell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End. Blocks its caller for half a second at most, unless a connection is being made: that is left to itself."""
        self._ended.set()
        self._thread.join(2 * LOOKS)

    def _run(self) -> None:
        import psycopg

        while not self._ended.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._back()
                    self._listen(connection)
            except psycopg.Error as error:
                if not self._away:
                    self._away = True
                    log.warning("what other gateways change is looked at once a second, as nothing is heard: %s", in_words(error))
                self._ended.wait(AGAIN)

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        while not self._ended.is_set():
            for notify in connection.notifies(timeout=LOOKS):
                if notify.pid != self._own():
                    self._tell(self._bell.rang, notify.payload)

    def _back(self) -> None:
        if self._away:
            self._away = False
            log.info("other gateways are heard again")
        self._tell(self._bell.missed)

    def _tell(self, callback: Callable[..., None], *values: str) -> None:
        with suppress(RuntimeError):  # the loop may have ended
            self._loop.call_soon_threadsafe(callback, *values)
