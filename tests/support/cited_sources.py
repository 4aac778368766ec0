"""The entries of docs/threats.md and docs/kubernetes-wire.md, and the texts in the tree that may cite them.

The one form of a citation is `threats C5` (or a list: `threats C4, C5`, `threats B1 to B8`) and `kubernetes-wire 4.3`. It may stand
in comments and docstrings of Python, in comments of the other languages, and in the heads of vectors.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TESTS, DOCS = ROOT / "tests", ROOT / "docs"
THREATS, WIRE = DOCS / "threats.md", DOCS / "kubernetes-wire.md"
CODE = r"[A-J][1-9][0-9]?"
SECTION = r"[0-9]+(?:\.[0-9]+)?"
CITED = {
    "threats": re.compile(r"\bthreats ([A-Z][0-9]+(?:(?:, | and | to )[A-Z][0-9]+)*)\b"),
    "kubernetes-wire": re.compile(rf"(?<!docs/)\bkubernetes-wire ({SECTION}(?:(?:, | and ){SECTION})*)"),
}
COMMENT_OR_TEXT = re.compile(r'(?:^|(?<=\s))#[ :][^\n]*|(?<![fb])""".*?"""', re.MULTILINE | re.DOTALL)
ABBREVIATED = re.compile(r"\b([A-Z]{2,4})\s+[\w/.-]+\.(?:go|proto|py|ts)\b")  # `AS pkg/server/config.go`


@dataclass(frozen=True)
class Threat:
    code: str
    text: str
    tests: tuple[str, ...]  # `room/test_x.py::test_y`, for some with `[a1-*]`: the vectors of that name


def threats() -> dict[str, Threat]:
    """The entries of docs/threats.md by their codes, in its order."""
    parts = re.split(rf"^### ({CODE})\. ", THREATS.read_text(), flags=re.MULTILINE)[1:]
    found = [
        Threat(code, text, tuple(re.findall(r"^- `(.+)`$", text, re.MULTILINE))) for code, text in zip(parts[::2], parts[1::2])
    ]
    assert len({threat.code for threat in found}) == len(found), "a code twice"
    return {threat.code: threat for threat in found}


def sections() -> list[str]:
    """The numbers of docs/kubernetes-wire.md's headings, in its order."""
    return re.findall(rf"^##+ ({SECTION})\.? ", WIRE.read_text(), re.MULTILINE)


def abbreviations() -> list[str]:
    """The sources that docs/kubernetes-wire.md spells out."""
    return re.findall(r"^\| ([A-Z]+) \| ", WIRE.read_text(), re.MULTILINE)


def golden() -> dict[str, bytes]:
    """The vectors that docs/kubernetes-wire.md shows, by their files."""
    shown = re.findall(r"^`([\w./-]+)`: .+\n\n```\n([0-9a-f\n]+)```$", WIRE.read_text(), re.MULTILINE)
    return {name: bytes.fromhex(digits) for name, digits in shown}


@functools.cache
def functions(file: Path) -> frozenset[str]:
    """The names of the functions and methods in a file."""
    return frozenset(re.findall(r"^ *(?:async )?def (\w+)", file.read_text(), re.MULTILINE))


@functools.cache
def prose() -> tuple[tuple[str, str], ...]:
    """Every comment, docstring and head of a vector in the tree, as (place, text)."""
    return tuple(_prose())


def _prose() -> Iterator[tuple[str, str]]:
    for folder in ("l7gw", "tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from ((f"{path.relative_to(ROOT)}:{line}", text) for line, text in _python(path.read_text()))
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".go", ".mjs", ".cjs", ".js", ".sh") and "node_modules" not in path.parts:
                comments = re.findall(r"(?:^|\s)(?://|#) (.*)", path.read_text())
                yield str(path.relative_to(ROOT)), "\n".join(comments)
    for folder in ("tests/vectors", "tests/smuggling/corpus"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file():
                head = path.read_bytes().partition(b"\n\n")[0].decode("utf-8", "replace")
                lines = re.findall(r"^(?:source|comment): .*", head, re.MULTILINE)
                yield str(path.relative_to(ROOT)), "\n".join(lines)


def _python(source: str) -> Iterator[tuple[int, str]]:
    """Comments and strings, found by a regular expression: parsing 40,000 lines would take seconds."""
    for found in COMMENT_OR_TEXT.finditer(source):
        yield source.count("\n", 0, found.start()) + 1, found.group()
