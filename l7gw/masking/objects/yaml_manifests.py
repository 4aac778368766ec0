"""Secrets written in YAML inside a text: in a ConfigMap with manifests, in an annotation. Their values are found line by line.

It is no reader of YAML. It knows how people and tools write a Secret: a map `data` or `stringData` whose values stand behind
their keys, in quotes or in a block below. What is written in another way is left to the registry, which knows values of Secrets
that were read.
"""

from __future__ import annotations

import re

from l7gw.masking.objects.hiding import Cut

_KIND = re.compile(r"""^[ ]*(?:- )?kind:[ ]*["']?Secret["']?[ ]*\r?$""", re.MULTILINE)
_MAP = re.compile(r"([ ]*(?:- )?)(?:data|stringData):[ ]*(.*)")
_ENTRY = re.compile(r"""[ ]*(?:"[^"]*"|'[^']*'|[\w.-]+):(?:[ ]+(.*))?$""")
_BLOCK = re.compile(r"[|>][-+0-9]*")
_NOTHING = frozenset(("", "null", "~", '""', "''", "{}"))


def may_hold_secret(text: str) -> bool:
    """Whether a text has a manifest of a Secret in it."""
    return "Secret" in text and _KIND.search(text) is not None


def secret_values(text: str, detector: str) -> list[Cut]:
    """The values of the Secrets in a text, in order and apart."""
    cuts: list[Cut] = []
    at = 0
    for document in re.split(r"(?m)^(---.*\n?)", text):
        if may_hold_secret(document):
            cuts += (Cut(start=at + start, end=at + end, detector=detector) for start, end in _values(document))
        at += len(document)
    return cuts


def _values(document: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    around: int | None = None  # the indent of the map that is read
    below: int | None = None  # the indent of the key whose value stands in the lines below it
    at = 0
    for whole in document.splitlines(keepends=True):
        line = whole.rstrip("\r\n")
        start, at = at, at + len(whole)
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        indent = len(line) - len(line.lstrip(" "))
        if below is not None and indent > below:
            found.append((start + indent, start + len(line)))
            continue
        below = None
        if around is not None and indent > around:
            entry = _ENTRY.match(line)
            value = (entry.group(1) or "").strip() if entry is not None else words
            if entry is not None and (not value or _BLOCK.fullmatch(value)):
                below = indent
            elif value not in _NOTHING:
                found.append(_unquoted(line, start, value))
            continue
        around = None
        if (map_ := _MAP.fullmatch(line)) is not None:
            if not map_.group(2):
                around = len(map_.group(1))
            elif map_.group(2).strip() not in _NOTHING:
                found.append((start + map_.start(2), start + len(line.rstrip())))
    return found


def _unquoted(line: str, start: int, value: str) -> tuple[int, int]:
    """Where a value stands, without the quotes around it."""
    first = start + line.rindex(value)
    if len(value) > 1 and value[0] in "\"'" and value.endswith(value[0]):
        return first + 1, first + len(value) - 1
    return first, first + len(value)
