"""The compiled build does what the plain one does: suites of what is compiled pass on it, and the same traffic gives the same bytes.

`make test COMPILED=1` runs all suites on it. A test marked `interpreted` replaces code of the package, and is left out there.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.installed_wheel import ROOT, build, install

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
CALLS = 5000  # of the traffic that both builds get
SUITES = ("tests/wire", "tests/recording", "tests/identity", "tests/policy", "tests/cluster")


def _builder() -> ModuleType:
    """`deploy/compiled.py`, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("compiled", ROOT / "deploy" / "compiled.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compiled() -> Path:
    folder: Path = _builder().assembled()
    return folder


def _run(words: Sequence[str | Path], before: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = f"{before}{os.pathsep}{ROOT}" if before else str(ROOT)
    done = subprocess.run([sys.executable, "-P", *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_each_listed_module_is_compiled_and_no_other(compiled: Path) -> None:
    made = {str(path.relative_to(compiled)).partition(".")[0] for path in (compiled / "l7gw").rglob("*.so")}
    assert made == {name.removesuffix(".py") for name in _builder().modules()}


def test_the_suites_of_codecs_records_and_the_judge_pass_on_it(compiled: Path) -> None:
    told = _run(["-m", "pytest", "-q", "-m", "not long", "-p", "no:cacheprovider", *SUITES], str(compiled))
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None and int(passed[1]) > 500, told[-500:]


@pytest.mark.parametrize("seed", [3, 4])  # clusters of HTTP/1.1 and of HTTP/2
def test_both_builds_give_the_same_bytes_to_clients_clusters_journal_and_log(compiled: Path, seed: int) -> None:
    words = ["-m", "tests.support.twins.run", "--calls", str(CALLS), "--seed", str(seed), "--jobs", "1"]
    digests = [re.search(r"^digest: +(\w+)$", _run(words, before), re.M) for before in ("", str(compiled))]
    assert digests[0] is not None and digests[1] is not None and digests[0][1] == digests[1][1]


def test_the_compiled_wheel_has_what_the_plain_one_has_and_the_extension(
    compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = build(ROOT, tmp_path / "plain")
    monkeypatch.setenv("L7GW_COMPILED", "1")
    made = build(ROOT, tmp_path / "compiled")
    assert plain.name.endswith("-py3-none-any.whl") and made.name.startswith(plain.name.partition("-py3")[0])
    assert f"-cp{sys.version_info[0]}{sys.version_info[1]}-" in made.name and "-any" not in made.name
    with zipfile.ZipFile(plain) as one, zipfile.ZipFile(made) as other:
        extensions = {name for name in other.namelist() if name.endswith(".so")}
        files = {name for name in other.namelist() if ".dist-info/" not in name} - extensions
        assert files == {name for name in one.namelist() if ".dist-info/" not in name}
        assert all(one.read(name) == other.read(name) for name in files)
    assert len(extensions) == len(_builder().modules()) + 1
    installed = install(made, tmp_path / "installed")
    asked = "import l7gw.wire.http1 as one; print(one.__file__)"
    assert installed.run("python", "-c", asked).stdout.strip().endswith(".so")
    assert "l7gw" in installed.run("l7gw", "version").stdout
