"""Each exception of `make lint`'s look for dead code is needed. One that is not would hide the next dead name."""

from __future__ import annotations

import tomllib
from pathlib import Path

from vulture import Vulture  # type: ignore[import-untyped]

ROOT = Path(__file__).parent.parent.parent


def test_every_name_that_is_excepted_from_the_look_for_dead_code_is_called_by_nothing_in_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["vulture"]
    without_exceptions = Vulture()
    without_exceptions.scavenge([str(ROOT / path) for path in settings["paths"]])
    dead = {item.name for item in without_exceptions.get_unused_code(settings["min_confidence"])}
    assert dead.issuperset(settings["ignore_names"]), "these are called now: take them out of pyproject.toml"
