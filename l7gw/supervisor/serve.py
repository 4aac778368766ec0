"""`l7gw serve`: sockets, signals and the one worker of this version, in one process.

The worker knows nothing of sockets, signals or systemd. So a later version can start and replace workers in processes of their own
by replacing this file alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from l7gw.api.unix_socket import ApiSocket
from l7gw.clock import SystemClock
from l7gw.cluster.transport import listen
from l7gw.config.load import load
from l7gw.config.settings import Settings, listened_on
from l7gw.errors import ConfigurationError
from l7gw.gateway.access_log import AccessLog
from l7gw.gateway.worker import Worker
from l7gw.identity.keys import KeySet
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.os_faults import address_fault
from l7gw.recording.recorder import Recorder
from l7gw.supervisor import startup
from l7gw.supervisor.hold_desk import HoldDesk
from l7gw.supervisor.logs import GatewayLog
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

if TYPE_CHECKING:
    from l7gw.notify.notifier import Notifier

log = logging.getLogger(__name__)

BACKLOG = 1024


def serve(
    config: Path,
    say: Callable[[str], None],
    gateway_log: GatewayLog,
    timeouts: Timeouts = USUAL_TIMEOUTS,
    limits: Limits = USUAL_LIMITS,
) -> None:
    """Run the gateway until SIGTERM or SIGINT. `gateway_log` is closed by the caller, who opened it.

    `say` is called with `ready on ADDRESS` for each address that the gateway listens on. Where an issuer's keys cannot be fetched,
    it is called with `not ready for tokens of ISSUER: WHY`, and later with `ready for tokens of ISSUER` once they are there.

    Raises ConfigurationError, and OSError where an address or the state cannot be used.
    """
    settings = load(config)
    gateway_log.configure(settings.log)
    uvloop.run(_Server(config, settings, say, gateway_log, timeouts, limits).run())


class _Server:
    def __init__(
        self,
        config: Path,
        settings: Settings,
        say: Callable[[str], None],
        gateway_log: GatewayLog,
        timeouts: Timeouts,
        limits: Limits,
    ) -> None:
        self._log = gateway_log
        self._config = config
        self._settings = settings
        self._say = say
        self._timeouts = timeouts
        self._limits = limits
        self._ending = asyncio.Event()
        self._listeners: list[asyncio.Server] = []
        self._socket: ApiSocket | None = None
        self._desk: HoldDesk | None = None
        self._notifier: Notifier | None = None  # as long as no channel is told of holds
        self._told: tuple[str, ...] = ()  # what the log says of the configuration in force
        self._followed: set[KeySet] = set()  # issuers whose keys are being fetched for the first time

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        recording = self._settings.recording
        recorder = Recorder(
            self._settings.state,
            clock=SystemClock(),
            reserve=recording.reserve,
            loop=loop,
            timeouts=self._timeouts,
            limits=self._limits,
        )
        recorder.open()
        store = self._settings.store
        desk = self._desk = HoldDesk(self._settings.state, SystemClock(), recorder, lambda cluster: worker.records(cluster), store)
        try:
            await self._notify_first()
            access = AccessLog(self._log.of_call)
            worker = Worker(
                self._settings, recorder, SystemClock(), self._timeouts, self._limits, open_desks=desk.open, access=access
            )
            await self._listen(worker)
            self._socket = await self._open_socket(worker)
            self._handle_signals(worker)
            gc.collect()
            gc.freeze()  # the objects made so far stay until the end: the garbage collector need not look at them
            worker.identity.prefetch()
            self._tell_meaning(worker)
            self._tell(worker)
            worker.warm()
            ticking = loop.create_task(self._tick(worker, self._socket))
            await self._ending.wait()
            log.info("ending: no more connections are accepted")
            notify("STOPPING=1")
            await worker.drain(self._close)
            ticking.cancel()
        finally:
            self._close()
            if self._notifier is not None:
                await self._notifier.close()
            await desk.close()
            recorder.close()

    async def _listen(self, worker: Worker) -> None:
        for host, port in self._settings.listen:
            try:
                listener = await listen(
                    worker.client,
                    host,
                    port,
                    lambda: worker.listening.context,
                    worker.door,
                    backlog=BACKLOG,
                    timeouts=self._timeouts,
                )
            except OSError as error:
                raise OSError(f"`listen`: {address_fault(error, host, port)}") from error
            self._listeners.append(listener)

    async def _open_socket(self, worker: Worker) -> ApiSocket:
        """The API's socket. On a volume that can have none the gateway serves without, unless the configuration asks for it."""
        opened = ApiSocket(worker.api, self._settings.socket_path, self._settings.socket_group)
        try:
            await opened.open()
        except OSError as error:
            if self._settings.socket is not None or self._settings.socket_group:
                raise
            log.error("there is no socket for `l7gw holds` on this machine, only --server: %s", error)
        return opened

    def _tell_meaning(self, worker: Worker) -> None:
        """Log what the configuration means; after a reload, what is new in it."""
        meaning = tuple(startup.lines(worker.settings, worker.policy, self._addresses))
        for line in meaning:
            if line not in self._told:
                log.info("%s", line)
        self._told = meaning

    @property
    def _addresses(self) -> list[str]:
        """Where the gateway listens."""
        found = [sock.getsockname()[:2] for listener in self._listeners for sock in listener.sockets]
        return [listened_on(host, port) for host, port in found]

    def _tell(self, worker: Worker) -> None:
        for address in self._addresses:
            self._say(f"ready on {address}")
        notify("READY=1")
        self._follow_all(worker)

    def _follow_all(self, worker: Worker) -> None:
        for keys in worker.identity.key_sets:
            if keys.fetching and keys not in self._followed:
                self._followed.add(keys)
                keys.wait(partial(self._follow, keys, had_failed=False))

    def _follow(self, keys: KeySet, *, had_failed: bool) -> None:
        """A fetch of an issuer's keys has ended. Where it failed, say so once, wait for the next fetch, and say when one
        succeeds."""
        if self._ending.is_set():
            return
        if keys.failure or had_failed:
            line = (
                f"not ready for tokens of {keys.issuer}: {keys.failure}" if keys.failure else f"ready for tokens of {keys.issuer}"
            )
            if not (keys.failure and had_failed):  # said once, not at each attempt
                self._say(line)
                notify(f"STATUS={line}")
        if keys.failure:
            keys.wait(partial(self._follow, keys, had_failed=True))
        else:
            self._followed.discard(keys)

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        if self._socket is not None:
            self._socket.close()

    def _handle_signals(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload, worker)

    def _end(self) -> None:
        if self._ending.is_set():
            os._exit(1)  # the second signal ends the process at once; what the journal has not written is lost
        self._ending.set()

    def _reload(self, worker: Worker) -> None:
        """Read the configuration again and put it into force, all but what `_fixed` names. A wrong one changes nothing."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        try:
            settings = load(self._config)
            if _fixed(settings) != _fixed(self._settings):
                log.error("`listen`, `state`, `socket` and `store` change only with a restart")
            worker.configure(settings)
            self._log.configure(settings.log)
            self._notify(settings)
            worker.warm()
            log.info("configuration read again")
            self._tell_meaning(worker)
            worker.identity.prefetch()
            self._follow_all(worker)
        except (ConfigurationError, OSError, ValueError) as error:
            log.error("the changed configuration is not used, the former stays in force:\n%s", error)
        notify("READY=1")

    async def _notify_first(self) -> None:
        """At the start an address that cannot be used ends the gateway; later it is told in the log."""
        self._notify(self._settings)
        if self._notifier is not None:
            await self._notifier.open()

    def _notify(self, settings: Settings) -> None:
        """Tell the channels of a configuration of holds. Raises OSError where one cannot be."""
        assert self._desk is not None
        self._desk.configure(settings.channels)
        if self._notifier is not None:
            self._notifier.configure(settings)
        elif settings.channels:
            from l7gw.notify.notifier import Notifier  # loaded where it is used, as the desk is

            self._notifier = Notifier(settings, SystemClock(), self._desk, self._timeouts)

    async def _tick(self, worker: Worker, api: ApiSocket) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                api.tick(worker.clock.monotonic())
                worker.tick()
                if self._notifier is not None:
                    self._notifier.tick()
            except Exception:
                log.exception("the second's tick failed")


def _fixed(settings: Settings) -> tuple[object, ...]:
    """What a reload leaves as it was."""
    return settings.listen, settings.state, settings.socket_path, settings.socket_group, settings.store


def notify(state: str) -> None:
    """Tell systemd the state, where systemd asked for that by NOTIFY_SOCKET (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)
