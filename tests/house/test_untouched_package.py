"""Tests pass limits and times in (`Limits`, `Timeouts`). No test rewrites a name in a module or class of the package.

The code would have to look up such a name each time, two tests in one process would disturb each other, and the test would not show
how an operator sets the limit. Programs that a test writes for a gateway's process are checked too.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent.parent

# (file, name that is assigned to) -> why this is allowed. None of these is a limit or a time.
EXCEPTIONS = {
    ("gateway/test_guard.py", "owner"): "a fault: a step of a call is made to raise, in the gateway's own process",
    ("identity/test_chain.py", "Key.verifies"): "a witness: it counts how often a signature is verified, and verifies",
    ("recording/test_execs.py", "reader.events_at"): "a witness: it counts how often a block is read, and reads it",
    ("differential/test_remembering.py", "answer_relay.shown_headers"): "a fault: one answer of one gateway has a field more",
    ("differential/test_what_memory_depends_on.py", "familiar.Familiar.said"): "a fault: a credential is no part of the place",
    ("differential/test_what_memory_depends_on.py", "known_call.KnownCall.holds"): "a fault: a memory that asks nothing",
    ("support/twins/gateway_in_steps.py", "CallRecord.answered"): "a witness: it counts the answers that are remembered",
    ("support/twins/gateway_in_steps.py", "CallRecord.asked"): "a witness: it counts the calls that are remembered",
    (
        "support/twins/gateway_in_steps.py",
        "KnownCall.holds",
    ): "a witness: it counts the calls that are known and come out otherwise now",
    ("support/twins/gateway_in_steps.py", "Endpoint.dial"): "a cluster without sockets",
    ("support/twins/gateway_in_steps.py", "HttpsFetch.__call__"): "an issuer without sockets",
    (
        "support/twins/gateway_in_steps.py",
        "worker.configured",
    ): "what is compiled of a configuration is shared by a thousand gateways",
    ("support/spoken_http.py", "Exchange.begin"): "a witness: it writes down over which HTTP a call came, and begins it",
}
ASSIGNS = re.compile(r"setattr|l7gw|\w\.\w+ [^\s\w]?= ")  # matches a text that may be such a program
REPLACE = {"setattr", "delattr", "patch", "object", "__setattr__"}  # functions that assign to an attribute of their argument


def _codes(path: Path) -> Iterator[ast.Module]:
    """The code of a file, and of each text in it that is Python and names the package."""
    tree = ast.parse(path.read_text())
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            text = node.value if isinstance(node, ast.Constant) else ast.unparse(node)[2:-1]
            if isinstance(text, str) and ASSIGNS.search(text):
                try:
                    yield ast.parse(textwrap.dedent(text))
                except (SyntaxError, ValueError):
                    continue


def _imported(codes: list[ast.Module]) -> set[str]:
    """The names in this code that stand for modules, classes and constants of the package."""
    names = {"l7gw"}
    for node in (node for code in codes for node in ast.walk(code)):
        if isinstance(node, ast.Import):
            names |= {alias.asname for alias in node.names if alias.name.startswith("l7gw.") and alias.asname}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "l7gw":
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _is_system(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "os"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _assigned(code: ast.Module) -> Iterator[ast.Attribute]:
    """The attributes that a statement assigns to or deletes. `package.module: Class` assigns nothing."""
    annotated = {node.target for node in ast.walk(code) if isinstance(node, ast.AnnAssign) and node.value is None}
    for node in ast.walk(code):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del) and node not in annotated:
            yield node


def _replaced(code: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """The objects whose attribute is set by a call, each with the attribute's name."""
    for node in ast.walk(code):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in REPLACE:
                what = node.args[1] if len(node.args) > 1 else None
                yield node.args[0], what.value if isinstance(what, ast.Constant) and isinstance(what.value, str) else ""


def rewritten(path: Path) -> set[str]:
    """The names of the package that a file assigns to, as they are written there.

    `x.os` of a module x belongs to the system: a test may make its calls fail. Instances belong to the test. An object that a
    program looks up by a name of its own (`setattr(owner, ...)`) counts as the package's.
    """
    codes = list(_codes(path))
    names = _imported(codes)
    targets = (target for code in codes for target in _assigned(code) if _root(target) in names)
    found = {ast.unparse(target) for target in targets if not _is_system(target.value)}
    for code in codes:
        for owner, name in _replaced(code):
            if isinstance(owner, ast.Constant):
                if str(owner.value).startswith("l7gw."):
                    found.add(str(owner.value))
            elif _is_system(owner):
                continue
            elif _root(owner) in names:
                found.add(f"{ast.unparse(owner)}.{name}")
            elif code is not codes[0]:
                found.add(ast.unparse(owner))
    return found


def test_no_test_rewrites_a_module_or_class_of_the_package() -> None:
    files = [path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts]
    found = {(str(path.relative_to(TESTS)), what) for path in files for what in rewritten(path) if path != Path(__file__)}
    assert found - EXCEPTIONS.keys() == set(), "hand it in instead, as Limits or Timeouts (tests/support/gateway_with_limits.py)"
    assert EXCEPTIONS.keys() - found == set(), "these are rewritten no more: take them from the list here"


def test_each_way_to_rewrite_a_module_is_found(tmp_path: Path) -> None:
    ways = {
        "from l7gw.recording import journal\njournal.SEGMENT = 1": "journal.SEGMENT",
        "import l7gw.clock\nl7gw.clock.Pulse.QUIET = 1": "l7gw.clock.Pulse.QUIET",
        "from l7gw.clock import Pulse as P\nP.QUIET += 1": "P.QUIET",
        "from l7gw.clock import Pulse\nPulse.A = Pulse.B = 1": "Pulse.B",
        "from l7gw import clock as c\nmonkeypatch.setattr(c, 'A', 1)": "c.A",
        "from l7gw import clock as c\nsetattr(c.Pulse, 'A', 1)": "c.Pulse.A",
        "from l7gw import clock as c\nmock.patch.object(c, 'A', 1)": "c.A",
        "monkeypatch.setattr('l7gw.clock.A', 1)": "l7gw.clock.A",
        "program('import l7gw.clock', 'l7gw.clock.A = 1')": "l7gw.clock.A",
        "program('from l7gw.clock import Pulse', f'Pulse.QUIET = {seconds}')": "Pulse.QUIET",
        "FAULT = '''\nsetattr(owner, method, maybe)\n'''": "owner",
    }
    for number, (code, what) in enumerate(ways.items()):
        path = tmp_path / f"{number}.py"
        path.write_text(code)
        assert what in rewritten(path), code
    path.write_text("from l7gw.clock import SystemClock\nclock = SystemClock()\nclock.moved = 1\nself.x = 1\n")
    assert rewritten(path) == set()
