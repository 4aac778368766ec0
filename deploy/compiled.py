"""The compiled build: l7gw with the modules that carry calls made into a C extension by mypyc, from the same sources.

`make compiled` writes its wheel beside the plain one. `python deploy/compiled.py` puts the same package into `build/compiled`, with
a `python` beside it that finds it there, and prints that folder: so tests and bench run on it. Both take the extension from the
cache where it was made of these sources.

This file is hatchling's build hook too (`pyproject.toml`): with L7GW_COMPILED=1 a wheel has the extension, without it is the plain
one. The modules stand in `pyproject.toml`, under the hook. Their Python files stay beside the extension: tracebacks quote them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent.parent
UNUSED_AFTER = 14 * 86400.0  # seconds without use after which an extension is removed from the cache: each change makes another

# It runs in a copy of the sources. mypyc reads them there, and setuptools puts an extension beside each module, which takes its
# part out of the one that has all of them: `l7gw__mypyc`.
_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
extensions = mypycify(["--config-file", *sys.argv[1:]], opt_level="2", debug_level="0", multi_file=True, group_name="l7gw")
setup(name="l7gw", packages=[], py_modules=[], script_args=["build_ext", "--inplace"], ext_modules=extensions)
"""


class CompileFailed(Exception):
    """mypyc or the C compiler did not take the sources."""


class CompiledModules(BuildHookInterface[Any]):
    """hatchling's hook: what a wheel has more where L7GW_COMPILED=1."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("L7GW_COMPILED") != "1":
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        made = extensions(Path(self.root))
        build_data["force_include"].update({str(path): path.relative_to(made).as_posix() for path in made.rglob("*.so")})


def modules(root: Path = ROOT) -> list[str]:
    """The files that are compiled, from the folder that has `pyproject.toml`."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    return list(settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"])


def extensions(root: Path = ROOT) -> Path:
    """The folder of the cache that has the extensions, each where its module lies. They are built where it is not there.

    Raises CompileFailed with what the compiler said."""
    sources, named = sorted((root / "l7gw").rglob("*.py")), modules(root)
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l7gw" / "compiled" / _key(root, sources, named)
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=place.parent, prefix="new-"))
        try:
            with tempfile.TemporaryDirectory() as folder:
                _build(root, sources, named, Path(folder))
                for path in [*Path(folder).glob("*.so"), *(Path(folder) / "l7gw").rglob("*.so")]:
                    _copy(path, made / path.relative_to(folder))
            made.chmod(0o755)
            made.rename(place)
        except OSError:
            if not place.is_dir():  # else another build was quicker
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    os.utime(place)
    for path in place.parent.iterdir():
        if path != place and time.time() - path.stat().st_mtime > UNUSED_AFTER:
            shutil.rmtree(path, ignore_errors=True)
    return place


def assembled(root: Path = ROOT) -> Path:
    """The folder `build/compiled`, with the package as the compiled wheel has it, and `python`. Raises as `extensions`."""
    made, place = extensions(root), root / "build" / "compiled"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(root / "l7gw", place / "l7gw", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(made, place, dirs_exist_ok=True)
    for name in ("docs", "deploy"):  # `l7gw.cli.shipped` looks for them beside the package
        (place / name).symlink_to(root / name)
    started = place / "python"
    started.write_text(f'#!/bin/sh\nPYTHONPATH="{place}" exec "{sys.executable}" -P "$@"\n')
    started.chmod(0o755)
    return place


def _key(root: Path, sources: list[Path], named: list[str]) -> str:
    made_by = (version("mypy"), sysconfig.get_config_var("SOABI"), sysconfig.get_config_var("CFLAGS"), _SETUP)
    digest = hashlib.sha256(repr((made_by, named)).encode())
    for path in sources:
        data = path.read_bytes()
        digest.update(f"\0{path.relative_to(root)}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


def _build(root: Path, sources: list[Path], named: list[str], folder: Path) -> None:
    for path in sources:
        _copy(path, folder / path.relative_to(root))
    words = [sys.executable, "-c", _SETUP, str(root / "pyproject.toml"), *named]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise CompileFailed(f"l7gw was not compiled:\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")


if __name__ == "__main__":
    try:
        print(assembled())
    except CompileFailed as error:
        sys.exit(str(error))
