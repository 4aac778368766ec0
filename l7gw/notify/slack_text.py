"""Texts for Slack: nothing in them mentions, links or formats, whoever wrote them (threats G7).

Slack takes markup from `&`, `<` and `>` alone, which are escaped (https://docs.slack.dev/messaging/formatting-message-text). What a
requester chose stands in code besides, where nothing else counts; the backtick that would end the code is written out. Lengths are
those of JavaScript's texts, which count a character beyond U+FFFF twice.
"""

from __future__ import annotations

import re

from l7gw.name_rules import visible

MORE = "…"
_SPECIAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "\\x60"}
_FIND = re.compile("[&<>`]")


def escaped(text: str) -> str:
    """A text in one line, with everything that Slack or a reader could take for something else written out."""
    return _FIND.sub(lambda found: _SPECIAL[found[0]], visible(text))


def code(text: str, most: int) -> str:
    """A text as code within a line, of `most` characters at most, the backticks among them."""
    return f"`{cut(escaped(text), most - 2) or '-'}`"


def block(lines: list[str], most: int) -> str:
    """Lines as a block of code, of `most` characters at most. What is left out is said."""
    found: list[str] = []
    left = most - 60
    for number, line in enumerate(lines):
        one = cut(escaped(line.expandtabs(4)) or " ", left)
        left -= units(one) + 1
        found.append(one)
        if left < 8:
            rest = len(lines) - number - 1
            found.append(f"{MORE} and {rest} more lines" if rest else MORE)
            break
    return "```\n" + "\n".join(found) + "\n```"


def is_cut(text: str) -> bool:
    """Whether a block of code of `block` lacks something of its lines. Lines that end so themselves count too."""
    return text.endswith((f"{MORE}\n```", " more lines\n```"))


def cut(text: str, most: int) -> str:
    """An escaped text of `most` characters at most. No escape is cut within."""
    if units(text) <= most:
        return text
    kept, left = [], most - len(MORE)
    for piece in re.findall("&[a-z]+;|.", text, re.DOTALL):
        left -= units(piece)
        if left < 0:
            break
        kept.append(piece)
    return "".join(kept) + MORE


def units(text: str) -> int:
    """The length of a text as JavaScript counts it."""
    return len(text) + (0 if text.isascii() else sum(c > "\uffff" for c in text))
