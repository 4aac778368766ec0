"""The section `hooks`: what each key says, each mistake, and who may write to a hook's folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from l7gw.config.hooks import MOST_ENTRIES, MOST_HOOKS
from l7gw.config.load import read
from l7gw.config.settings import Hook
from tests.support.written_configuration import Written


@pytest.fixture
def folder(written: Written) -> Path:
    """A folder of hooks beside the configuration."""
    folder = written.folder / "hooks"
    folder.mkdir(mode=0o755)
    (folder / "acme_hooks.py").write_text("class Canary: pass\n")
    (folder / "acme_hooks.py").chmod(0o644)
    return folder


def entry(**more: Any) -> dict[str, Any]:
    return {"name": "canary", "object": "acme_hooks:Canary", "path": "hooks", **more}


def test_a_hook_is_read_with_its_folder_beside_the_file(
    written: Written, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    written.top["hooks"] = [entry(raw=True, **{"for": ["frame", "act"]}), entry(name="b", object="a.b:C")]
    first, second = written.load().hooks
    assert first == Hook("canary", "acme_hooks", "Canary", folder, True, ("frame", "act"), first.line)
    assert written.path.read_text().splitlines()[first.line - 1].strip() == "object: acme_hooks:Canary"
    assert (second.module, second.class_name, second.raw, second.parts) == ("a.b", "C", False, ())


def test_without_the_section_there_are_no_hooks(written: Written) -> None:
    assert written.load().hooks == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Canary"}, "'Canary' cannot be a hook's name"),
        ({"name": "c" * 28}, "cannot be a hook's name"),
        ({"name": "-a"}, "cannot be a hook's name"),
        ({"object": "acme_hooks"}, "`object` must be MODULE:CLASS, not 'acme_hooks'"),
        ({"object": "acme hooks:Canary"}, "`object` must be MODULE:CLASS"),
        ({"object": ".acme_hooks:Canary"}, "`object` must be MODULE:CLASS"),
        ({"object": "../acme_hooks:Canary"}, "`object` must be MODULE:CLASS"),
        ({"path": "nowhere"}, "nowhere is no folder"),
        ({"path": "hooks/acme_hooks.py"}, "acme_hooks.py is no folder"),
        ({"path": ""}, "`path` is empty"),
        ({"raw": "yes, please"}, "`raw` must be true or false"),
        ({"for": ["frames"]}, "`for` must name act, object or frame, not 'frames'"),
        ({"for": ["act", "act"]}, "`for`: act stands twice"),
        ({"for": []}, "`for` is an empty list"),
        ({"class": "A"}, "unknown key `class` in a hook"),
    ],
)
def test_a_mistake_is_told(written: Written, folder: Path, change: dict[str, Any], words: str) -> None:
    written.top["hooks"] = [entry(**change)]
    (problem,) = written.problems()
    assert words in problem


@pytest.mark.parametrize("key", ["name", "object", "path"])
def test_a_key_that_a_hook_needs_is_missed(written: Written, folder: Path, key: str) -> None:
    written.top["hooks"] = [{k: v for k, v in entry().items() if k != key}]
    assert written.problems() == [f"`{key}` is missing in a hook"]


def test_two_hooks_have_two_names_and_there_are_not_many(written: Written, folder: Path) -> None:
    written.top["hooks"] = [entry(), entry()]
    assert written.problems() == ["two hooks have the name canary"]
    written.top["hooks"] = [entry(name=f"h{n}") for n in range(MOST_HOOKS)]
    assert written.problems() == []
    written.top["hooks"].append(entry())
    assert written.problems() == [f"`hooks` has more than {MOST_HOOKS} entries"]


def test_a_hook_that_is_no_mapping_is_told(written: Written) -> None:
    written.top["hooks"] = ["acme_hooks:Canary"]
    assert written.problems() == ["a hook must be a mapping (key: value)"]
    written.top["hooks"] = {"canary": entry()}
    assert written.problems() == ["`hooks` must be a list (- ...)"]


@pytest.mark.parametrize("mode", [0o020, 0o002])
@pytest.mark.parametrize("place", [".", "acme_hooks.py", "words.txt", "below", "below/more.py"])
def test_a_folder_is_refused_where_group_or_others_may_write_to_it_or_in_it(
    written: Written, folder: Path, place: str, mode: int
) -> None:
    (folder / "below").mkdir()
    for name in ("words.txt", "below/more.py"):
        (folder / name).touch(mode=0o600)
    written.top["hooks"] = [entry()]
    assert written.problems() == []
    (folder / place).chmod((folder / place).stat().st_mode | mode)
    written.path.write_text(written.path.read_text())
    (problem,) = read(written.path)[2]
    assert "can be written by others" in problem.what and str(folder / place) in problem.what
    assert problem.line and problem.hint == f"chmod -R go-w {folder}"


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
@pytest.mark.parametrize("place", [".", "acme_hooks.py"])
def test_a_folder_of_another_user_is_refused(written: Written, folder: Path, place: str) -> None:
    written.top["hooks"] = [entry()]
    assert written.problems() == []
    os.chown(folder / place, 65532, 0)
    (problem,) = written.problems()
    assert f"{folder / place} belongs to another user (id 65532), who could run code as the gateway" in problem
    os.chown(folder / place, 0, 0)
    assert written.problems() == []


def test_on_a_file_system_that_nobody_can_write_to_modes_are_not_asked(
    written: Written, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The volume of a ConfigMap has mode 0777, and is mounted read-only."""
    written.top["hooks"] = [entry()]
    folder.chmod(0o777)
    assert len(written.problems()) == 1
    found = list(os.statvfs(folder))
    found[8] |= os.ST_RDONLY
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(found))
    assert written.problems() == []


def test_a_link_stays_within_the_folder(written: Written, folder: Path) -> None:
    """As a volume of a ConfigMap has them: `a.py` -> `..data/a.py`, `..data` -> `..2026`."""
    (folder / "..2026").mkdir(mode=0o755)
    (folder / "..2026" / "a.py").touch(mode=0o644)
    (folder / "..data").symlink_to("..2026")
    (folder / "a.py").symlink_to("..data/a.py")
    written.top["hooks"] = [entry()]
    assert written.problems() == []
    (folder / "out.py").symlink_to(written.path)
    assert written.problems() == [f"`path`: {folder}/out.py leads out of the folder"]
    (folder / "out.py").unlink()
    (folder / "gone.py").symlink_to("nothing")
    assert written.problems() == [f"`path`: {folder}/gone.py cannot be read: No such file or directory"]


def test_a_folder_with_very_many_files_is_refused(written: Written, folder: Path) -> None:
    for number in range(MOST_ENTRIES - 1):
        (folder / f"f{number}").touch(mode=0o600)
    written.top["hooks"] = [entry()]
    assert written.problems() == []
    (folder / "one-more").touch(mode=0o600)
    assert written.problems() == [f"`path`: {folder} holds more than {MOST_ENTRIES} files"]


def test_a_folder_that_cannot_be_read_is_told(written: Written, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.scandir

    def scandir(path: str | Path) -> Any:
        if Path(path) == folder:  # as the system says it to whoever is not root
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    written.top["hooks"] = [entry()]
    (problem,) = written.problems()
    assert "cannot be read" in problem
