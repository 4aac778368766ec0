"""Imports users' hooks: the files of one folder, as modules that nothing else of the process sees.

Each load gives the modules a package of its own, `l7gw_hooks_N`. So a reload reads all files anew while running streams keep the
former classes, a file named like an installed package hides nothing, and the working directory plays no part. Files of the folder
import one another with a dot (`from .words import WORDS`). Only source files are read: neither bytecode nor binary modules.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import sys
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from l7gw import name_rules
from l7gw.config.settings import Hook, HookPart
from l7gw.errors import ConfigurationError, Problem
from l7gw.hooking.hooked import Hooked, words_of

PACKAGE = "l7gw_hooks_"
METHODS: dict[HookPart, str] = {"act": "act", "object": "object", "frame": "frames"}

KEPT_LOADS = 2  # whose modules can still be imported from: those in force, and those of streams that began before the reload

_numbers = itertools.count(1)
_loads: deque[list[str]] = deque()  # the packages of each load, the newest last


class _Source(SourceFileLoader):
    """Reads the source alone: bytecode that lies beside it was made by whoever could write there."""

    def path_stats(self, path: Any) -> Any:
        raise OSError("no bytecode is read or written")


class _Finder(MetaPathFinder):
    """Finds the modules below the packages of hooks. It is asked before Python's own finders, which read and write bytecode."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not fullname.startswith(PACKAGE) or not path:
            return None
        below = Path(path[0], fullname.rpartition(".")[2])
        if (package := below / "__init__.py").is_file():
            return spec_from_file_location(
                fullname, package, loader=_Source(fullname, str(package)), submodule_search_locations=[str(below)]
            )
        if (file := below.with_name(f"{below.name}.py")).is_file():
            return spec_from_file_location(fullname, file, loader=_Source(fullname, str(file)))
        if below.is_dir():
            spec = ModuleSpec(fullname, None, is_package=True)
            assert spec.submodule_search_locations is not None
            spec.submodule_search_locations.append(str(below))
            return spec
        raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)  # Python's own finder would read bytecode


_finder = _Finder()


class _Unusable(Exception):
    """The class cannot be used. `hint` is "" for none."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def load_hooks(hooks: Sequence[Hook], file: Path) -> tuple[Hooked, ...]:
    """Import and make the hooks that a configuration names, in its order. `file` is the configuration, for messages. Raises
    ConfigurationError with every hook that cannot be used."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    packages: dict[Path, str] = {}
    found: list[Hooked] = []
    problems: list[Problem] = []
    for hook in hooks:
        try:
            found.append(_made(hook, packages))
        except _Unusable as error:
            problems.append(Problem(str(file), hook.line, f"hook {hook.name}: {error}", error.hint))
    if problems:
        _forget(packages.values())
        raise ConfigurationError(problems)
    _loads.append(list(packages.values()))
    while len(_loads) > KEPT_LOADS:
        _forget(_loads.popleft())
    return tuple(found)


def _forget(packages: Iterable[str]) -> None:
    """Let go of the modules of these packages. Classes that are in use keep what they need of them."""
    for package in packages:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]


def _made(hook: Hook, packages: dict[Path, str]) -> Hooked:
    """One hook. `packages` has the package of each folder of this load: hooks of one folder share their modules."""
    if hook.path not in packages:
        package = ModuleType(f"{PACKAGE}{next(_numbers)}")
        package.__path__ = [str(hook.path)]
        sys.modules[package.__name__] = package
        packages[hook.path] = package.__name__
    module = _imported(hook, packages[hook.path])
    made = getattr(module, hook.class_name, None)
    if not inspect.isclass(made):
        raise _Unusable(f"{hook.module} has no class {hook.class_name}")
    present = tuple(part for part, method in METHODS.items() if callable(getattr(made, method, None)))
    parts = hook.parts or present
    if not parts:
        raise _Unusable(f"{hook.class_name} has none of the methods {', '.join(METHODS.values())}")
    try:
        instance = made()
    except KeyboardInterrupt:  # of whoever waits for `l7gw check`
        raise
    except BaseException as error:
        raise _Unusable(f"{hook.class_name}() failed: {_told(error, hook)}") from None
    for part in parts:
        _check(instance, part, hook)
    return Hooked(hook.name, instance, parts, folder=hook.path, raw=hook.raw)


def _imported(hook: Hook, package: str) -> ModuleType:
    try:
        return importlib.import_module(f"{package}.{hook.module}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").removeprefix(f"{package}.")
        if error.name and error.name.startswith(PACKAGE):
            raise _Unusable(f"{hook.path} has no module {missing}", "files there end in .py") from None
        near = hook.path / f"{missing.partition('.')[0]}.py"
        hint = f"files of the folder import one another with a dot: from .{near.stem} import ..." if near.is_file() else ""
        raise _Unusable(f"{hook.module} cannot be imported: {_told(error, hook)}", hint) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _Unusable(f"{hook.module} cannot be imported: {_told(error, hook)}") from None


def _check(instance: object, part: HookPart, hook: Hook) -> None:
    """Whether the method for a part can be called as the gateway calls it: with one argument, for an answer at once."""
    method = getattr(instance, METHODS[part], None)
    if not callable(method):
        raise _Unusable(f"{hook.class_name} has no method {METHODS[part]}, which `for: {part}` asks for")
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise _Unusable(f"{hook.class_name}.{METHODS[part]} is async", "hooks are called inline: a plain def")
    try:
        inspect.signature(method).bind(None)
    except (TypeError, ValueError):
        raise _Unusable(f"{hook.class_name}.{METHODS[part]} must take one argument beside self") from None


def _told(error: BaseException, hook: Hook) -> str:
    """What an exception of a hook's code says, and where in the hook's folder it was raised."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(hook.path)]
    place = f" at {Path(lines[-1].filename).name}:{lines[-1].lineno}" if lines else ""
    if isinstance(error, SyntaxError) and error.filename is not None and Path(error.filename).is_relative_to(hook.path):
        place = f" at {Path(error.filename).name}:{error.lineno}"
    words = error.msg if isinstance(error, SyntaxError) else words_of(error)
    return f"{type(error).__name__}{place}: {name_rules.quoted(words)}" if words else f"{type(error).__name__}{place}"
