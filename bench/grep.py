"""How fast `l7gw grep` reads recordings, beside `zstd -dc | grep` over the same text: whole processes, which take turns.

    bench/grep.py [--megabytes 200] [--rounds 3]

One journal has lists of pods, logs and output of execs, the other output of terminals. Megabytes are those that a journal has on
the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from l7gw.clock import SystemClock
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.recording.recorder import Recorder
from l7gw.recording.session import Session

NEEDLE = "correct-horse-[0-9]+-staple"
WORDS = [f"{a}{b}" for a in ("pod", "app", "web", "node", "data", "api", "log", "disk") for b in range(500)]
POD = "/api/v1/namespaces/d/pods/web-0"
KINDS = {  # target -> its share of the bytes
    "/api/v1/pods": 6, f"{POD}/log": 3, f"{POD}/exec?command=cat&stdout=true": 2, f"{POD}/exec?command=sh&stdout=true&tty=true": 0,
}  # fmt: skip
CALL = 256 * 1024  # bytes of a call
FRAME = 8 * 1024  # bytes of a frame, as kubectl sends a command's output


def text(dice: random.Random, size: int, *, as_json: bool) -> bytes:
    """So many bytes that compress about as Kubernetes' own do."""
    words = dice.choices(WORDS, k=size // 8)
    if as_json:
        items = [
            {"name": a, "uid": f"{dice.getrandbits(64):x}", "image": b, "node": c}
            for a, b, c in zip(words[::9], words[1::9], words[2::9])
        ]
        return json.dumps({"kind": "PodList", "items": items}).encode()[:size]
    lines = [" ".join([f"2026-01-01T00:00:{dice.random():09.6f}Z", *words[at : at + 9]]) for at in range(0, len(words), 9)]
    return "\n".join(lines).encode()[: size - 1] + b"\n"


def record(session: Session, target: str, data: bytes) -> None:
    one = session.begin(run_id="bench", client="kubectl/v1.33", command="kubectl get")
    one.request(method="GET", target=target, headers=(), act=describe("GET", target), audit_id="audit")
    one.verdict("allow", rule="all", reason="allowed")
    if "/exec" in target:
        one.response(101, ())
        for at in range(0, len(data), FRAME):
            one.frame("stdout", up=False, stream=1, data=data[at : at + FRAME])
    else:
        one.response(200, ())
        one.response_body(data)
    one.end("complete")


async def make(state: Path, plain: Path, megabytes: int, kinds: dict[str, int]) -> None:
    """A journal of so many megabytes, and a file with the text that is in it."""
    state.mkdir(mode=0o700)
    loop = asyncio.get_running_loop()
    recorder = Recorder(state, clock=SystemClock(), reserve=0, loop=loop, version="bench")
    recorder.open()
    dice = random.Random(7)
    with plain.open("wb") as file:
        while sum(path.stat().st_size for path in (state / "journal").iterdir()) < megabytes * 1e6:
            session = recorder.session(Principal(f"user-{dice.randrange(50)}", (), "human", "bench", "", ""), "prod")
            for target in dice.choices(list(kinds), list(kinds.values()), k=8):
                data = text(dice, CALL, as_json="/pods" in target[-5:])
                data = data.replace(b"\n", b"\r\n") if "tty" in target else data
                file.write(data)
                record(session, target, data)
            written: asyncio.Future[object] = loop.create_future()
            session.durable(lambda error, written=written: written.set_result(error))  # type: ignore[misc]
            await written
    recorder.close()


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds that a command took, and those of CPU that it and its children did."""
    before, cpu = time.perf_counter(), os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after, then = time.perf_counter(), os.times()
    return after - before, then.children_user + then.children_system - cpu.children_user - cpu.children_system


def row(name: str, kinds: dict[str, int], megabytes: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="l7gw-bench-grep-") as folder:
        state, plain = Path(folder, "state"), Path(folder, "plain")
        asyncio.run(make(state, plain, megabytes, kinds))
        size = plain.stat().st_size / 1e6
        subprocess.run(["zstd", "-q", "-1", "--rm", str(plain)], check=True)
        ours = [sys.executable, "-m", "l7gw", "grep", "-c", NEEDLE, "--state", str(state)]
        theirs = ["sh", "-c", f"zstd -dc {plain}.zst | grep -Ec '{NEEDLE}'"]
        found: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
        for _ in range(rounds):
            found["ours"].append(measured(ours))
            found["theirs"].append(measured(theirs))
    rates = {who: [size / seconds for seconds, _ in times] for who, times in found.items()}
    cpu = {who: [size / seconds for _, seconds in times] for who, times in found.items()}
    ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["theirs"]))
    per_cpu = statistics.median(a / b for a, b in zip(cpu["ours"], cpu["theirs"]))
    shown = [f"{statistics.median(some):,.0f} [{min(some):,.0f}-{max(some):,.0f}]" for some in (rates["ours"], rates["theirs"])]
    print(f"| {name} ({size:,.0f} MB of text) | {shown[0]} | {shown[1]} | {ratio:.2f} | {per_cpu:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("zstd") is None:
        sys.exit("bench/grep.py needs zstd")
    print("| journal | l7gw grep, MB/s | zstd -dc piped to grep -E, MB/s | ratio | ratio of CPU |\n|---|---|---|---|---|")
    row(f"{options.megabytes} MB: lists, logs, output", KINDS, options.megabytes, options.rounds)
    terminals = {target: int("tty" in target) for target in KINDS}
    row(f"{max(2, options.megabytes // 20)} MB: output of terminals", terminals, max(2, options.megabytes // 20), options.rounds)


if __name__ == "__main__":
    main()
