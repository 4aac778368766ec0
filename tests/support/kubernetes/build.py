"""Builds the programs of the real cluster into the cache. `python tests/support/kubernetes/build.py` prints where they are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.cached import made_once, say
from tests.support.go_programs import FLAGS, BuildFailed, MissingGo, build, environment, find_go

HERE = Path(__file__).parent
VERSION_VARIABLES = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
KUBERNETES, HELM = "k8s.io/kubernetes", "helm.sh/helm/v3"


@dataclasses.dataclass(frozen=True)
class Program:
    """One program: `package` of the module in `folder`, with the version of `versioned` that this module requires."""

    name: str
    folder: Path
    package: str
    minutes: str
    versioned: str = KUBERNETES

    @property
    def version(self) -> str:
        """For example v1.36.3."""
        required = rf"^\s*(?:require )?{re.escape(self.versioned)} (v\S+)$"
        match = re.search(required, (self.folder / "go.mod").read_text(), re.MULTILINE)
        assert match is not None, f"{self.folder}/go.mod requires no {self.versioned}"
        return match[1]

    @property
    def flags(self) -> list[str]:
        """The flags of `go build`. Without the version in them, `kubectl version` would fail."""
        if self.versioned != KUBERNETES:
            return FLAGS
        major, minor, _ = self.version.removeprefix("v").split(".")
        wanted = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        stamps = [f"-X {package}.{name}={value}" for package in VERSION_VARIABLES for name, value in wanted.items()]
        return [*FLAGS, "-ldflags", " ".join(["-s", "-w", *stamps])]


PROGRAMS = [
    Program("l7gw-test-cluster", HERE, ".", "4 to 7 minutes"),
    Program("kubectl", HERE, "k8s.io/kubernetes/cmd/kubectl", "half a minute"),
    Program("kubectl-1.29", HERE / "kubectl-1.29", "k8s.io/kubernetes/cmd/kubectl", "1 to 2 minutes"),
    Program("helm", HERE / "helm", "helm.sh/helm/v3/cmd/helm", "a minute", HELM),
]


@dataclasses.dataclass(frozen=True)
class Built:
    """The folder of the built programs."""

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
    def helm(self) -> Path:
        """A helm 3."""
        return self.folder / "helm"

    @property
    def kubectls(self) -> dict[str, Path]:
        """Version -> path, newest first."""
        return {program.version: self.folder / program.name for program in PROGRAMS if "kubectl" in program.name}


def built() -> Built:
    """The programs. They are built where the cache has none for these sources: in minutes the first time, in seconds after a
    change.

    Raises MissingGo, BuildFailed. Progress goes to stderr.
    """
    go = find_go()

    def make(folder: Path) -> None:
        for program in PROGRAMS:
            _build(go, program, folder)

    return Built(made_once("cluster", _key(go), make))


def _sources() -> Iterator[Path]:
    for folder in sorted({program.folder for program in PROGRAMS}):
        yield from sorted([*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"])


def _key(go: str) -> str:
    """The name of a build: a hash of everything that goes into it."""
    digest = hashlib.sha256(json.dumps([environment(go), [program.flags for program in PROGRAMS]]).encode())
    for path in _sources():
        digest.update(f"{path.relative_to(HERE)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _build(go: str, program: Program, folder: Path) -> None:
    say(f"building {program.name} {program.version} ({program.minutes} the first time, seconds later)")
    began = time.monotonic()
    build(go, program.folder, program.package, folder / program.name, program.flags)
    say(f"built {program.name} in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    try:
        print(built().folder)
    except (MissingGo, BuildFailed) as error:
        sys.exit(f"l7gw: {error}")
