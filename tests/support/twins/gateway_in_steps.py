"""A whole gateway in this process, driven step by step: worker, recorder, journal, desks, between clients and clusters without
sockets. What its clients, its clusters, its log and its journal get is kept, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import logging
import os
import shutil
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import yaml

from l7gw.approval.active_grants import ActiveGrant
from l7gw.cluster.endpoint import Endpoint
from l7gw.cluster.transport import SocketReading
from l7gw.config.load import load
from l7gw.config.settings import Masking, Settings
from l7gw.demo.pki import write_private
from l7gw.errors import ConfigurationError
from l7gw.gateway import access_lines, worker
from l7gw.gateway.access_log import Access, AccessLog, Short, whole
from l7gw.gateway.known_call import KnownCall
from l7gw.gateway.worker import Worker
from l7gw.identity.fetch import HttpsFetch
from l7gw.limits import Limits
from l7gw.masking.configured import Configured, configured
from l7gw.masking.placeholder import KEY_SIZE
from l7gw.recording import layout, masking_key, reader
from l7gw.recording.batches import Batch
from l7gw.recording.call_record import CallRecord
from l7gw.recording.recorder import Recorder
from l7gw.supervisor.hold_desk import HoldDesk
from l7gw.timeouts import Timeouts
from tests.support.twins.drawn import drawn
from tests.support.twins.far_answers import Answer
from tests.support.twins.far_cluster import FarCluster
from tests.support.twins.house_of_twins import BEGINS, CLUSTERS, GATEWAY_TOKENS, ISSUER, KEY, House
from tests.support.twins.stepped_loop import SteppedLoop
from tests.support.twins.turned_clock import TurnedClock
from tests.support.twins.wire import Wire

Step = tuple[Any, ...]
Said = dict[str, list[bytes | str]]  # by place (a connection, the log): what came there in one step
# No sync but those that are waited for: the others come by the machine's clock. A connection may outlive a session
TIMES = Timeouts(sync_every=1e6, between_requests=1100.0)

_Memory = type(lru_cache(int))
# Modules whose memories hold what is compiled of constants and of the configuration, each for half a second
COMPILED = (
    "l7gw.masking.detectors.",
    "l7gw.masking.placeholder_search",
    "l7gw.masking.registry.escape_",
    "l7gw.kube.objects.protobuf_",
)


@lru_cache(maxsize=1)
def _memories(_modules: int) -> list[Any]:
    """What a gateway leaves to the next one in this process: some of it logs only what is new. `_modules` is how many are loaded."""
    found = [one for one in gc.get_objects() if isinstance(one, _Memory) and one.__module__.startswith("l7gw.")]
    return [one for one in found if not one.__module__.startswith(COMPILED)]


_compiled: dict[str, Configured] = {}


def _compiled_once(said: Masking, file: Path) -> Configured:
    """What the section `masking` says. Its detectors are compiled once for all gateways, which takes half a second."""
    known = _compiled.get(repr(said))
    if known is None:
        known = _compiled[repr(said)] = configured(said, file)
    return replace(known)


@lru_cache(maxsize=64)
def _tokens(text: str, loader: Any, *, scan: Any = yaml.scan) -> list[Any]:
    return list(scan(text, loader))


# To read YAML takes longer than thirty calls, so that each text is read once. What is made of its nodes is made by each gateway.
_composed = lru_cache(maxsize=64)(yaml.compose)
_known: dict[str, Settings] = {}


def _read(path: Path) -> Settings:
    """The configuration in a file. To read its YAML takes longer than fifty calls, so that each is read once."""
    text = path.read_text()
    if text not in _known:
        _known[text] = load(path)
    return replace(_known[text])


class _Log(logging.Handler):
    def __init__(self, heard: Any) -> None:
        super().__init__(logging.INFO)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            words += f" [{type(record.exc_info[1]).__name__}: {record.exc_info[1]}]"
        self._heard("log", f"{record.levelname} {record.name} {words}\n")


# A block of the journal: its session; what its header says; its content, plain and as it is stored
Block = tuple[str, tuple[Any, ...], bytes, bytes]


class Gateway:
    """`play` runs a traffic. `said` has what came of each step then, and `blocks` what the journal has at the end."""

    def __init__(self, house: House, seed: int, limits: Limits, *, http2: bool) -> None:
        self.house = house
        self.said: list[Said] = []
        self.blocks: list[Block] = []
        self.ended: list[str] = []  # the event and status of each line of the access log
        # Calls that were recorded, and answers that were handed on, as those before; and calls of known heads that had to be made anew
        self.remembered = Counter[str]()
        self.reopened = 0  # connections that the gateway had ended
        self.clock = TurnedClock(BEGINS)
        self.loop = SteppedLoop(self.clock)
        self._seed, self._limits = seed, limits
        self._now: Said = {}
        self._lines: list[Access | Short] = []  # of the access log, that are not written yet
        self._wires: dict[int, Wire] = {}
        self._opened: dict[int, tuple[str, str, str, str, bytes]] = {}
        self.far = {name: FarCluster(name, self.clock, self._heard, speaks_http2=http2 and name != "dev") for name in CLUSTERS}
        self._keys = [KEY]
        self._issuer_down = False
        self._disk = ""  # full | sync: what fails
        self._room = 100 * 1024**3  # bytes that are free
        self._batches = 0  # that the journal has not answered
        self._stuck: list[Batch] | None = None  # batches that a slow disk has not taken
        self._writes_journal = self._closes = False
        self._works = 0  # of the store, that are not answered
        self._drain: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ the run

    def play(self, steps: list[Step]) -> None:
        for memory in _memories(len(sys.modules)):
            memory.cache_clear()
        shutil.rmtree(self.house.state, ignore_errors=True)
        self.house.state.mkdir(mode=0o700)
        self._write_new(masking_key.path_of(self.house.state), bytes(range(KEY_SIZE)))  # else it is drawn by the machine
        with drawn(self._seed, self.clock), self._replaced(), self.loop.running():
            self._play(steps)
        self.loop.close()

    def _write_new(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(mode=0o700)
        write_private(path, data)

    def _play(self, steps: list[Step]) -> None:
        recorder = Recorder(
            self.house.state, clock=self.clock, reserve=1 << 30, loop=self.loop, version="1", timeouts=TIMES, limits=self._limits
        )
        recorder._journal._threads = []  # its turns are taken by `_write_journal`
        recorder.open()
        self._recorder = recorder
        self._gate()
        self._desk = HoldDesk(self.house.state, self.clock, recorder, lambda cluster: self.worker.records(cluster))
        self.worker = Worker(
            _read(self.house.config), recorder, self.clock, TIMES, self._limits, open_desks=self._open_desks, access=AccessLog(self._line)
        )  # fmt: skip
        self.worker.identity.prefetch()
        self._rest()
        for step in steps:
            try:
                getattr(self, f"_{step[0]}")(*step[1:])
                self._rest()
            except Exception as error:
                raise AssertionError(f"in step {step!r:.300}: {error!r}") from error
        self._end()

    def _rest(self) -> None:
        self.loop.rest(self._waits)
        self._write_lines()
        self.said.append(self._now)
        self._now = {}

    def _end(self) -> None:
        """The gateway ends as by SIGTERM."""
        self._disk = ""
        self._let_stuck_go()
        for wire in self._wires.values():
            wire.take(taken=True)
        drain = self._drain or self.loop.create_task(self.worker.drain(lambda: None))
        for _ in range(3000):
            self.loop.rest(self._waits)
            if drain.done():
                break
            self.clock.advance(0.05)
        drain.result()
        closing = self.loop.create_task(self._desk.close())
        while not closing.done():
            self.loop.rest(self._waits)
            self.clock.advance(0.05)
        self._closes = True
        self._recorder.close()
        self._rest()
        self._read_journal()

    def _read_journal(self) -> None:
        for path in reader.segments(self.house.state):
            for place in reader.places(path):
                header = place.header
                if header.session == layout.NO_SESSION:
                    continue
                place.file.seek(place.offset + layout.HEADER_SIZE)
                stored = place.file.read(header.stored)
                about = (
                    header.session_sequence, header.flags, header.last, header.events, header.exchanges, header.denied, header.held,
                    header.content,
                )  # fmt: skip
                self.blocks.append((header.session.hex(), about, reader.decompress(stored, header.plain), stored))

    # ------------------------------------------------------------------ what is replaced of the machine

    @contextlib.contextmanager
    def _replaced(self) -> Iterator[None]:
        gateway, write, sync = self, os.write, os.fdatasync

        async def dial(endpoint: Any, make: Any, timeouts: Any, *, shared: bool) -> Any:
            return await gateway.far[endpoint.name].dial(make, shared=shared)

        async def fetch(_self: object, url: str) -> bytes:
            if gateway._issuer_down:
                raise OSError("connection refused")
            if url.endswith("/keys"):
                return json.dumps({"keys": gateway._keys}).encode()
            issuer = url.partition("/.well-known")[0]
            return json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/keys"}).encode()

        def write_or_fail(descriptor: int, data: Any) -> int:
            if gateway._disk == "full" and gateway._writes_journal:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(descriptor, data)

        def sync_or_fail(descriptor: int) -> None:
            if gateway._disk == "sync" and gateway._writes_journal:
                raise OSError(errno.EIO, "Input/output error")
            if not gateway._writes_journal:
                sync(descriptor)

        def counted(does: Callable[..., Any]) -> Callable[..., Any]:
            def done(*given: Any) -> Any:
                gateway.remembered[does.__name__] += 1
                return does(*given)

            return done

        asked, answered, holds = counted(CallRecord.asked), counted(CallRecord.answered), KnownCall.holds

        def holds_or_counted(known: KnownCall, inforce: Any) -> bool:
            held = holds(known, inforce)
            if not held:
                gateway.remembered["outdated"] += 1
            return held

        room = mock.patch.object(
            os, "statvfs", lambda _: SimpleNamespace(f_bavail=gateway._room, f_frsize=1, f_blocks=200 * 1024**3)
        )
        log = logging.getLogger("l7gw")
        handler, level = _Log(self._heard), log.level
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        try:
            with (
                mock.patch.object(Endpoint, "dial", dial), mock.patch.object(HttpsFetch, "__call__", fetch), room,
                mock.patch.object(os, "write", write_or_fail), mock.patch.object(os, "fdatasync", sync_or_fail),
                mock.patch.object(worker, "configured", _compiled_once),
                mock.patch.object(yaml, "scan", _tokens), mock.patch.object(yaml, "compose", _composed),
                mock.patch.object(CallRecord, "asked", asked), mock.patch.object(CallRecord, "answered", answered),
                mock.patch.object(KnownCall, "holds", holds_or_counted),
            ):  # fmt: skip
                yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)

    def _gate(self) -> None:
        """Count what the journal has not answered, and let the disk be slow."""
        put = self._recorder.outbox._journal.put

        def gated(batch: Batch) -> None:
            # That a batch is written, and its sync still missing, nobody is told: when a thread is that far is chance.
            def answered(left: Any, error: Exception | None) -> None:
                self._batches -= 1
                batch.written = given.written
                batch.done(left, error)

            def done(left: Any, error: Exception | None) -> None:
                self.loop.call_soon_threadsafe(answered, left, error)

            given = Batch(batch.pieces, batch.sync, done)
            if self._stuck is not None:
                self._stuck.append(given)
                return
            self._batches += 1
            put(given)
            if self._closes:
                self._write_journal()

        self._put = put
        self._recorder.outbox._journal.put = gated  # type: ignore[method-assign]

    def _waits(self) -> str:
        """Do what the journal's threads would, here: a thread that is waited for takes as long as the machine likes. Gives the kind of
        thread that has not answered."""
        if self._batches:
            self._write_journal()
            return "journal"
        return "l7gw" if self._works else ""

    def _write_journal(self) -> None:
        journal = self._recorder.outbox._journal
        self._writes_journal = True
        while not journal._queue.empty():
            journal._take_turn()
            journal._serve_due()
        self._writes_journal = False

    def _let_stuck_go(self) -> None:
        stuck, self._stuck = self._stuck or [], None
        for batch in stuck:
            self._batches += 1
            self._put(batch)

    def _open_desks(self, active: Any) -> Any:
        opened = self._desk.open(active)
        about = self._desk.opened
        assert about is not None
        store = about[1]
        do = type(store).do

        def counted(work: Any, then: Any) -> None:
            self._works += 1

            def told(found: Any) -> None:
                self._works -= 1
                then(found)

            do(store, work, told)

        store.do = counted  # type: ignore[method-assign]
        return opened

    # ------------------------------------------------------------------ what comes out

    def _heard(self, place: str, data: bytes | str) -> None:
        heard = self._now.setdefault(place, [])
        if heard and isinstance(data, bytes) and isinstance(heard[-1], bytes):
            heard[-1] += data
        else:
            heard.append(data)

    def _line(self, line: Access | Short) -> None:
        self._lines.append(line)
        _, event, _, status, *_ = whole(line)
        self.ended.append(f"{event} {status}")

    def _write_lines(self) -> None:
        """Do what the thread of the log would."""
        lines, self._lines = self._lines, []
        if lines:
            self._heard("access", access_lines.as_json(lines))
            self._heard("access as text", access_lines.as_text(lines))

    # ------------------------------------------------------------------ steps: clients

    def _open(self, number: int, spoken: str, address: str, certificates: str, server_name: str, greeting: bytes = b"") -> None:
        self._opened[number] = spoken, address, certificates, server_name, greeting
        chain = [
            SimpleNamespace(public_bytes=partial(ssl.DER_cert_to_PEM_cert, der))
            for der in self.house.certificates.get(certificates, ())
        ]
        tls = SimpleNamespace(
            selected_alpn_protocol=lambda: spoken,
            _sslobj=SimpleNamespace(get_verified_chain=lambda: chain),
            get_verified_chain=lambda: list(self.house.certificates.get(certificates, ())),
            getpeercert=lambda binary_form: (self.house.certificates.get(certificates) or (None,))[0],
            l7gw_server_name=server_name,
        )
        wire = Wire(lambda data: self._heard(f"client {number}", data), ssl_object=tls, peername=(address, 40_000 + number))
        self._wires[number] = wire
        arrival = self.worker.client()
        arrival.below = SocketReading(wire)  # type: ignore[arg-type]  # it has what is asked of one
        wire.made(arrival)
        wire.feed(greeting)

    def _feed(self, number: int, data: bytes) -> None:
        """The client sends; where the gateway has ended its connection, over another one."""
        if self._wires[number].over:
            self.reopened += 1
            self._open(number, *self._opened[number])
        self._wires[number].feed(data)

    def _leave(self, number: int, how: str) -> None:
        wire = self._wires[number]
        wire.leave(ConnectionResetError(104, "Connection reset by peer") if how == "reset" else None)

    def _reads(self, number: int, reads: bool) -> None:
        self._wires[number].take(taken=reads)

    # ------------------------------------------------------------------ steps: clusters

    def _answers(self, cluster: str, target: str, answer: Answer) -> None:
        self.far[cluster].answers[target] = answer

    def _goes_on(self, cluster: str, target: str) -> None:
        self.far[cluster].go_on(target)

    def _cluster(self, cluster: str, what: str, value: Any) -> None:
        assert hasattr(self.far[cluster], what)
        setattr(self.far[cluster], what, value)

    # ------------------------------------------------------------------ steps: the gateway's own

    def _policy(self, text: str) -> None:
        self.house.policy.write_text(text)
        os.utime(self.house.policy, ns=(len(self.said), len(self.said)))  # two writes may fall into one tick of the file system

    def _configure(self, **changed: Any) -> None:
        self.house.write(self.house.settings(**changed), self.house.config)
        try:
            self.worker.configure(_read(self.house.config))
            self.worker.identity.prefetch()
        except (ConfigurationError, OSError, ValueError) as error:
            self._heard("log", f"not configured: {error}\n")

    def _configured(self, changed: dict[str, Any]) -> None:
        self._configure(**changed)

    def _advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def _tick(self) -> None:
        self.worker.tick()

    def _set_clock(self, ahead: float) -> None:
        self.clock.set_ahead(ahead)

    def _credential(self, which: int) -> None:
        self.house.renew(GATEWAY_TOKENS[which])
        os.utime(self.house.token, ns=(len(self.said), len(self.said)))

    def _issuer(self, what: str) -> None:
        self._issuer_down = what == "down"
        self._keys = [] if what == "withdrawn" else [KEY]

    def _disk_is(self, how: str) -> None:
        """`full` and `sync` fail, `stuck` takes nothing, `low` has no room, "" is well."""
        self._disk = how if how in ("full", "sync") else ""
        self._room = 1024**2 if how == "low" else 100 * 1024**3
        if how == "stuck":
            self._stuck = self._stuck or []
        else:
            self._let_stuck_go()

    def _grants(self, *given: tuple[str, str, str, str, float]) -> None:
        """The grants in force: group, user, kind, cluster, seconds."""
        now = self.clock.wall()
        active = [
            ActiveGrant(f"g-{group}-{user}", group, (ISSUER, user, kind, "", cluster), int((now + lasts) * 1e6), int(lasts * 1e6))
            for group, user, kind, cluster, lasts in given
        ]
        self.worker.grants.replace(active, {}, now)

    def _end_grant(self, name: str) -> None:
        self.worker.grants.drop(name, "was revoked by lea")

    def _ends(self, user: str) -> None:
        """Somebody ends the calls of this user."""
        for call in self.worker.running:
            if call.session_id and call.requester.user == user:
                call.kill("lea", "too long", local=False)

    def _drains(self) -> None:
        if self._drain is None:
            self._drain = self.loop.create_task(self.worker.drain(lambda: None))
