"""Runs a command twice, directly against the API server as an impersonating client and through the gateway, and compares the
outcomes.

What always differs (uids, versions, times, ages, addresses, generated names, namespaces of the two sides) is replaced first.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

USER, GROUP = "ann@example.com", "engineers"
TIMEOUT = 60.0  # seconds for one command

REPLACED = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", re.MULTILINE), r"\1 "),  # client-go's own log: time, process
    (re.compile(r'(resourceVersion"?: "?)\d+'), r"\1N"),
    (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "DATE"),
    (re.compile(r"(?<= )(<invalid>|\d+[smh](\d+[sm])?)(?=\s|$)", re.MULTILINE), "AGE"),
    (re.compile(r"(127\.0\.0\.1|\[::1\]):\d+"), "ADDRESS"),
    (re.compile(r"debugger-[a-z0-9]{5}"), "debugger-X"),
    (re.compile(r"kube-api-access-[a-z0-9]{5}"), "kube-api-access-X"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
]


@dataclass(frozen=True)
class Outcome:
    """The exit status and output of a command, which its user sees."""

    status: int
    out: str
    err: str


@dataclass
class Side:
    """One way to the API server: a kubeconfig, and a namespace of its own."""

    name: str
    kubeconfig: Path
    namespace: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def kubectl(self, kubectl: Path, *arguments: str, stdin: bytes | None = None, timeout: float = TIMEOUT) -> Outcome:
        done = subprocess.run(
            self.command(kubectl, *arguments), input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True, timeout=timeout, env=self.env(), cwd=self.folder,
        )  # fmt: skip
        return self.outcome(done.returncode, done.stdout, done.stderr)

    def command(self, kubectl: Path, *arguments: str) -> list[str]:
        return [str(kubectl), "--namespace", self.namespace, *arguments]

    def env(self) -> dict[str, str]:
        cache = self.folder / f"cache-{self.name}"
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(cache),
            "HOME": str(self.folder),
            **self.environment,
        }

    def outcome(self, status: int, out: bytes, err: bytes) -> Outcome:
        return Outcome(status, self.normal(out), self.normal(err))

    def normal(self, data: bytes) -> str:
        text = data.decode("utf-8", "replace").replace(self.namespace, "NAMESPACE")
        for pattern, by in REPLACED:
            text = pattern.sub(by, text)
        return re.sub(r" {2,}", "  ", text)


def direct_kubeconfig(path: Path, server: str, ca: Path, certificate: Path, key: Path) -> Path:
    """Write the kubeconfig of a client that impersonates Ann with the same user, groups and extras as the gateway does."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority": str(ca)}}],
        "users": [
            {
                "name": "it",
                "user": {
                    "client-certificate": str(certificate),
                    "client-key": str(key),
                    "as": "l7gw",
                    "as-groups": [f"l7gw:{GROUP}"],
                    "as-user-extra": {"l7gw-user": [USER], "l7gw-session": ["00000000-0000-0000-0000-000000000000"]},
                },
            }
        ],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))
    return path


# What kubectl 1.29 says straight to the API server too, where a message comes before it has made its streams
RACE = "Unknown stream id"
TRIES = 5


def both(sides: tuple[Side, Side], kubectl: Path, *arguments: str, stdin: bytes | None = None) -> tuple[Outcome, Outcome]:
    """Run a command on both sides at once: direct, then through the gateway."""
    found: dict[str, Outcome | BaseException] = {}

    def run(side: Side) -> None:
        try:
            found[side.name] = side.kubectl(kubectl, *arguments, stdin=stdin)
        except BaseException as error:  # carried to the caller's thread
            found[side.name] = error

    threads = [threading.Thread(target=run, args=(side,)) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = []
    for side in sides:
        outcome = found[side.name]
        if isinstance(outcome, BaseException):
            raise outcome
        outcomes.append(outcome)
    return outcomes[0], outcomes[1]


def same(sides: tuple[Side, Side], kubectl: Path, *arguments: str, stdin: bytes | None = None) -> Outcome:
    """Run a command on both sides, and assert that the outcomes are the same. Returns the outcome."""
    for _ in range(TRIES):
        direct, through = both(sides, kubectl, *arguments, stdin=stdin)
        if RACE not in direct.err:  # what kubectl says by itself is nothing to compare with: run both again
            break
    assert through == direct, f"kubectl {' '.join(arguments)}\n{_difference(direct, through)}"
    return direct


def _difference(direct: Outcome, through: Outcome) -> str:
    """The difference of two outcomes, cut to what a person can read."""
    lines = [f"status {direct.status}, through the gateway {through.status}"]
    for name in ("out", "err"):
        before, after = getattr(direct, name).splitlines(), getattr(through, name).splitlines()
        lines += difflib.unified_diff(before, after, f"{name} directly", f"{name} through the gateway", lineterm="", n=0)
    return "\n".join(line[:400] for line in lines[:60])
