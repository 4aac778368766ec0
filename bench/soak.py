"""`make soak HOURS=24`: hours of mixed calls through one gateway before a real kube-apiserver, while the gateway's memory is
measured.

Once a minute a line of JSON goes to stdout. Progress and the summary go to stderr. The exit status is 1 where a call failed, memory
grows faster than BOUND, or descriptors stay open after the load. Ctrl-C and SIGTERM end it early, with the summary of what was
seen.

Memory that grows by design is kept out of the figures. The load is two people, whose sessions last; a newcomer every half minute,
whose session ends after 15 minutes; and strangers, whose attempts share one session a day. The client processes that a session
remembers are filled before the first sample.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import json
import random
import re
import signal
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from l7gw.limits import USUAL_LIMITS
from l7gw.wire.spdy import Connection as Spdy
from l7gw.wire.spdy_events import Data, SynStream
from l7gw.wire.websocket_events import Message
from tests.gateway.test_wire import SPDY
from tests.real.test_kubectl import Kubectl, _talk, echoing, forwarding
from tests.support.both_ways import AUDIENCE, Both, before
from tests.support.compared_commands import GROUP, USER
from tests.support.faults import exec_client, messages, resident, trouble
from tests.support.gateway_process import Gateway
from tests.support.http_callers import CALLERS, Caller
from tests.support.kubernetes.build import built
from tests.support.kubernetes.cluster import RealCluster
from tests.support.raw_client import RawClient
from tests.support.scene import Scene

POLICY = """
guardrails:
  - {name: prod stays, namespaces: [prod], effects: [delete], verdict: deny}
rules:
  - {name: all, effects: ["*"], verdict: allow}
"""
BOUND = 1024.0  # KiB an hour of private memory
DESCRIPTORS_LEFT = 4  # descriptors that may be open after the load beyond those that were open before it
WARM_UP = 10  # minutes whose samples do not count for the growth
QUIET = 80.0  # seconds to wait after the load; idle connections to the cluster end after 60
TOKEN_FOR = 900  # seconds that a token is valid
TOUCHED_EVERY = 4.0  # seconds between two events of the pod that every watch waits for
PATIENCE = 60.0  # seconds for one call of a kubectl
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # SO_LINGER value that makes a close a TCP reset
PEOPLE = (USER, "bob@example.com")


class Unexpected(Exception):
    """A call got another answer than expected."""


def expect(found: object, wanted: object, what: object = "") -> None:
    if found != wanted:
        raise Unexpected(f"{found!r} instead of {wanted!r} {what!r:.300}")


class Person(Scene):
    """A person as whom the clients of the tests can call."""

    def __init__(self, gateway: Gateway, user: str) -> None:
        self.gateway = gateway
        self.user = user
        self.token = ""


class Load:
    """All kinds of calls. A method that KINDS or TIMED names makes some calls and returns how many; it raises where one went
    wrong."""

    def __init__(self, both: Both) -> None:
        self.both = both
        self.side = both.fresh()[1]
        self.people = [Person(both.gateway, user) for user in PEOPLE]
        self.pods = f"/api/v1/namespaces/{self.side.namespace}/pods"
        self.maps = f"/api/v1/namespaces/{self.side.namespace}/configmaps"
        self.pod = f"{self.pods}/web-0"
        self._numbers = itertools.count(1)
        self._echo, self._port = echoing()
        self._kubectl = Kubectl("newest", both.cluster.built.kubectl, "websocket")
        self.renew()

    def renew(self) -> None:
        """Get new tokens for the same people, also in the kubeconfig."""
        for person in self.people:
            person.token = self._token(person.user)
        self.both.gateway.kubeconfig("real", self.people[0].token, name="next").replace(self.both.through)

    def _token(self, user: str, lasting: int = TOKEN_FOR) -> str:
        return self.both.provider.token(user, [GROUP], AUDIENCE, lasting=lasting)

    def fill(self) -> None:
        """Make calls from as many client processes of each person as a session remembers."""
        for person in self.people:
            with RawClient(self.both.gateway) as client:
                for _ in range(USUAL_LIMITS.runs_known):
                    client.send(person.request("GET /version", f"Kubectl-Session: {uuid.uuid4()}"))
                    expect(client.answer()[0], 200)

    def _person(self) -> Person:
        return random.choice(self.people)

    def _target(self) -> str:
        return random.choice([self.pod, f"{self.pod}/log", "/version", "/api/v1/namespaces/default", f"{self.maps}?limit=1"])

    def _get(self, caller: Caller, target: str) -> None:
        status, body = caller.call(target)
        expect(status, 200, body)

    # ------------------------------------------------------------------ plain calls

    def fresh(self) -> int:
        """One call on a connection of its own."""
        with contextlib.closing(random.choice(list(CALLERS.values()))(self._person())) as caller:
            self._get(caller, self._target())
        return 1

    def kept(self) -> int:
        """A few calls on one connection."""
        with contextlib.closing(random.choice(list(CALLERS.values()))(self._person())) as caller:
            for n in range(10):
                self._get(caller, self._target())
                if not caller.open:
                    return n + 1
        return 10

    def lists(self) -> int:
        with contextlib.closing(random.choice(list(CALLERS.values()))(self._person())) as caller:
            for target in (self.pods, self.maps, "/api/v1/pods?limit=5", "/api/v1/namespaces"):
                self._get(caller, target)
        return 4

    def large(self) -> int:
        """A call whose answer has some megabytes."""
        with contextlib.closing(random.choice(list(CALLERS.values()))(self._person())) as caller:
            self._get(caller, "/openapi/v2")
        return 1

    def writes(self) -> int:
        name, person = f"soak-{next(self._numbers)}", self._person()
        made = {"metadata": {"name": name}, "data": {"text": "x" * random.randrange(4000)}}
        with RawClient(self.both.gateway) as client:
            for line, kind, body, wanted in (
                (f"POST {self.maps}", "application/json", made, 201),
                (f"PATCH {self.maps}/{name}", "application/merge-patch+json", {"data": {"more": "y"}}, 200),
                (f"DELETE {self.maps}/{name}", "application/json", {}, 200),
            ):
                client.send(person.request(line, f"Content-Type: {kind}", body=json.dumps(body).encode()))
                status, _, answer = client.answer()
                expect(status, wanted, answer)
        return 3

    def touch(self) -> int:
        """Change the pod, which is an event for every watch."""
        patch = json.dumps({"metadata": {"annotations": {"touched": str(next(self._numbers))}}}).encode()
        with RawClient(self.both.gateway) as client:
            request = self._person().request(f"PATCH {self.pod}", "Content-Type: application/merge-patch+json", body=patch)
            client.send(request)
            status, _, answer = client.answer()
            expect(status, 200, answer)
        return 1

    def watch(self) -> int:
        """Begin a watch, read some events and leave: with a TCP reset, or with an end of TCP or TLS."""
        caller = random.choice(list(CALLERS.values()))(self._person())
        with contextlib.closing(caller):
            caller.hear(b"ADDED")
            for _ in range(random.randrange(1, 15)):
                caller.hear(b"MODIFIED")
        return 1

    def newcomer(self) -> int:
        """One call of somebody new, whose session then ends after its time."""
        person = Person(self.both.gateway, f"new-{uuid.uuid4().hex[:12]}@example.com")
        person.token = self._token(person.user)
        with contextlib.closing(random.choice(list(CALLERS.values()))(person)) as caller:
            self._get(caller, self.pod)
        return 1

    # ------------------------------------------------------------------ streams

    def exec_websocket(self) -> int:
        client, leg = exec_client(self._person(), f"{self.pod}/exec?command=sh&stdin=true&stdout=true")
        with client:
            leg.send(Message(b"\x00echo he''llo; exit 3\n"))
            client.send(leg.take())
            found = [one.data for one in messages(client, leg) if isinstance(one, Message)]
        expect(b"".join(one[1:] for one in found if one[:1] == b"\x01"), b"hello\n")
        expect(any(b'"ExitCode","message":"3"' in one for one in found if one[:1] == b"\x03"), True, found)
        return 1

    def exec_spdy(self) -> int:
        query = "command=sh&command=-c&command=echo+hello%3Bexit+3&stdout=true"
        with RawClient(self.both.gateway) as client:
            client.send(self._person().request(f"POST {self.pod}/exec?{query}", *SPDY))
            client.upgraded()
            leg = Spdy("client")
            for number, kind in ((1, "error"), (3, "stdout")):
                leg.send(SynStream(number, (("streamtype", kind),)))
            client.send(leg.take())
            heard = {1: b"", 3: b""}
            for event in leg.receive(client.rest()):  # the kubelet ends the connection without ending its streams
                if isinstance(event, Data):
                    heard[event.stream] += event.data
        expect(heard[3], b"hello\n")
        expect(b'"ExitCode","message":"3"' in heard[1], True, heard[1])
        return 1

    def exec_left(self) -> int:
        """A shell whose client leaves without an end."""
        client, leg = exec_client(self._person(), f"{self.pod}/exec?command=sh&stdin=true&stdout=true")
        leg.send(Message(b"\x00echo be''gun; sleep 60\n"))
        client.send(leg.take())
        messages(client, leg, lambda found: any(b"begun" in one.data for one in found if isinstance(one, Message)))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.socket.close()
        return 1

    def kubectl(self) -> int:
        """Commands of the real kubectl: calls over HTTP/2, and an exec over WebSocket or SPDY."""
        flag = random.choice(["true", "false"])
        side = replace(self.side, environment={"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": flag})
        name = f"soak-{next(self._numbers)}"
        commands: list[list[str]] = random.choice(
            [
                [["exec", "-i", "web-0", "--", "cat"]],
                [["create", "configmap", name, "--from-literal=a=b"], ["delete", "configmap", name]],
                [["get", "pods,configmaps"]],
                [["describe", "pod", "web-0"]],
            ]
        )
        for command in commands:
            done = side.kubectl(self._kubectl.path, *command, stdin=b"typed\n", timeout=PATIENCE)
            expect(done.status, 0, done.err)
            if "exec" in command:
                expect(done.out, "typed\n", done.err)
        return len(commands)

    def port_forward(self) -> int:
        """Whole transfers, then some that are reset midway. At the end kubectl gets a SIGTERM or a SIGKILL."""
        flag = random.choice(["true", "false"])
        side = replace(self.side, environment={"KUBECTL_PORT_FORWARD_WEBSOCKETS": flag})
        process, local = forwarding(side, self._kubectl, self._port)
        try:
            for _ in range(3):
                heard = _talk(local, b"a" * 100_000)
                expect(heard == b"A" * 100_000, True, f"{len(heard)} of 100000 bytes")
            for _ in range(3):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", local), 5) as cut:
                    cut.sendall(b"a" * 200_000)
                    cut.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        finally:
            process.send_signal(random.choice([signal.SIGTERM, signal.SIGKILL]))
            process.communicate(timeout=PATIENCE)
        return 6

    # ------------------------------------------------------------------ refused calls, and clients that leave

    def refused(self) -> int:
        person = self._person()
        with RawClient(self.both.gateway) as client:
            client.send(person.request("GET /version", token=f"{person.token[:-8]}AAAAAAAA"))
            expect(client.answer()[0], 401)
        with RawClient(self.both.gateway) as client:
            client.send(person.request("DELETE /api/v1/namespaces/prod/pods/web-0"))
            status, _, body = client.answer()
            expect((status, b"prod stays" in body), (403, True), body)
        with RawClient(self.both.gateway) as client:
            client.send(b"GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
            expect(client.answer()[0], 400)
        return 3

    def left(self) -> int:
        """Clients that leave in the handshake, before a call, or while its answer comes."""
        address = ("127.0.0.1", self.both.gateway.port)
        socket.create_connection(address, 10).close()
        with socket.create_connection(address, 10) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
        with contextlib.suppress(ssl.SSLError), socket.create_connection(address, 10) as strange:  # it does not trust ours
            ssl.create_default_context().wrap_socket(strange, server_hostname="localhost")
        person = self._person()
        for protocol in CALLERS.values():
            protocol(person).close()
            caller = protocol(person)
            caller.ask("/openapi/v2")
            caller.close()  # unread bytes make this a TCP reset
        return 2


# How often each kind of call begins, as a share of all.
KINDS: dict[str, float] = {
    "fresh": 30,
    "kept": 10,
    "lists": 8,
    "large": 0.3,
    "writes": 10,
    "watch": 3,
    "exec_websocket": 6,
    "exec_spdy": 6,
    "exec_left": 1,
    "kubectl": 1,
    "port_forward": 0.6,
    "refused": 6,
    "left": 4,
}
# The kinds that begin by the clock, with the seconds between two.
TIMED: dict[str, float] = {"touch": TOUCHED_EVERY, "newcomer": 30.0}


class Soak:
    """Runs the load at its pace, makes the changes that happen during it, and takes a sample once a minute."""

    def __init__(self, both: Both, rate: float, console: Console) -> None:
        self.gateway = both.gateway
        self.load = Load(both)
        self.samples: list[dict[str, Any]] = []
        self.calls: collections.Counter[str] = collections.Counter()
        self.failures: collections.Counter[str] = collections.Counter()
        self.ended = threading.Event()
        self._rate = rate
        self._console = console
        self._told: list[str] = []  # failures since the last sample
        self._log_read = 0
        self._lock = threading.Lock()
        self._pools = {"watch": ThreadPoolExecutor(16, "watch"), "": ThreadPoolExecutor(12, "calls")}
        self._began = time.monotonic()

    def run(self, hours: float) -> None:
        """Run the load for so many hours, or until `ended` is set."""
        self._began = now = time.monotonic()
        due: dict[Callable[[], None], tuple[float, float]] = {  # (when it is next due, seconds between two)
            self._begin_any: (now, 1 / self._rate),
            self._sample: (now + 60, 60.0),
            self.load.renew: (now + 300, 300.0),
            self._reload: (now + 90, 180.0),
            self._new_certificate: (now + 150, 300.0),
            **{lambda kind=kind: self._begin(kind): (now, every) for kind, every in TIMED.items()},  # type: ignore[misc]
        }
        while not self.ended.is_set() and time.monotonic() - self._began < hours * 3600:
            for what, (at, every) in due.items():
                if at <= time.monotonic():
                    due[what] = (max(at + every, time.monotonic() - 1), every)  # turns that were missed are not made up
                    what()
            self.ended.wait(max(0.0, min(at for at, _ in due.values()) - time.monotonic()))
        watches = threading.Thread(target=self._pools["watch"].shutdown, kwargs={"cancel_futures": True})
        watches.start()
        while watches.is_alive():  # running watches still wait for their events
            self._begin("touch")
            watches.join(TOUCHED_EVERY)
        self._pools[""].shutdown(cancel_futures=True)

    def _begin_any(self) -> None:
        self._begin(random.choices(list(KINDS), list(KINDS.values()))[0])

    def _begin(self, kind: str) -> None:
        pool = self._pools["watch" if kind == "watch" else ""]
        if pool._work_queue.qsize() < 20:  # a longer queue means that this machine is too slow for the rate
            pool.submit(self._one, kind)

    def _one(self, kind: str) -> None:
        try:
            count = getattr(self.load, kind)()
        except Exception as error:
            self.fail(kind, f"{type(error).__name__}: {error}")
            return
        with self._lock:
            self.calls[kind] += count

    def fail(self, kind: str, why: str) -> None:
        with self._lock:
            self.failures[kind] += 1
            self._told.append(f"{time.strftime('%H:%M:%S')} {kind}: {' '.join(why.split())[:500]}")
        self._console.print(self._told[-1], style="red", highlight=False, markup=False)

    def _reload(self) -> None:
        assert self.gateway.process is not None
        self.gateway.process.send_signal(signal.SIGHUP)

    def _new_certificate(self) -> None:
        self.gateway.authority.server("server", "localhost", "127.0.0.1")

    def look_at_the_log(self) -> None:
        it = self.load.people[0]
        for line in trouble(it)[self._log_read :]:
            self._log_read += 1
            self.fail("log", line)

    def _sample(self) -> None:
        process = self.gateway.process
        if process is None or process.poll() is not None:
            sys.exit(f"the gateway has ended\n{self.gateway.log[-4000:]}")
        self.look_at_the_log()
        with self._lock:
            told, self._told = self._told[:50], []
            calls, failures = dict(self.calls), dict(self.failures)
        sample = {
            "minute": round((time.monotonic() - self._began) / 60),
            **measured(self.gateway),
            "calls": calls,
            "failures": failures,
            "failed": told,
        }
        self.samples.append(sample)
        print(json.dumps(sample), flush=True)
        done, failed = sum(calls.values()), sum(failures.values())
        self._console.print(
            f"minute {sample['minute']}: {done} calls, {failed} failed; RSS {sample['rss_kib']} KiB, "
            f"private {sample['private_kib']} KiB; {sample['descriptors']} descriptors",
            highlight=False,
        )


def measured(gateway: Gateway) -> dict[str, Any]:
    """The memory (KiB), descriptors, threads and journal (MiB) of the gateway's process now (proc(5))."""
    assert gateway.process is not None
    it = Person(gateway, "")
    proc = Path(f"/proc/{gateway.process.pid}")
    private = sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", (proc / "smaps_rollup").read_text(), re.MULTILINE))
    opened = []
    for path in (proc / "fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor was closed meanwhile
            opened.append(str(path.readlink()))
    return {
        "rss_kib": resident(it) // 1024,
        "private_kib": private,
        "descriptors": len(opened),
        "sockets": sum(name.startswith("socket:") for name in opened),
        "threads": len(list((proc / "task").iterdir())),
        "journal_mib": sum(path.stat().st_size for path in gateway.state.rglob("*") if path.is_file()) // 1024**2,
    }


def slope(points: list[tuple[float, float]]) -> tuple[float, float]:
    """The slope of points by least squares, and its standard error. The error of two points or fewer is infinite."""
    rate, base = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    if len(points) < 3:
        return rate, float("inf")
    middle = statistics.fmean(x for x, _ in points)
    left = sum((y - base - rate * x) ** 2 for x, y in points)
    return rate, (left / (len(points) - 2) / sum((x - middle) ** 2 for x, _ in points)) ** 0.5


def summary(soak: Soak, before: dict[str, Any], after: dict[str, Any]) -> int:
    """Print the summary. Returns the exit status."""
    say = Console(stderr=True, highlight=False).print
    calls, failures, minutes = sum(soak.calls.values()), sum(soak.failures.values()), len(soak.samples)
    samples = [sample for sample in soak.samples if sample["minute"] >= WARM_UP]
    say(f"{calls} calls in {minutes} minutes, {failures} failed {dict(soak.failures) or ''}")
    say(f"before the load: {before}\nquiet behind it: {after}")
    grows = False
    if len(samples) >= 2:
        for key, name in (("rss_kib", "RSS"), ("private_kib", "private memory"), ("descriptors", "descriptors")):
            rate, error = slope([(sample["minute"] / 60, float(sample[key])) for sample in samples])
            first, last = samples[0][key], samples[-1][key]
            say(f"{name}: {first} after {WARM_UP} minutes, {last} at the end, {rate:+.1f} ± {error:.1f} an hour")
            grows |= key.endswith("_kib") and rate > BOUND and rate > 2 * error
    left = after["descriptors"] - before["descriptors"]
    say(f"descriptors that stayed open: {left}")
    if grows:
        say(f"memory grows faster than {BOUND:.0f} KiB an hour", style="red")
    if left > DESCRIPTORS_LEFT:
        say("descriptors stay open", style="red")
    return int(bool(failures) or grows or left > DESCRIPTORS_LEFT or len(samples) < 2)


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Both]:
    with RealCluster.start(folder / "cluster", built()) as cluster:
        cluster.namespace("prod")
        with before(cluster, folder / "both", POLICY, watched=False) as both:
            yield both


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=6.0, help="kinds of calls begun in a second")
    parser.add_argument("--folder", type=Path, help="where all state lies; default: a temporary folder that is removed")
    options = parser.parse_args()
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        soak = Soak(stack.enter_context(staged(folder)), options.rate, console)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: soak.ended.set())
        before_it = measured(soak.gateway)
        console.print(f"process {soak.gateway.process and soak.gateway.process.pid}: {before_it}", highlight=False)
        soak.load.fill()
        soak.run(options.hours)
        console.print(f"quiet for {QUIET:.0f} s", highlight=False)
        time.sleep(QUIET)
        after = measured(soak.gateway)
        soak.gateway.stop()
        soak.look_at_the_log()
        verified = soak.gateway.l7gw("verify", check=False, within=1800.0)
        if verified.returncode:
            soak.fail("verify", verified.stdout + verified.stderr)
        console.print(f"{len(soak.gateway.sessions())} sessions", highlight=False)
        return summary(soak, before_it, after)


if __name__ == "__main__":
    sys.exit(main())
