"""Finds Go for the tests, and builds programs with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.cached import key, made_once, say

OLDEST_GO = (1, 26)
FLAGS = ["-trimpath", "-buildvcs=false"]


class MissingGo(Exception):
    """Go is not on this machine, or too old."""


class BuildFailed(Exception):
    """Go could not build a program; its last lines are in the message."""


def find_go() -> str:
    """The path of a Go that is new enough. Raises MissingGo."""
    go = shutil.which("go")
    needed = ".".join(map(str, OLDEST_GO))
    if go is None:
        raise MissingGo(f"Go {needed}+ is not on PATH")
    version = environment(go)["GOVERSION"]
    match = re.match(r"go(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_GO:
        raise MissingGo(f"Go {needed}+ is needed, this is {version}")
    return go


def environment(go: str) -> dict[str, str]:
    """The values of Go's environment that a program depends on beside its sources. Raises MissingGo."""
    # Asked outside of a module: inside one an old Go would fail, or fetch the toolchain that go.mod asks for.
    answer = subprocess.run(
        [go, "env", "-json", "GOOS", "GOARCH", "GOVERSION"],
        cwd="/",
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
    )
    if answer.returncode != 0:
        raise MissingGo(f"`go env` failed: {answer.stderr.strip()}")
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def build(go: str, module: Path, package: str, program: Path, flags: list[str] = FLAGS) -> None:
    """Build `package` of the module in a folder as a static program. Raises BuildFailed."""
    done = subprocess.run(
        [go, "build", *flags, "-o", program, package],
        cwd=module,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BuildFailed(f"building {program.name} failed:\n" + "\n".join(done.stderr.splitlines()[-20:]))


def built_once(module: Path, name: str, takes: str = "seconds") -> Path:
    """The path of a small module's program. It is built, which `takes` so long, where the cache has none for its sources. Raises
    MissingGo, BuildFailed."""
    go = find_go()

    def make(folder: Path) -> None:
        say(f"building {name} (once, {takes})")
        build(go, module, ".", folder / name)

    sources = sorted([*module.glob("*.go"), *module.glob("go.*")])
    return made_once(name, key(json.dumps(environment(go)), files=sources), make) / name
