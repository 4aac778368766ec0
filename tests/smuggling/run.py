"""Run the smuggling corpus through a proxy: `tests/smuggling/run.py [--peers] [--cut] [NAME...]`.

Each vector goes over a connection of its own, whole or (`--cut`) a byte at a time, to a proxy in front of an upstream that keeps
every byte. Without `--peers` the gateway alone is tried, and what it did not handle as expected is printed. With `--peers` Go's
httputil.ReverseProxy and nginx are tried beside it; the table goes to stdout and to docs/conformance/smuggling.json, from which
`python -m tests.conformance.page render` then makes the page. Go and nginx must be installed for that; it is no part of `make
test`, and takes one or two minutes.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime
import json
import queue
import re
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent.parent.parent)

from tests.smuggling import frames, stage
from tests.smuggling.judge import EXPECTED, OTHER, OUTCOMES, UNSAFE, Seen, judge, messages, wanted
from tests.support.vector_files import Vector, read

if TYPE_CHECKING:
    from tests.smuggling.stage import Lane, Target

CORPUS = Path(__file__).parent / "corpus"
RESULT = Path(__file__).parent.parent.parent / "docs" / "conformance" / "smuggling.json"
PROTOCOLS = {"http1": "http/1.1", "http2": "h2"}
ANSWER_WITHIN = 8.0  # seconds
INCOMPLETE_FOR = 0.4  # seconds to wait for the answer to a message that never ends
AFTER = 0.04  # seconds to wait for an answer too many
SETTLE = 0.02  # seconds to wait for late bytes at the upstream
SETTLE_RESET = 0.2  # seconds, as SETTLE, where the client was told of a fault while its request was under way


@dataclass(frozen=True)
class Result:
    vector: Vector
    outcome: str
    why: str
    seen: Seen | None


def corpus(protocol: str) -> list[Vector]:
    """The vectors of `http1` or `http2`, by name."""
    return [read(path) for path in sorted((CORPUS / protocol).glob("*"))]


def spoken(vector: Vector, lane: Lane, token: str) -> bytes:
    """The bytes that the client writes: the vector, with `{token}`, `{token64}` (its base64url), `{host}` and `{other}` (the name
    of the next lane) replaced."""
    packed = base64.urlsafe_b64encode(token.encode()).rstrip(b"=")
    names = stage.hosts()
    other = names[(names.index(lane.host) + 1) % len(names)]
    data = vector.data.replace(b"{token}", token.encode()).replace(b"{token64}", packed)
    return data.replace(b"{host}", lane.host.encode()).replace(b"{other}", other.encode())


def _write(client: ssl.SSLSocket, data: bytes, cut: bool) -> None:
    """Write the bytes at once, or in TLS records of one byte each. The proxy may end the connection meanwhile."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
        for piece in [data[at : at + 1] for at in range(len(data))] if cut else [data]:
            client.sendall(piece)


def _read(client: ssl.SSLSocket, seconds: float) -> bytes | None:
    """The next bytes; b"" at the end, None where nothing came in time."""
    client.settimeout(max(seconds, 0.001))
    try:
        return client.recv(65536)
    except TimeoutError:
        return None
    except (ConnectionResetError, ssl.SSLError):
        return b""


def _listen(client: ssl.SSLSocket, take: Callable[[bytes], int], answers: int, within: float) -> bool:
    """Read until as many answers came as are due, counted by `take`, and none came behind
    them. Gives whether the proxy has closed."""
    end = time.monotonic() + within
    complete = False
    while (data := _read(client, end - time.monotonic())) is not None:
        if not data:
            return True
        if take(data) >= answers and not complete:
            complete = True
            end = time.monotonic() + AFTER
    return False


def _http1(lane: Lane, vector: Vector, data: bytes, cut: bool) -> Seen:
    received = bytearray()

    def take(more: bytes) -> int:
        received.extend(more)
        return len(statuses())

    def statuses() -> list[int]:
        found = [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", received)]
        return [status for status in found if status >= 200 or status == 101]

    with lane.connect("http/1.1") as client:
        _write(client, data, cut)
        closed = _listen(client, take, _due(vector), _within(vector))
    return Seen([], statuses(), closed=closed)


def _http2(lane: Lane, vector: Vector, data: bytes, cut: bool) -> Seen:
    reader, due = frames.Reader(), _due(vector)
    text = data.decode("latin-1")
    opened = frames.opened(text)
    start = b"" if "preface" in vector.fields else frames.PREFACE + frames.frame(4, 0, 0, b"")
    with lane.connect("h2") as client:
        if not frames.chose_h2(client):
            raise AssertionError("the proxy does not choose h2 by ALPN")

        def take(more: bytes) -> int:
            if owed := reader.receive(more):
                _write(client, owed, False)
            over = reader.ended | reader.reset | {stream for stream in opened if stream > reader.last}
            return due if reader.failed or (len(over) >= due and opened <= over) else 0

        _write(client, start + frames.Writer().write(text), cut)
        closed = _listen(client, take, due, _within(vector))
    return Seen([], reader.statuses, bool(reader.reset or reader.failed), closed)


def _due(vector: Vector) -> int:
    """How many answers to wait for. Where an answer may be lost, one of any kind shows that the proxy is done."""
    answers = [reading.answers for reading in wanted(vector.fields["expect"])]
    return 1 if "then reset" in vector.fields["expect"] else max(answers)


def _within(vector: Vector) -> float:
    return INCOMPLETE_FOR if "incomplete" in vector.fields else ANSWER_WITHIN


def play_one(target: Target, lane: Lane, protocol: str, vector: Vector, cut: bool) -> Result:
    lane.answer = vector.fields.get("answer", "200")
    before = {id(visit): len(visit.received) for visit in lane.upstream.visits}  # connections are kept and used again
    speak = _http1 if protocol == "http1" else _http2
    seen = speak(lane, vector, spoken(vector, lane, target.token), cut)
    time.sleep(SETTLE_RESET if "then reset" in vector.fields["expect"] else SETTLE)
    grown = [(bytes(visit.received), before.get(id(visit), 0)) for visit in list(lane.upstream.visits)]
    seen.upstream = [received[at:] for received, at in grown if received[at:] and not _is_an_earlier_tunnels(received, at)]
    if "incomplete" in vector.fields:
        seen.closed = True  # the client ended the connection, as it had no more to send
    outcome, why = judge(vector, seen)
    heads = [message.head for connection in seen.upstream for message in messages(connection)[0]]
    if target.name == "l7gw" and target.token.encode() in b"".join(heads):
        outcome, why = UNSAFE, "the client's token reached the upstream"
    return Result(vector, outcome, why, seen)


def _is_an_earlier_tunnels(received: bytes, at: int) -> bool:
    """Whether the bytes behind `at` are the end of a tunnel of an earlier vector, which may come late on a busy machine."""
    tunnel = any(re.search(rb"(?im)^upgrade:", message.head) for message in messages(received[:at])[0])
    return tunnel and re.search(rb"(?i)http/1|^[a-z]+ /", received[at:]) is None


def play(target: Target, protocol: str, vectors: Sequence[Vector], cut: bool = False) -> list[Result]:
    """Send every vector through `target`, as many at once as there are lanes. The results are in the order of the vectors."""
    waiting: queue.SimpleQueue[Vector] = queue.SimpleQueue()
    for vector in vectors:
        waiting.put(vector)
    found: dict[str, Result] = {}

    def work(lane: Lane) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                vector = waiting.get_nowait()
                try:
                    found[vector.name] = play_one(target, lane, protocol, vector, cut)
                except (OSError, AssertionError) as error:
                    found[vector.name] = Result(vector, OTHER, f"{type(error).__name__}: {error}", None)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in target.lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[vector.name] for vector in vectors]


# ---------------------------------------------------------------------- the table of results


def rows(results: dict[str, dict[str, list[Result]]]) -> list[dict[str, object]]:
    """One row for each family and protocol: for each proxy, how many vectors had which outcome.
    `results` are by protocol, then proxy."""
    found: list[dict[str, object]] = []
    for protocol, by_proxy in results.items():
        families = sorted({result.vector.fields["family"] for outcome in by_proxy.values() for result in outcome})
        for family in families:
            row: dict[str, object] = {"protocol": protocol, "family": family}
            for proxy, outcomes in by_proxy.items():
                mine = [result for result in outcomes if result.vector.fields["family"] == family]
                row["vectors"] = len(mine)
                row["asked of"] = "any proxy" if mine[0].vector.fields["asks"] == "proxy" else "a Kubernetes gateway"
                counts = Counter(result.outcome for result in mine)
                row[proxy] = [counts[outcome] for outcome in OUTCOMES]
            found.append(row)
    return found


def table(found: list[dict[str, object]], proxies: Sequence[str]) -> str:
    """The rows as text, each cell as expected / refused though fine / passed though to be refused / unsafe / otherwise."""
    lines = [f"{'':8}{'family':24}{'vectors':>8}" + "".join(f"{proxy:>22}" for proxy in proxies)]
    for row in found:
        cells = "".join(f"{' / '.join(map(str, row[proxy])):>22}" for proxy in proxies)  # type: ignore[arg-type]
        lines.append(f"{row['protocol']:8}{row['family']:24}{row['vectors']:>8}{cells}")
    return "\n".join(lines)


def summary(results: dict[str, dict[str, list[Result]]]) -> str:
    """What the table adds up to, where any proxy is asked."""
    counts: dict[str, Counter[str]] = {}
    whole = 0
    for by_proxy in results.values():
        whole += len(next(iter(by_proxy.values())))
        for proxy, outcomes in by_proxy.items():
            asked = [result.outcome for result in outcomes if result.vector.fields["asks"] == "proxy"]
            counts.setdefault(proxy, Counter()).update(asked)
    said = [f"{proxy} handled {count[EXPECTED]} as expected and passed {count[UNSAFE]} unsafely" for proxy, count in counts.items()]
    asked_all = next(iter(counts.values())).total()
    return (
        f"{whole} vectors over TLS, {asked_all} of them asked of any proxy: of these {', '.join(said)}. The others ask what only a "
        "Kubernetes gateway minds: verbs, paths and identities. Go and nginx are plain proxies as they come, and an upstream "
        "that reads as strictly may make up for what they let pass."
    )


def write(document: dict[str, object]) -> None:
    """Kept with a row a line."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    rows = document["rows"]
    assert isinstance(rows, list)
    text = json.dumps({**document, "rows": []}, indent=1)
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    RESULT.write_text(text.replace('"rows": []', f'"rows": [\n{lines}\n ]') + "\n")


def document(results: dict[str, dict[str, list[Result]]], versions: dict[str, str]) -> dict[str, object]:
    return {
        "title": "Request smuggling: our corpus against l7gw, Go's ReverseProxy and nginx",
        "when": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python tests/smuggling/run.py --peers",
        "counts": [*OUTCOMES],
        "versions": versions,
        "summary": summary(results),
        "rows": rows(results),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="vectors, by the beginning of their names; all unless told")
    parser.add_argument("--peers", action="store_true", help="also Go and nginx; writes docs/conformance/smuggling.json")
    parser.add_argument("--only", choices=["l7gw", "go", "nginx"], help="this proxy alone, telling what it did otherwise")
    parser.add_argument("--protocol", choices=[*PROTOCOLS], help="http1 or http2 alone")
    parser.add_argument("--cut", action="store_true", help="a byte at a time")
    options = parser.parse_args()
    proxies = {"l7gw": stage.gateway, "go": stage.go, "nginx": stage.nginx}
    chosen = [options.only] if options.only else [*proxies] if options.peers else ["l7gw"]
    results: dict[str, dict[str, list[Result]]] = {}
    versions: dict[str, str] = {}
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder, proxies[name](Path(folder)) as target:
            versions[name] = target.version
            for protocol in [options.protocol] if options.protocol else PROTOCOLS:
                vectors = [v for v in corpus(protocol) if not options.names or v.name.startswith(tuple(options.names))]
                results.setdefault(protocol, {})[name] = play(target, protocol, vectors, options.cut)
    for protocol, by_proxy in results.items():
        for result in by_proxy.get(chosen[0], []) if len(chosen) == 1 else by_proxy["l7gw"]:
            if result.outcome != EXPECTED:
                print(
                    f"{protocol}/{result.vector.name}: {result.outcome}: {result.why}\n    expect: {result.vector.fields['expect']}"
                )
    found = rows(results)
    print(table(found, chosen))
    if options.peers:
        write(document(results, versions))


if __name__ == "__main__":
    socket.setdefaulttimeout(10)
    main()
