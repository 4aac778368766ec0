"""Imports go downward only and form no circle, as docs/architecture.md shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "l7gw"
FLOORS = [  # top to bottom
    {"cli", "console", "demo"},
    {"supervisor"},
    {"gateway", "notify"},
    {"api"},
    {"approval", "cluster", "recording", "login"},
    {"hooking"},
    {"identity", "policy", "masking"},
    {"hooks"},
    {"kube"},
    {"wire"},
    {
        *(
            "store",
            "config",
            "aws",
            "name_rules",
            "obligations",
            "hold_terms",
            "budget_terms",
            "plainjson",
            "plainyaml",
            "errors",
            "clock",
            "identifiers",
            "limits",
            "generations",
        ),
        *("timeouts", "file_stamp", "file_replace", "loopback", "log", "os_faults", "quantities", "steps"),
    },
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
    """Imports under TYPE_CHECKING and within functions count too: a reader of one module must read the other."""
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


# These are to be split; nothing joins them. A name leaves with its file's or function's excess.
LONG_FILES: dict[str, int] = {}  # lines
LONG_FUNCTIONS: dict[str, int] = {}


def _longer(found: dict[str, int], most: int, known: dict[str, int]) -> None:
    """Whether everything longer than `most` lines is in `known` and has not grown, and everything in `known` is still longer."""
    longer = {name: lines for name, lines in found.items() if lines > most}
    assert longer.keys() == known.keys(), f"longer than {most} lines, or no more: split it, or take it from the list here"
    assert all(lines <= known[name] for name, lines in longer.items()), f"these have grown: {longer}"


def test_a_file_of_the_package_fits_in_one_reading() -> None:
    _longer({str(path.relative_to(PACKAGE)): path.read_text().count("\n") for path in PACKAGE.rglob("*.py")}, 400, LONG_FILES)


def test_a_function_of_the_package_fits_on_one_screen() -> None:
    found: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(PACKAGE)} {node.name}"  # where several functions have this name, the longest counts
                found[name] = max(found.get(name, 0), (node.end_lineno or node.lineno) - node.lineno + 1)
    _longer(found, 50, LONG_FUNCTIONS)


# ---------------------------------------------------------------------- rooms of tests

TESTS = PACKAGE.parent / "tests"

# Modules without a test file of their own: they do nothing alone, so a suite drives them in the running gateway.
DRIVEN_BY = {
    "api/requests.py": "api/test_handlers.py",
    "approval/grant_messages.py": "approval/test_grant_desk.py",
    "approval/grant_rows.py": "approval/test_grant_desk.py",
    "approval/granting.py": "approval/test_grant_desk.py",
    "approval/moves.py": "approval/test_states.py",
    "approval/parts.py": "approval/test_rows.py",
    "cli/answers.py": "cli/test_holds.py",
    "cli/check_reading.py": "cli/test_check.py",
    "cli/clusters_test.py": "real/test_clusters_test.py",
    "cli/demo.py": "demo/test_run.py",
    "cli/online/clusters.py": "real/test_check_online.py",
    "cli/rbac/existing.py": "real/test_rbac_render.py",
    "cli/rbac/options.py": "cli/rbac/test_command.py",
    "cli/rbac/report.py": "cli/rbac/test_suggest.py",
    "cli/reconciled.py": "cli/test_audit.py",
    "cli/reached_cluster.py": "real/test_clusters_certificate.py",
    "cli/serve.py": "faults/test_restart.py",
    "cli/state.py": "cli/test_numbers.py",
    "cluster/eks_questions.py": "real/test_clusters_test_eks.py",
    "cluster/eks_tried.py": "real/test_clusters_test_eks.py",
    "cluster/rights.py": "real/test_clusters_test.py",
    "cluster/signing_request.py": "real/test_clusters_certificate.py",
    "cluster/tried.py": "real/test_clusters_test.py",
    "cluster/upstream_http1.py": "cluster/test_pool.py",
    "gateway/answer_relay.py": "gateway/test_standing.py",
    "gateway/binding.py": "gateway/test_bindings.py",
    "gateway/bound.py": "gateway/test_bindings.py",
    "gateway/call.py": "gateway/test_calls.py",
    "gateway/access_form.py": "gateway/test_access_log.py",
    "gateway/client.py": "gateway/test_record.py",
    "gateway/desks.py": "gateway/test_granted.py",
    "gateway/downstream.py": "faults/test_slow.py",
    "gateway/downstream_http1.py": "gateway/test_wire.py",
    "gateway/downstream_http2.py": "gateway/test_http2.py",
    "gateway/exchange.py": "gateway/test_calls.py",
    "gateway/hold_asking.py": "gateway/test_holding.py",
    "gateway/in_flight.py": "faults/test_slow.py",
    "gateway/looking.py": "gateway/test_holding.py",
    "gateway/own_call.py": "gateway/test_bindings.py",
    "gateway/refused_exec.py": "gateway/test_holding.py",
    "gateway/tunnel.py": "gateway/test_tunnel_pings.py",
    "gateway/worker.py": "faults/test_restart.py",
    "policy/value_lists.py": "policy/test_load.py",
    "recording/audit_event.py": "recording/test_audit_log.py",
    "recording/partial_events.py": "recording/test_past_calls.py",
    "supervisor/hold_desk.py": "gateway/test_holding.py",
    **dict.fromkeys(
        (f"policy/kubectl/{name}.py" for name in ("calls", "in_pods", "reading", "shared", "writing")),
        "policy/kubectl/test_commands.py",
    ),
}
DEMO = "demo/test_run.py"  # drives the demo's modules: `l7gw demo` is a test of itself, as its tour checks what it shows


def _of_logic(path: Path) -> bool:
    """Whether a module does something: constants, types, protocols and the making of a value or an error do nothing."""

    def does(node: ast.stmt) -> bool:
        if isinstance(node, ast.ClassDef):
            is_protocol = any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
            return not is_protocol and any(map(does, node.body))
        return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in ("__init__", "__str__", "__repr__")

    return any(map(does, ast.parse(path.read_text()).body))


def _own_test(module: Path) -> Path:
    return TESTS / module.parent / f"test_{module.name}"


def test_each_module_that_does_something_has_its_own_test_file() -> None:
    modules = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if not path.stem.startswith("__") and _of_logic(path)}
    without = {str(module) for module in modules if not _own_test(module).exists() and module.parts[0] != "demo"}
    assert without == DRIVEN_BY.keys(), "a module has no test file, or has one and stands in DRIVEN_BY no more"
    assert all((TESTS / suite).exists() for suite in (*DRIVEN_BY.values(), DEMO))


def test_each_module_stands_in_the_architecture() -> None:
    """A reader finds a module by what stands about it there. Rooms that are told of as a whole are left out."""
    whole = {Path(room) for room in ("demo", "wire", "recording/terminal", "store/migrations/versions", "policy/kubectl")}
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    modules = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if not path.stem.startswith("__")]
    assert not [str(one) for one in modules if one.parent not in whole and not re.search(rf"\b{one.stem}\b", page)]


def test_a_suite_drives_no_module_that_is_gone() -> None:
    assert all((PACKAGE / module).exists() for module in DRIVEN_BY)
