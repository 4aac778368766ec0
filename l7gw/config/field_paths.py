"""Paths of fields as `masking.fields` writes them: `data.*password*`, `spec.users[*]."pass.word"`, `spec.hosts[0].key`.

A name is letters, digits, `_` and `-`, and `*` for any characters; any other name stands in double quotes, in which a backslash
makes the next character plain and `*` is a star. `[*]` is each item of a list, `[3]` the fourth. A path is of values: it leads to
texts, or to all texts below an object or list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from l7gw.name_rules import quoted

MOST_STEPS = 32  # of a path; the deepest field of a Pod has 12
LONGEST_PATH = 1000  # characters

_NAME = re.compile(r"[A-Za-z0-9_*-]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ITEM = re.compile(r"\[(\*|[0-9]{1,9})\]")
# What a cluster and its clients steer by; a placeholder there would break both.
_MACHINE = re.compile(
    r"(?:apiVersion|kind|metadata(?:\.(?:name|generateName|namespace|uid|resourceVersion|generation|continue|selfLink"
    r"|creationTimestamp|deletionTimestamp|deletionGracePeriodSeconds|finalizers|ownerReferences|managedFields)\b.*)?)"
)


class BadPath(ValueError):
    """The path names no field. Its text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Member:
    """A step to members of an object: `name` matches a member's whole name."""

    name: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Item:
    """A step to an item of a list; `index` None: to each."""

    index: int | None


@dataclass(frozen=True, slots=True)
class FieldPath:
    text: str  # as it was written
    steps: tuple[Member | Item, ...]  # the first is a Member


def read_path(text: str) -> FieldPath:
    """Read a path. Raises BadPath."""
    if not text:
        raise BadPath("is empty")
    if len(text) > LONGEST_PATH:
        raise BadPath(f"is longer than {LONGEST_PATH} characters")
    steps: list[Member | Item] = []
    at = 0
    while at < len(text):
        if item := _ITEM.match(text, at):
            if not steps:
                raise BadPath("begins with an item: an object has no items")
            steps.append(Item(None if item[1] == "*" else int(item[1])))
            at = item.end()
            continue
        if steps:
            if text[at] != ".":
                raise BadPath(f"has {quoted(text[at : at + 16])} where a dot or [*] should be")
            at += 1
        member, at = _member(text, at)
        steps.append(member)
    if len(steps) > MOST_STEPS:
        raise BadPath(f"has more than {MOST_STEPS} steps")
    if _MACHINE.fullmatch(text):
        raise BadPath("is what the cluster and its clients steer by; a placeholder there would break them")
    if all(isinstance(step, Member) and step.name.pattern == ".*" for step in steps):
        raise BadPath("names every field")
    return FieldPath(text, tuple(steps))


def _member(text: str, at: int) -> tuple[Member, int]:
    """The name that stands at an offset, and the offset behind it."""
    if found := _QUOTED.match(text, at):
        name = re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL)
        if not name:
            raise BadPath('has an empty name, ""')
        return Member(re.compile(re.escape(name))), found.end()
    if found := _NAME.match(text, at):
        return Member(re.compile(".*".join(map(re.escape, re.split(r"\*+", found[0]))), re.DOTALL)), found.end()
    if at == len(text):
        raise BadPath("ends with a dot")
    if text[at] == '"':
        raise BadPath("has a quote without its end")
    raise BadPath(f'has {quoted(text[at : at + 16])} where a name should be; other names need quotes: "..."')
