"""Imports go downward only, and in no circle, as docs/architecture.md draws the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "l7gw"
FLOORS = [  # top to bottom
    {"cli", "console", "demo"},
    {"supervisor"},
    {"gateway"},
    {"approval", "cluster", "recording"},
    {"identity", "policy", "masking"},
    {"kube"},
    {"wire"},
    {"store", "config", "names", "plainjson", "errors", "clock", "log"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
BESIDE = {("cli", "console"), ("cli", "demo"), ("policy", "identity"), ("masking", "identity")}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where an arrow goes"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(name: str) -> str:
    return name.split(".")[1].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    parts = path.relative_to(PACKAGE).parts
    here = parts[0].removesuffix(".py")
    if here in ("__init__", "__main__"):
        return
    for name in _imports(path):
        if not name.startswith("l7gw."):
            continue
        there = _room(name)
        if there == here or (here, there) in BESIDE:
            continue
        assert FLOOR[there] > FLOOR[here] or FLOOR[here] == len(FLOORS) - 1, f"{path} imports {name}: that is up or beside"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports under TYPE_CHECKING and within functions are imports too: whoever reads the one must read the other."""
    modules = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    imported = {
        module: {there for name in _imports(path) for there in (name, name.rpartition(".")[0]) if there in modules} - {module}
        for module, path in modules.items()
    }
    while free := [module for module, needs in imported.items() if not needs & imported.keys()]:
        for module in free:
            del imported[module]
    in_circles = {module: sorted(needs & imported.keys()) for module, needs in imported.items()}
    assert not in_circles, f"these import each other, or what does: {in_circles}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_fits_in_one_reading(path: Path) -> None:
    assert path.read_text().count("\n") <= 600, "split it, or say here why it is one thing"
