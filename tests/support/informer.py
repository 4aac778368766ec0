"""The program that runs client-go's informer (tests/support/kubernetes/informer)."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.cached import key, made_once, say
from tests.support.go_programs import build, environment, find_go

MODULE = Path(__file__).parent / "kubernetes"


def informer_program() -> Path:
    """The path of the program. It belongs to the cluster's module, so that its build takes only seconds after the cluster's. Raises
    MissingGo, BuildFailed."""
    go = find_go()

    def make(folder: Path) -> None:
        say("building the informer (once, seconds)")
        build(go, MODULE, "./informer", folder / "informer")

    sources = [*sorted((MODULE / "informer").glob("*.go")), MODULE / "go.mod", MODULE / "go.sum"]
    return made_once("informer", key(json.dumps(environment(go)), files=sources), make) / "informer"
