"""Files that come with l7gw beside its code: its pages, the systemd unit, examples and hooks. A wheel has them in the package, a
checkout where they are written (`pyproject.toml`: `tool.hatch.build.targets.wheel`)."""

from __future__ import annotations

from pathlib import Path

import l7gw

_PACKAGE = Path(l7gw.__file__).parent
_INSTALLED = _PACKAGE / "shipped"
_PAGES = _INSTALLED / "docs" if _INSTALLED.is_dir() else _PACKAGE.parent / "docs"
_FILES = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "deploy"
FOLDERS = ("examples", "hooks")  # of files, beside the unit
UNIT = "l7gw.service"


def pages() -> dict[str, str]:
    """The Markdown of every page, by its name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(_PAGES.glob("*.md"))}


def files() -> dict[str, Path]:
    """Every file that is no page, by the name under which people ask for it: `l7gw.service`, `hooks/canary.py`."""
    found = [_FILES / UNIT, *(one for folder in FOLDERS for one in sorted((_FILES / folder).rglob("*")))]
    return {path.relative_to(_FILES).as_posix(): path for path in found if path.is_file() and path.suffix != ".pyc"}
