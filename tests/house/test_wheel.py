"""The wheel holds all that l7gw reads at run time, and an l7gw that was installed from it needs no source tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from l7gw.cli import help_topics, shipped
from l7gw.policy.packs import NAMES
from tests.support.cited_sources import DOCS, ROOT
from tests.support.installed_wheel import Installed, build, install

SOURCES = ("l7gw", "docs", "deploy", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def _copy(into: Path) -> Path:
    """The source as somebody else has it: in another folder, with other times and modes."""
    into.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, into / name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(ROOT / name, into / name)
    for path in (into / "l7gw").rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    return into


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("installed"))


def test_the_wheel_has_every_file_of_the_package_and_of_what_is_shipped_with_it(wheel: Path) -> None:
    package = [path for path in (ROOT / "l7gw").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {path.relative_to(ROOT).as_posix(): path for path in package}
    wanted |= {f"l7gw/shipped/docs/{path.name}": path for path in DOCS.glob("*.md")}
    wanted |= {f"l7gw/shipped/{name}": path for name, path in shipped.files().items()}
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert set(found) == set(wanted)
    assert not [name for name, path in wanted.items() if path.read_bytes() != found[name]]


def test_another_copy_of_the_source_makes_the_same_wheel_to_the_byte(wheel: Path, tmp_path: Path) -> None:
    again = build(_copy(tmp_path / "copy"), tmp_path / "dist")
    assert again.name == wheel.name and again.read_bytes() == wheel.read_bytes()


def test_an_installed_l7gw_says_that_it_is_the_installed_one(installed: Installed) -> None:
    told = json.loads(installed.run("l7gw", "version", "-o", "json").stdout)
    assert Path(told["path"]).is_relative_to(installed.bin.parent) and told["version"] in installed.run("l7gw", "--version").stdout


def test_an_installed_l7gw_has_every_page_file_and_policy(installed: Installed) -> None:
    listed = installed.run("l7gw", "help").stdout
    for topic in help_topics.topics():
        assert f"\n  {topic} " in listed
    for name, path in shipped.files().items():
        assert installed.run("l7gw", "help", name).stdout == path.read_text()
    assert installed.run("l7gw", "help", "policy").stdout == (DOCS / "policy.md").read_text()
    packs = installed.run("l7gw", "policy", "packs").stdout
    assert all(name in packs for name in NAMES)


def test_an_installed_l7gw_finds_each_step_of_the_database(installed: Installed) -> None:
    steps = sorted(path.name for path in (ROOT / "l7gw" / "store" / "migrations").rglob("*.py"))
    listing = "from l7gw.store.migrate import STEPS; print(*sorted(p.name for p in STEPS.rglob('*.py')))"
    assert steps and installed.run("python", "-c", listing).stdout.split() == steps


@pytest.mark.long
def test_make_dist_makes_a_wheel_and_a_source_archive_that_makes_the_same_wheel(tmp_path: Path) -> None:
    source = _copy(tmp_path / "source")
    for name in ("Makefile", "CHANGELOG.md"):
        shutil.copyfile(ROOT / name, source / name)
    (source / ".venv").symlink_to(ROOT / ".venv")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    # `-o`: the environment of the tests is not installed anew from a copy
    make = ["make", "-o", ".venv/.runtime", "dist"]
    done = subprocess.run(make, cwd=source, env=environment, check=True, capture_output=True, text=True, timeout=100)
    [made] = (source / "dist").glob("*.whl")
    [archive] = (source / "dist").glob("*.tar.gz")
    assert made.name in done.stdout and archive.name in done.stdout
    shutil.unpack_archive(archive, tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    assert build(unpacked, tmp_path / "again").read_bytes() == made.read_bytes()
