"""Patterns that are probably mistakes: regular expressions where globs are read, and names that Kubernetes cannot have.

Users, groups and objects may have nearly every character in their names, and `ann.*` is a glob for `ann.smith`. So a pattern of
theirs is only doubted for what names do not have; namespaces and clusters have letters, digits and hyphens alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from l7gw.config.document import shown
from l7gw.policy.callers import listed
from l7gw.policy.patterns import Globs
from l7gw.policy.rules import Rule

# In names of letters, digits and hyphens. A lone dot is no sign: it is a name that cannot be.
_STRICT = re.compile(r"[\^$()\[\]{}|\\+?]|\.[*+]")
# In any name. A Windows account may end in `$`, a group of its domain has a backslash, an address a plus before its @.
_LOOSE = (
    re.compile(r"^\^"),
    re.compile(r"(^|[-:/@])\.[*+]"),
    re.compile(r"\.[*+]\$$"),
    re.compile(r"\.\+(?!.*@)"),
    re.compile(r"\([^()]+\|[^()]+\)"),
    re.compile(r"\[\^?(a-z|A-Z|0-9|\\[dws])"),
    re.compile(r"\\([.$^|()\[\]{}+?]|[dws][+{])"),
)
_NAMESPACE = re.compile(r"[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?", re.ASCII)  # RFC 1123, as AS pkg/apis/core/validation has it
LONGEST_NAMESPACE: Final = 63  # characters, of a pattern without its stars


def of_patterns(rule: Rule) -> Iterator[str]:
    """Doubts of the patterns of a rule."""
    for key, globs in _keys(rule):
        for text in strange_in(key, globs):
            yield f"has a regular expression in `{key}`, where globs are read and `*` alone is special: {shown(text)}{_meant(text)}"
    for command in rule.commands or ():
        if command.text.startswith("^"):
            yield f"has a regular expression in `commands`, and words are read there, and `*` in them: {shown(command.text)}"
    spaces = [text for text in texts_of(rule.namespaces) if not is_regular("namespaces", text) and not _may_be_namespace(text)]
    if spaces:
        hint = "; `names` is about objects" if "/" in spaces[0] else ""
        yield f"names namespaces that Kubernetes cannot have: {listed(spaces)}{hint}"
    slashes = [text for text in texts_of(rule.names) if "/" in text and not is_regular("names", text)]
    if slashes:
        first = slashes[0].rpartition("/")[2]
        hint = f"; did you mean {shown(first)}? `resources` says of which kind" if first else ""
        yield f"names objects with a slash, which none has: {listed(slashes)}{hint}"


def strange_in(key: str, globs: Globs | None) -> list[str]:
    """The patterns of a key that are regular expressions."""
    return [text for text in texts_of(globs) if is_regular(key, text)]


def globs_in(key: str, globs: Globs | None) -> Globs | None:
    """The patterns of a key as they are; None, which stands for everybody, where one of them is a regular expression."""
    return None if strange_in(key, globs) else globs


def is_regular(key: str, text: str) -> bool:
    """Whether a pattern is a regular expression, or one of the shell's: `web-.*`, `^web$`, `(a|b)`, `web-?`."""
    signs = (_STRICT,) if key in ("namespaces", "clusters") else _LOOSE
    return any(sign.search(text) for sign in signs)


def texts_of(globs: Globs | None) -> tuple[str, ...]:
    return globs.texts if globs is not None else ()


def _keys(rule: Rule) -> tuple[tuple[str, Globs | None], ...]:
    return (
        ("users", rule.users),
        ("groups", rule.groups),
        ("clusters", rule.clusters),
        ("namespaces", rule.namespaces),
        ("names", rule.names),
    )


def _may_be_namespace(text: str) -> bool:
    return _NAMESPACE.fullmatch(text) is not None and len(text.replace("*", "")) <= LONGEST_NAMESPACE


def _meant(text: str) -> str:
    """The globs that say the same, where that is easily seen."""
    said = re.sub(r"\.[*+]", "*", text.removeprefix("^").removesuffix("$")).replace("\\.", ".")
    choice = re.fullmatch(r"([^()|]*)\(([^()]+)\)([^()|]*)", said)
    globs = [choice[1] + one + choice[3] for one in choice[2].split("|")] if choice is not None else [said]
    if not all(globs) or any(re.search(r"[\^$()\[\]{}|\\+?]", one) for one in globs):
        return ""
    return f"; did you mean {', '.join(map(shown, globs))}?"
