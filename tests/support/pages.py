"""The blocks of README and docs, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.cited_sources import DOCS, ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^##? (.*)$", re.MULTILINE)
OPERATORS = frozenset(("|", "||", "&&", ";", "&", ">", ">>", "<", "<<", "2>", "(", ")"))
BEFORE = frozenset(("sudo", "runuser", "-u", "--", "env", "time", "exec"))  # words that may stand before a command
PROMPT = re.compile(r"^(?:\$ |# (?=l7gw ))")


@dataclass(frozen=True)
class Block:
    """A fenced block. `language` is "" where none is said; `line` is that of its first line in the page; `section` is the heading
    of the second level, or of the page, under which it stands."""

    page: Path
    language: str
    line: int
    section: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    around = FENCED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)  # in a block # begins a comment
    return [
        Block(page, found[1], text.count("\n", 0, found.start(2)) + 1, SECTION.findall(around[: found.start()])[-1], found[2])
        for found in FENCED.finditer(text)
    ]


def commands(block: Block, program: str) -> Iterator[list[str]]:
    """The arguments of each call of a program in a block of `sh` or `console`. A line that ends in a backslash goes on in the next.
    Of `console` only the lines with a prompt are commands: the rest is what they print."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if block.language == "console" and not PROMPT.match(line):
            continue
        lexer = shlex.shlex(PROMPT.sub("", line), posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        try:
            words = [*lexer]
        except ValueError:  # a text in quotes that goes on in the next line, such as a here-document's
            continue
        yield from _calls(words, program)


def _calls(words: list[str], program: str) -> Iterator[list[str]]:
    """The program's calls among the commands of a line. Before a command may stand variables, and `sudo -u USER`."""
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in OPERATORS:
            command.append(word)
            continue
        while command and ("=" in command[0] or command[0] in BEFORE):
            command = command[2 if command[0] == "-u" else 1 :]
        if command and command[0].rpartition("/")[2] == program:
            yield command[1:]
        command = []
