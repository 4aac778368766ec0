"""Users' Python from files: what can be imported, what is refused with file and line, and what a reload changes."""

from __future__ import annotations

import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.config.settings import Hook, HookPart
from l7gw.errors import ConfigurationError, Problem
from l7gw.hooking.hooked import Hooked
from l7gw.hooking.loader import PACKAGE, load_hooks
from tests.test_hooks import ACT

FILE = Path("/etc/l7gw/l7gw.yaml")
GOOD = """
class Denies:
    def act(self, act):
        return "no"
"""


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    """The modules of a test's hooks go with it."""
    yield
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


def hook(folder: Path, target: str = "acme:Denies", *parts: HookPart, raw: bool = False, line: int = 7) -> Hook:
    module, _, name = target.partition(":")
    return Hook(name="h", module=module, class_name=name, path=folder, raw=raw, parts=parts, line=line)


def loaded(folder: Path, target: str = "acme:Denies", *parts: HookPart) -> Hooked:
    return load_hooks([hook(folder, target, *parts)], FILE)[0]


def problem(folder: Path, target: str = "acme:Denies", *parts: HookPart) -> Problem:
    with pytest.raises(ConfigurationError) as raised:
        loaded(folder, target, *parts)
    (found,) = raised.value.problems
    assert (found.file, found.line) == (str(FILE), 7)
    return found


def test_a_class_is_imported_made_and_called(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(GOOD)
    it = load_hooks([hook(tmp_path, raw=True)], FILE)[0]
    assert it.denial(ACT) == "no"
    assert (it.name, it.raw, it.parts) == ("h", True, {"act"})


def test_without_for_a_hook_is_for_all_that_its_class_has(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(
        "class All:\n  def act(self, act): pass\n  def object(self, view): return ()\n  def frames(self, stream): pass\n"
    )
    assert loaded(tmp_path, "acme:All").parts == {"act", "object", "frame"}
    assert loaded(tmp_path, "acme:All", "frame").parts == {"frame"}


def test_files_of_the_folder_and_of_packages_in_it_import_one_another_with_a_dot(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("WORD = 'from words'\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "__init__.py").write_text("from ..words import WORD\n")
    (tmp_path / "below" / "deep.py").write_text("from . import WORD\nclass A:\n  def act(self, act): return WORD\n")
    assert loaded(tmp_path, "below.deep:A").denial(ACT) == "from words"


def test_two_hooks_of_one_folder_share_its_modules(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text("SEEN = []\nclass A:\n  def act(self, act):\n    SEEN.append(1)\n    return str(len(SEEN))\n")
    first, second = load_hooks([hook(tmp_path, "acme:A"), hook(tmp_path, "acme:A")], FILE)
    assert (first.denial(ACT), second.denial(ACT)) == ("1", "2")


def test_the_working_directory_and_the_path_of_python_play_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, hooks = tmp_path / "here", tmp_path / "hooks"
    here.mkdir()
    hooks.mkdir()
    (here / "acme.py").write_text(GOOD)
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    assert problem(hooks).what == f"hook h: {hooks} has no module acme"


def test_a_file_named_as_a_module_of_python_hides_nothing_from_others(tmp_path: Path) -> None:
    """Also not from the hook itself: it imports Python's own."""
    import json

    (tmp_path / "json.py").write_text("raise SystemExit('taken for json')\n")
    (tmp_path / "acme.py").write_text("import json\nclass A:\n  def act(self, act): return json.dumps([1])\n")
    assert loaded(tmp_path, "acme:A").denial(ACT) == "[1]"
    assert sys.modules["json"] is json


def test_bytecode_is_neither_read_nor_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # what PYTHONDONTWRITEBYTECODE may have forbidden
    file = tmp_path / "acme.py"
    file.write_text(GOOD)
    loaded(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["acme.py"]
    file.write_text(GOOD.replace('"no"', '"never"'))
    py_compile.compile(str(file), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    file.write_text(GOOD)
    assert loaded(tmp_path).denial(ACT) == "no"


def test_bytecode_without_its_source_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text(GOOD)
    py_compile.compile(str(tmp_path / "source.py"), str(tmp_path / "acme.pyc"))
    assert problem(tmp_path).what == f"hook h: {tmp_path} has no module acme"


def test_a_folder_within_the_folder_holds_modules_with_and_without_an_init_file(tmp_path: Path) -> None:
    for name in ("plain", "package"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "words.py").write_text(f"WORD = {name!r}\n")
    (tmp_path / "package" / "__init__.py").touch()
    lines = "from .plain.words import WORD as A\nfrom .package.words import WORD as B\n"
    (tmp_path / "acme.py").write_text(lines + GOOD.replace('"no"', "A + B"))
    assert loaded(tmp_path).denial(ACT) == "plainpackage"


def test_a_load_reads_the_files_anew_and_a_former_hook_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(GOOD)
    former = loaded(tmp_path)
    (tmp_path / "acme.py").write_text(GOOD.replace('"no"', '"never"'))
    for _ in range(4):
        assert loaded(tmp_path).denial(ACT) == "never"
    assert former.denial(ACT) == "no"
    packages = {name.partition(".")[0] for name in sys.modules if name.startswith(PACKAGE)}
    assert len(packages) == 2, "modules of earlier loads stay in memory"


def test_a_load_that_fails_leaves_no_module(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text("class Denies: pass\n")
    before = set(sys.modules)
    problem(tmp_path)
    assert set(sys.modules) == before


def test_every_hook_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(GOOD)
    with pytest.raises(ConfigurationError) as raised:
        load_hooks([hook(tmp_path, "a:A", line=3), hook(tmp_path), hook(tmp_path, "b:B", line=9)], FILE)
    assert [found.line for found in raised.value.problems] == [3, 9]


METHOD = "class Denies:\n  def {}: return None\n"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = 1\n", "acme has no class Denies"),
        ("Denies = lambda: None\n", "acme has no class Denies"),
        ("class Denies: pass\n", "Denies has none of the methods act, object, frames"),
        ("class Denies:\n  def __init__(self, x): pass\n  def act(self, act): pass\n", "Denies() failed: TypeError: "),
        (
            "class Denies:\n  def __init__(self): 1 / 0\n  def act(self, act): pass\n",
            "Denies() failed: ZeroDivisionError at acme.py:2",
        ),
        ("import nothing_of_that_name\n", "acme cannot be imported: ModuleNotFoundError at acme.py:1"),
        ("def f(:\n", "acme cannot be imported: SyntaxError at acme.py:1: "),
        ("import asyncio\nraise asyncio.CancelledError\n", "acme cannot be imported: CancelledError at acme.py:2"),
        ("class E(Exception):\n  def __str__(self): return 3\nraise E\n", "acme cannot be imported: E at acme.py:3"),
        ("raise SystemExit(3)\n", "acme cannot be imported: SystemExit at acme.py:1: '3'"),
        (METHOD.format("act(self)"), "Denies.act must take one argument beside self"),
        (METHOD.format("act(self, act, more)"), "Denies.act must take one argument beside self"),
        (METHOD.format("act(self, *, act)"), "Denies.act must take one argument beside self"),
        ("class Denies:\n  async def act(self, act): pass\n", "Denies.act is async"),
        ("class Denies:\n  async def object(self, view):\n    yield 1\n", "Denies.object is async"),
        ("class Denies:\n  act = 3\n  def object(self, view): pass\n", None),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, source: str, what: str | None) -> None:
    (tmp_path / "acme.py").write_text(source)
    if what is None:
        assert loaded(tmp_path).parts == {"object"}
    else:
        assert problem(tmp_path).what.startswith(f"hook h: {what}")


def test_a_method_that_for_names_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(GOOD)
    assert problem(tmp_path, "acme:Denies", "act", "frame").what == (
        "hook h: Denies has no method frames, which `for: frame` asks for"
    )


def test_whoever_imports_a_file_of_the_folder_without_a_dot_is_told_how(tmp_path: Path) -> None:
    (tmp_path / "words.py").touch()
    (tmp_path / "acme.py").write_text("import words\n")
    assert problem(tmp_path).hint == "files of the folder import one another with a dot: from .words import ..."


def test_a_signature_may_have_more_that_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text("class Denies:\n  def act(self, act, *more, also=1, **rest): return 'no'\n")
    assert loaded(tmp_path).denial(ACT) == "no"
