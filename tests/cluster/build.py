"""Build the programs of the real cluster into the cache; `python tests/cluster/build.py` prints where they are."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
OLDEST_GO = (1, 26)
UNUSED_AFTER = 14 * 86400.0  # seconds; a build is some 230 MB, and every change of the sources makes another
FLAGS = ["-trimpath", "-buildvcs=false"]
VERSION_VARIABLES = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]


class MissingGo(Exception):
    """Go is not on this machine, or too old."""


class BuildFailed(Exception):
    """Go could not build the programs; its last lines are in the message."""


@dataclasses.dataclass(frozen=True)
class Program:
    """One program: `package` of the module in `folder`, with the version of Kubernetes that this module requires."""

    name: str
    folder: Path
    package: str
    minutes: str

    @property
    def version(self) -> str:
        """For example v1.36.3."""
        match = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)$", (self.folder / "go.mod").read_text(), re.MULTILINE)
        assert match is not None, f"{self.folder}/go.mod requires no k8s.io/kubernetes"
        return match[1]

    @property
    def flags(self) -> list[str]:
        """What `go build` is given; without the version `kubectl version` would fail."""
        major, minor, _ = self.version.removeprefix("v").split(".")
        wanted = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        stamps = [f"-X {package}.{name}={value}" for package in VERSION_VARIABLES for name, value in wanted.items()]
        return [*FLAGS, "-ldflags", " ".join(["-s", "-w", *stamps])]


PROGRAMS = [
    Program("l7gw-test-cluster", HERE, ".", "4 to 7 minutes"),
    Program("kubectl", HERE, "k8s.io/kubernetes/cmd/kubectl", "half a minute"),
    Program("kubectl-1.29", HERE / "kubectl-1.29", "k8s.io/kubernetes/cmd/kubectl", "1 to 2 minutes"),
]


@dataclasses.dataclass(frozen=True)
class Built:
    """Where the programs lie."""

    folder: Path

    @property
    def cluster(self) -> Path:
        return self.folder / "l7gw-test-cluster"

    @property
    def kubectl(self) -> Path:
        """The newest kubectl, as new as the cluster."""
        return self.folder / "kubectl"

    @property
    def oldest_kubectl(self) -> Path:
        return self.folder / "kubectl-1.29"

    @property
    def kubectls(self) -> dict[str, Path]:
        """Version -> path, newest first."""
        return {program.version: self.folder / program.name for program in PROGRAMS if "kubectl" in program.name}


def cache() -> Path:
    """The folder of all builds; safe to delete while none runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l7gw" / "cluster"


def built() -> Built:
    """The programs, built where this machine has none for these sources: minutes the first time, seconds after a change.

    Raises MissingGo, BuildFailed. Progress goes to stderr. Two callers never build at once, and none sees half a build.
    """
    go = _go()
    place = cache() / _key(go)
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another build of the test cluster")
            fcntl.flock(held, fcntl.LOCK_EX)
        if not place.is_dir():
            folder = Path(tempfile.mkdtemp(dir=cache(), prefix="new-"))
            try:
                for program in PROGRAMS:
                    _build(go, program, folder)
                folder.rename(place)
            finally:
                shutil.rmtree(folder, ignore_errors=True)  # nothing is there once it is renamed
        os.utime(place)
        _forget_unused(place)
    return Built(place)


def _go() -> str:
    go = shutil.which("go")
    needed = ".".join(map(str, OLDEST_GO))
    if go is None:
        raise MissingGo(f"Go {needed}+ is not on PATH")
    version = _environment(go)["GOVERSION"]
    match = re.match(r"go(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_GO:
        raise MissingGo(f"Go {needed}+ is needed, this is {version}")
    return go


def _environment(go: str) -> dict[str, str]:
    # Outside of a module: inside one an old Go would fail, or fetch the toolchain that go.mod asks for.
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


def _sources() -> Iterator[Path]:
    for folder in sorted({program.folder for program in PROGRAMS}):
        yield from sorted([*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"])


def _key(go: str) -> str:
    """Names a build by everything that goes into it."""
    digest = hashlib.sha256(json.dumps([_environment(go), [program.flags for program in PROGRAMS]]).encode())
    for path in _sources():
        digest.update(f"{path.relative_to(HERE)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _build(go: str, program: Program, folder: Path) -> None:
    _say(f"building {program.name} {program.version} ({program.minutes} the first time, seconds later)")
    began = time.monotonic()
    done = subprocess.run(
        [go, "build", *program.flags, "-o", folder / program.name, program.package],
        cwd=program.folder,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BuildFailed(f"building {program.name} failed:\n" + "\n".join(done.stderr.splitlines()[-20:]))
    _say(f"built {program.name} in {time.monotonic() - began:.0f} s")


def _forget_unused(kept: Path) -> None:
    for path in cache().iterdir():
        if path.is_dir() and path != kept and time.time() - path.stat().st_mtime > UNUSED_AFTER:
            shutil.rmtree(path, ignore_errors=True)


def _say(line: str) -> None:
    print(f"l7gw: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(built().folder)
    except (MissingGo, BuildFailed) as error:
        sys.exit(f"l7gw: {error}")
