"""`make reference`: what the reference has from running code. Writes what each typical mistake is answered, and the pages' tables."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.reference import mappings_of
from l7gw.config.shapes import Key, Mapping
from l7gw.errors import Problem
from l7gw.policy.keys.file import POLICY
from tests.support.cited_sources import DOCS
from tests.support.effect_table import effect_table
from tests.support.key_documents import folder_of_files, refusal, whole

PACKAGE = Path(__file__).parent.parent.parent / "l7gw"
MISTAKES = ((FILE_KEYS, PACKAGE / "config" / "keys" / "mistakes.json"), (POLICY, PACKAGE / "policy" / "keys" / "mistakes.json"))


def answer(root: Mapping, folder: Path, path: str, wrong: str) -> str:
    """What the reader answers where the key of this path has this value: the mistake, and the hint in brackets. The folder must have the
    files of `folder_of_files`."""
    found = refusal(root, folder, whole(root, path, wrong))
    return in_words(found) if found is not None else ""


def in_words(problem: Problem) -> str:
    return problem.what + (f" ({problem.hint})" if problem.hint else "")


def mistakes(root: Mapping, file: Path, folder: Path) -> str:
    """The text of a file of mistakes, with what is answered now."""
    known = json.loads(file.read_text())
    return (
        json.dumps(
            {path: [wrong, answer(root, folder, path, wrong)] for path, (wrong, _) in known.items()}, indent=1, ensure_ascii=False
        )
        + "\n"
    )


# ---------------------------------------------------------------------- pages

PAGES = {DOCS / "configuration.md": (FILE_KEYS, MISTAKES[0][1]), DOCS / "policy.md": (POLICY, MISTAKES[1][1])}
MADE = re.compile(r"<!-- (keys|mistakes|effects):? ?([^ ]*) -->\n.*?<!-- end -->", re.DOTALL)


def page(text: str, root: Mapping, at: Path) -> str:
    """A page with each table between its marks written anew: `<!-- keys: PATH -->` to `<!-- end -->`, PATH `-` for the file itself."""

    def made(found: re.Match[str]) -> str:
        what, path = found[1], found[2]
        table = key_table(root, path) if what == "keys" else effect_table() if what == "effects" else mistake_table(at)
        return f"{found[0].splitlines()[0]}\n{table}\n<!-- end -->"

    return MADE.sub(made, text)


def tables_of(text: str) -> list[str]:
    """The paths of the mappings whose keys a page lists."""
    return ["" if found[2] == "-" else found[2] for found in MADE.finditer(text) if found[1] == "keys"]


def key_table(root: Mapping, path: str) -> str:
    """The keys of one mapping as a table in Markdown."""
    mapping = dict(mappings_of(root))["" if path == "-" else path]
    of = "key" if path == "-" else f"key of `{path}`"
    lines = [f"| {of} | type | default | example | what it says |", "|---|---|---|---|---|"]
    return "\n".join((*lines, *map(_line, mapping.keys)))


def _line(key: Key) -> str:
    cells = (f"`{key.name}`", key.shape.in_words, key.default_in_words, _code(key.example), key.says)
    return f"| {' | '.join(map(_cell, cells))} |"


def mistake_table(at: Path) -> str:
    """What typical mistakes are answered, each once."""
    return "\n".join(("| written | answered |", "|---|---|", *_mistake_lines(json.loads(at.read_text()))))


def _mistake_lines(known: dict[str, list[str]]) -> Iterator[str]:
    told = set()
    for path, (wrong, said) in known.items():
        name = path.rpartition(".")[2]
        if (name, wrong) not in told:
            told.add((name, wrong))
            yield f"| {_cell(_code(f'{path}: {wrong}'))} | {_cell(_code(said))} |"


def _code(text: str) -> str:
    """A text in backquotes, which may hold some itself."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _cell(text: str) -> str:
    """A text within a table: pipes are escaped, and a page of docs is a link."""
    linked = re.sub(r"docs/([a-z-]+\.md)", r"[\1](\1)", text)
    return linked.replace("|", "\\|")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        there = folder_of_files(Path(made))
        for one, at in MISTAKES:
            at.write_text(mistakes(one, at, there))
    for file, (one, at) in PAGES.items():
        file.write_text(page(file.read_text(), one, at))
