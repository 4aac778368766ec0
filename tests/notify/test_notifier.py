"""The channels of a configuration: told as soon as something is held, exchanged when it is read again, and ended."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from l7gw.approval.desk import Desk
from l7gw.clock import Clock
from l7gw.config.settings import Certificate, Mapped, WebhookReviews
from l7gw.demo.pki import Authority
from l7gw.notify.notifier import Notifier
from l7gw.store import outbox
from l7gw.store.database import Store
from l7gw.timeouts import Timeouts
from tests.support.desks import Seat, asked, run, terms
from tests.support.desks import answer as answered
from tests.support.posted import SECRET, Said, Sent, Side, side
from tests.support.slack_stand_in import Slack, settings_of

COMES = terms(wait="come-back")


class Room:
    def __init__(self, seat: Seat, folder: Path, other: Side, hook: Side) -> None:
        self.seat, self.folder, self.hook = seat, folder, hook
        self.slack = Slack(other)
        self.opened: tuple[Desk, Store, Clock] | None = None
        (folder / "hook.secret").write_text(SECRET)
        self.tls = Certificate(*Authority(folder / "pki").server("server", "localhost"))

    def settings(self, *channels: str) -> Any:
        users = {"U0LEA": Mapped("lea", ("sre",))}
        webhook = WebhookReviews(url=self.hook.url, secret_file=self.folder / "hook.secret", users={}, certificate_authority=None)
        return SimpleNamespace(
            slack=settings_of(self.slack.url, self.folder, users=users) if "slack" in channels else None,
            webhook=webhook if "webhook" in channels else None, tls=self.tls, channels=channels,
        )  # fmt: skip

    def notifier(self, *channels: str) -> Notifier:
        return Notifier(self.settings(*channels), self.seat.clock, self, Timeouts())

    async def until(self, done: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.01)


def in_room(test: Callable[[Room], Coroutine[Any, Any, None]], folder: Path) -> None:
    with side() as other, side() as hook:
        run(lambda seat: test(Room(seat, folder, other, hook)), folder)


def test_both_channels_are_told_once_there_is_a_desk_and_at_once_after_a_change(tmp_path: Path) -> None:
    async def test(it: Room) -> None:
        it.seat.store.tell(["slack", "webhook"])
        notifier = it.notifier("slack", "webhook")
        await notifier.open()
        before = await it.seat.held(asked("1", terms=COMES))
        notifier.tick()
        assert not it.slack.calls
        it.opened = (it.seat.desk, it.seat.store, it.seat.clock)
        notifier.tick()
        notifier.tick()
        await it.until(lambda: it.slack.messages and it.hook.sent)
        after = await it.seat.held(asked("2", terms=COMES))
        await it.until(lambda: len(it.slack.messages) == 2 and len(it.hook.sent) == 2)
        assert [sent.json["hold"]["id"] for sent in it.hook.sent] == [before.id, after.id]
        await notifier.close()
        assert await it.seat.held(asked("3", terms=COMES)) and len(it.slack.messages) == 2

    in_room(test, tmp_path)


def test_a_configuration_that_is_read_again_exchanges_the_channels(tmp_path: Path) -> None:
    async def test(it: Room) -> None:
        it.opened = (it.seat.desk, it.seat.store, it.seat.clock)
        notifier = it.notifier("webhook")
        it.seat.store.tell(["webhook"])
        notifier.tick()
        await it.seat.held(asked("1", terms=COMES))
        await it.until(lambda: it.hook.sent)
        notifier.configure(it.settings("slack"))
        it.seat.store.tell(["slack"])
        notifier.tick()
        listener = notifier._listener
        assert listener is not None
        await it.until(lambda: listener.address)
        await it.seat.held(asked("2", terms=COMES))
        await it.until(lambda: it.slack.messages)
        assert len(it.hook.sent) == 1
        answers, running = listener.answers, notifier._running
        notifier.configure(it.settings("slack"))
        assert (listener.answers, notifier._running) == (answers, running)
        changed = it.settings("slack")
        changed.slack = dataclasses.replace(changed.slack, show="diff")
        notifier.configure(changed)
        assert notifier._listener is listener and listener.answers is not answers and not notifier._running
        notifier.configure(it.settings())
        assert notifier._listener is None
        await notifier.close()

    in_room(test, tmp_path)


def test_an_address_that_cannot_be_used_any_more_is_told_and_the_channel_goes_on(tmp_path: Path, caplog: Any) -> None:
    async def test(it: Room) -> None:
        it.opened = (it.seat.desk, it.seat.store, it.seat.clock)
        it.seat.store.tell(["slack"])
        notifier = it.notifier()
        taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        settings = it.settings("slack")
        port = taken.sockets[0].getsockname()[1]
        settings.slack = settings_of(it.slack.url, it.folder, listen=("127.0.0.1", port))
        notifier.configure(settings)
        notifier.tick()
        await it.seat.held(asked("1", terms=COMES))
        await it.until(lambda: it.slack.messages and "Slack's answers are not taken" in caplog.text)
        taken.close()
        await notifier.close()

    in_room(test, tmp_path)


def test_what_is_being_told_when_the_gateway_ends_is_told_and_noted(tmp_path: Path) -> None:
    async def test(it: Room) -> None:
        it.opened = (it.seat.desk, it.seat.store, it.seat.clock)
        it.seat.store.tell(["slack"])
        notifier = it.notifier("slack")
        notifier.tick()
        answer = it.slack.side.answer
        came, goes = threading.Event(), threading.Event()

        def slow(sent: Sent) -> Said:
            came.set()
            goes.wait(30)
            return answer(sent)

        it.slack.side.answer = slow
        await it.seat.held(asked("1", terms=COMES))
        await it.until(came.is_set)
        closing = asyncio.get_running_loop().create_task(notifier.close())
        goes.set()
        await closing
        assert await answered(lambda then: it.seat.store.do(lambda connection: outbox.next_due(connection, "slack"), then)) is None
        assert len(it.slack.messages) == 1

    in_room(test, tmp_path)
