"""The difference between two objects: as a list that can be compared, and as lines that people read.

Both are of plain values, as `body_values.plain` gives them. Costs, on one core: two objects of 512 KiB are compared in 10 ms, and
written as lines in 60.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

import msgspec

from l7gw.name_rules import visible

CONTEXT = 3  # lines around a change
MOST_LINES = 4000  # of the part in which two objects differ; difflib would take seconds for more
LONGEST_SAME = 500  # characters of a value in the place of another one; of a longer one, what differs is shown
LONGEST_LINE = 4000  # characters that are shown of one value, as of a script in a new ConfigMap, or from where two begin to differ
AROUND = 60  # characters before and behind what differs

# Texts that would look like something else: nothing, a number, a word that YAML reads
_LOOKS_OTHERWISE = re.compile(r"|[-+]?[0-9.][-+0-9._eExXa-f]*|true|false|null|yes|no|on|off|~|[\[{].*", re.IGNORECASE | re.DOTALL)

Path = tuple[str | int, ...]  # names of members and numbers of items
Change = tuple[Path, list[Any], list[Any]]  # where, what stood there, and what stands there now: one value, or none
_encode = msgspec.msgpack.Encoder(order="sorted").encode


def changes(before: Any, after: Any) -> list[Change]:
    """What differs, each value once, in the order of the paths."""
    return list(_changes((), [before], [after]))


def encoded(found: list[Change]) -> bytes:
    """A list of changes as bytes: the same list gives the same bytes."""
    return _encode(found)


def _changes(path: Path, before: list[Any], after: list[Any]) -> Iterator[Change]:
    old, new = (each[0] if each else None for each in (before, after))
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _changes((*path, name), *([each[name]] if name in each else [] for each in (old, new)))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _changes((*path, index), [one], [other])
    elif before != after or type(old) is not type(new):
        yield path, before, after


class _Line(NamedTuple):
    """A line of an object: its indentation and the name of the member, and its value, whole."""

    head: str
    text: str = ""


def lines_of(value: Any) -> list[str]:
    """An object as lines, as YAML has it. Control characters are visible, so that no value looks like two lines."""
    return [_cut(line) for line in _lines(value, "")]


def _lines(value: Any, indent: str) -> Iterator[_Line]:
    if isinstance(value, dict):
        for name in sorted(value):
            yield from _member(f"{indent}{visible(name)}:", value[name], indent)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list) and item:
                inner = list(_lines(item, indent + "  "))
                yield _Line(f"{indent}- {inner[0].head[len(indent) + 2 :]}", inner[0].text)
                yield from inner[1:]
            else:
                yield _Line(f"{indent}- ", _scalar(item))
    else:
        yield _Line(indent, _scalar(value))


def _member(head: str, value: Any, indent: str) -> Iterator[_Line]:
    if isinstance(value, dict | list) and value:
        yield _Line(head)
        yield from _lines(value, indent if isinstance(value, list) else indent + "  ")
    elif isinstance(value, str) and "\n" in value:
        yield _Line(f"{head} |")
        yield from (_Line(f"{indent}  ", visible(line)) for line in value.split("\n"))
    else:
        yield _Line(f"{head} ", _scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        plain = _LOOKS_OTHERWISE.fullmatch(value) is None and value.strip() == value
        return visible(value) if plain else f'"{visible(value)}"'
    return msgspec.json.encode(value).decode()


def _cut(line: _Line, other: _Line | None = None) -> str:
    """A line as it is shown. Of a long value its beginning is; where it stands in the place of another one, what differs, since a
    change behind the beginning would else look like none."""
    text = line.text
    if len(text) <= (LONGEST_LINE if other is None else LONGEST_SAME):
        return line.head + text
    first, last = 0, len(text)
    if other is not None:
        same = _same_beginning(text, other.text)
        ends = min(_same_beginning(text[::-1], other.text[::-1]), len(text) - same, len(other.text) - same)
        first, last = max(0, same - AROUND), min(last, len(text) - ends + AROUND)
    shown = text[first : min(last, first + LONGEST_LINE)]
    behind = "…" if first + len(shown) < len(text) else ""
    return f"{line.head}{'…' if first else ''}{shown}{behind} ({len(text)} characters)"


def _same_beginning(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def unified(before: Any, after: Any, most: int) -> str:
    """The difference as a unified diff without a head, `most` characters at most. `before` is None for a new object, `after` for
    one that is gone. "" where nothing differs."""
    old = [] if before is None else list(_lines(before, ""))
    new = [] if after is None else list(_lines(after, ""))
    start, end_old, end_new = _apart(old, new)
    if max(end_old, end_new) - start > MOST_LINES:
        return f"@@ {end_old - start} lines became {end_new - start}: too many to be shown @@"
    first = max(0, start - CONTEXT)
    kept_old, kept_new = old[first : end_old + CONTEXT], new[first : end_new + CONTEXT]
    shown: list[str] = []
    size = 0
    for line in _marked(kept_old, kept_new):
        size += len(line) + 1
        if size > most - 80:
            shown.append("… the rest is too long to be shown")
            break
        shown.append(line)
    return "\n".join(shown)


def _marked(old: list[_Line], new: list[_Line]) -> Iterator[str]:
    """The lines of a unified diff. A line that goes and the one that comes in its place are cut at the same place."""
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT):
        yield "@@"
        for tag, begin, end, new_begin, new_end in group:
            gone, come = old[begin:end], new[new_begin:new_end]
            if tag == "equal":
                yield from (f" {_cut(line)}" for line in gone)
                continue
            yield from (f"-{_cut(line, other)}" for line, other in zip_longest(gone, come[: len(gone)]) if line is not None)
            yield from (f"+{_cut(line, other)}" for line, other in zip_longest(come, gone[: len(come)]) if line is not None)


def _apart(old: list[_Line], new: list[_Line]) -> tuple[int, int, int]:
    """Where two lists of lines begin to differ, and where each has differed for the last time."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end_old, end_new = len(old), len(new)
    while end_old > start and end_new > start and old[end_old - 1] == new[end_new - 1]:
        end_old -= 1
        end_new -= 1
    return start, end_old, end_new
