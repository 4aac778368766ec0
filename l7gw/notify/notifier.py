"""What tells of holds outside, as a whole: the channels of the configuration, each with its worker, and where Slack answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from l7gw.approval.messages import Hold
from l7gw.clock import Clock
from l7gw.config.settings import Settings
from l7gw.identifiers import uuid7
from l7gw.notify.delivery import Channel, Delivery
from l7gw.notify.slack import SlackChannel
from l7gw.notify.slack_answers import Holding, SlackAnswers
from l7gw.notify.slack_listener import SlackListener
from l7gw.notify.webhook import WebhookChannel
from l7gw.timeouts import Timeouts

log = logging.getLogger(__name__)

OPENS_AGAIN = 60.0  # seconds until an address that could not be used is tried again
ENDS_WITHIN = 5.0  # seconds in which what is being told may end; else it is told again after the next start


class Notifier:
    """`holding` has the desk and its database, as soon as something was ever held: nothing is told until then."""

    def __init__(self, settings: Settings, clock: Clock, holding: Holding, timeouts: Timeouts) -> None:
        """Raises OSError where a secret cannot be used."""
        self._clock = clock
        self._holding = holding
        self._timeouts = timeouts
        self._holder = uuid7()
        self._channels: list[Channel] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._running: list[tuple[Delivery, asyncio.Task[None]]] = []
        self._end_watch: Callable[[], None] | None = None
        self._listener: SlackListener | None = None
        self._opening: asyncio.Task[None] | None = None
        self._configured: tuple[object, ...] = ()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Put a configuration into force. Raises OSError where a secret or certificate cannot be used, and then changes nothing."""
        configured = (settings.slack, settings.webhook, settings.tls)
        if configured == self._configured:
            return  # secrets and certificates are read again where they are used
        channels: list[Channel] = []
        if settings.webhook is not None:
            channels.append(WebhookChannel(settings.webhook, self._clock))
        listener = None
        if settings.slack is not None:
            slack = SlackChannel(settings.slack)
            answers = SlackAnswers(settings.slack, slack, self._clock, self._holding)
            channels.append(slack)
            listener = self._listener
            if listener is None or (listener.listen, listener.tls) != (settings.slack.listen, settings.tls):
                listener = SlackListener(answers, settings.slack.listen, settings.tls, self._clock, self._timeouts)
            else:
                listener.answers = answers
        self._stop()
        self._configured = configured
        self._channels = channels
        if listener is not self._listener and self._listener is not None:
            self._listener.close()
        if listener is not self._listener and self._opening is not None:
            self._opening.cancel()
        self._listener = listener

    async def open(self) -> None:
        """Listen for Slack's answers. Raises OSError, in words, where the address cannot be used."""
        if self._listener is not None and not self._listener.address:
            await self._listener.open()

    def tick(self) -> None:
        """Once a second: begin to tell as soon as there is something to tell of."""
        if self._listener is not None:
            self._listener.tick(self._clock.monotonic())
            if not self._listener.address and (self._opening is None or self._opening.done()):
                self._opening = asyncio.get_running_loop().create_task(self._open_again())
        opened = self._holding.opened
        if self._running or not self._channels or opened is None:
            return
        desk, store, clock = opened
        for channel in self._channels:
            one = Delivery(store, channel, clock, self._holder)
            self._running.append((one, asyncio.get_running_loop().create_task(one.run())))
        self._end_watch = desk.watch(self._changed)

    async def close(self) -> None:
        """Tell no more. What was not told is told at the next start."""
        if self._listener is not None:
            self._listener.close()
        self._stop()
        if self._ending:
            await asyncio.wait(self._ending, timeout=ENDS_WITHIN)
        for task in list(self._ending):
            task.cancel()

    async def _open_again(self) -> None:
        """Listen at another address than before, once a configuration names one."""
        try:
            await self.open()
        except OSError as error:
            log.error("Slack's answers are not taken: %s", error)
            await asyncio.sleep(OPENS_AGAIN)

    def _changed(self, _hold: Hold) -> None:
        for one, _ in self._running:
            one.wake()

    def _stop(self) -> None:
        for one, task in self._running:
            one.end()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        self._running = []
        if self._end_watch is not None:
            self._end_watch()
            self._end_watch = None
