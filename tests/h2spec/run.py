"""h2spec, the conformance suite of HTTP/2, against a TLS server, or against a gateway that accepts and forwards its requests."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from l7gw.demo.pki import Authority
from tests.support.go_programs import built_once
from tests.support.scene import scene
from tests.support.scripted_upstream import Visit

HERE = Path(__file__).parent
USER = "h2spec"
CASES = 146  # of h2spec 2.2.1, the strict ones among them
SECONDS = 300.0  # for the whole suite; ten where all is well
# 64 bytes: several cases set windows of a few bytes and need an answer with more; they are skipped where there is none.
BODY = b'{"kind":"Status","apiVersion":"v1","message":"sixty-four bytes"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@dataclass
class Case:
    """What came of one case; `expected` and `actual` where it failed."""

    case: str  # for example http2/5.1.2/1: the part of the suite, the section of RFC 7540 or 7541, the number in it
    title: str
    outcome: str  # passed, failed, skipped
    seconds: float
    expected: tuple[str, ...] = ()
    actual: str = ""

    def __str__(self) -> str:
        why = f": expected {' or '.join(self.expected)}; got {self.actual}" if self.outcome == "failed" else ""
        return f"{self.case} {self.outcome} ({self.title}){why}"


def program() -> Path:
    """Raises MissingGo, BuildFailed."""
    return built_once(HERE, "h2spec")


def cases(port: int, path: str = "/", client: tuple[Path, Path] | None = None, *sections: str) -> list[Case]:
    """Every case against the TLS server on this port. Raises AssertionError where h2spec could not connect and gave up."""
    who = ["-certificate", client[0], "-key", client[1]] if client else []
    command = [program(), "-port", str(port), "-path", path, *who, *sections]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"h2spec gave up:\n{done.stderr[-2000:]}"
    return [Case(**json.loads(line)) for line in done.stdout.splitlines()]


def against_gateway(folder: Path) -> tuple[list[Case], int]:
    """Every case with requests of an accepted client certificate; and how many of them came out at the other side."""
    people = Authority(folder / "people", "people")
    identity = [{"client-certificate": {"certificate-authority": str(people.certificate)}}]
    with scene(folder, _answer_each, identity=identity) as running:
        found = cases(running.gateway.port, "/api/v1/namespaces", people.client("client", USER))
        return found, running.upstream.received.lower().count(f"impersonate-extra-l7gw-user: {USER}".encode())


def _answer_each(visit: Visit) -> None:
    """An API server's 200 for every request; none of its body to a HEAD."""
    read = 0
    while received := visit.head():
        visit.send(HEAD if b"HEAD /" in received[read:] else HEAD + BODY)
        read = len(received)
