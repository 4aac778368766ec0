"""Files that come with l7gw are found in a checkout; `tests/house/test_wheel.py` finds them in an installed one."""

from __future__ import annotations

from l7gw.cli import shipped
from tests.support.cited_sources import DOCS, ROOT


def test_a_page_is_the_file_in_docs() -> None:
    assert shipped.pages() == {path.stem: path.read_text() for path in DOCS.glob("*.md")}


def test_the_unit_and_every_hook_are_among_the_files() -> None:
    hooks = {f"hooks/{path.name}" for path in (ROOT / "deploy" / "hooks").iterdir() if path.is_file()}
    assert {shipped.UNIT, *hooks} <= set(shipped.files())
