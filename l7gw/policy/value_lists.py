"""Lists of values in a policy: globs over names, resources, verbs and fixed words. Mistakes are reported, and left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import yaml

from l7gw import name_rules
from l7gw.config.document import Reader, Word, nearest, shown, word_of
from l7gw.kube.builtin import BUILT_IN, plurals_of
from l7gw.policy.patterns import BadPattern, Globs, Resources, glob
from l7gw.policy.vocabulary import KUBECTL, VERBS, meant

MOST_VALUES = 1000  # in one list; more people should be a group of the identity provider

T = TypeVar("T")


def _values(reader: Reader, key: str, most: int = MOST_VALUES) -> list[tuple[str, yaml.Node]] | None:
    """The texts at a key, None where it is absent. Mistakes are reported and left out, so the list may be empty."""
    found = reader.listed(key, one=True)
    if found is not None and len(found) > most:
        reader.wrong(key, f"`{key}` has more than {most} values")
        return found[:most]
    return found


def compiled(reader: Reader, key: str, make: Callable[[str], T], most: int = MOST_VALUES) -> tuple[T, ...] | None:
    """What `make` makes of each value, None where the key is absent. Values that it refuses are reported and left out, and so are
    those beyond `most`."""
    values = _values(reader, key, most)
    if values is None:
        return None
    made = []
    for text, node in values:
        try:
            made.append(make(text))
        except BadPattern as error:
            reader.document.wrong(node, f"`{key}`: {error}", error.hint)
    return tuple(made)


def people(reader: Reader, key: str) -> Globs | None:
    texts = compiled(reader, key, _people_text)
    return None if texts is None else Globs(texts)


def _people_text(text: str) -> str:
    """A glob over names of users or groups. One that no name can match is refused: it would look as if it matched."""
    if fault := name_rules.fault(text):
        raise BadPattern(f"{shown(text)} {fault}", "a group that comes in such a form is denied as what it looks like")
    return _glob_text(text)


def globs(reader: Reader, key: str) -> Globs | None:
    texts = compiled(reader, key, _glob_text)
    return None if texts is None else Globs(texts)


def _glob_text(text: str) -> str:
    glob(text)
    return text


def resources(reader: Reader) -> Resources | None:
    texts = compiled(reader, "resources", _resource_text)
    return None if texts is None else Resources(texts)


def _resource_text(text: str) -> str:
    full = meant(text)
    if full:
        raise BadPattern(f"{shown(text)} is no resource of the core group", f"did you mean {full}?")
    Resources((text,))
    _check_exists(text)
    return text


def _check_exists(text: str) -> None:
    """Raises BadPattern for a resource that no cluster has. A guardrail that names one would guard nothing.

    Only Kubernetes itself adds resources to the core group, and subresources to the resources that it serves.
    """
    base, slash, sub = text.partition("/")
    plural, _, group = base.partition(".")
    if "*" in base:
        return
    subresources = BUILT_IN.get((group, plural))
    if subresources is None and not group:
        near = nearest(plural, plurals_of(""))
        hint = f"did you mean {near}?" if near else "a resource of another group is written with it, as in widgets.example.com"
        raise BadPattern(f"{shown(plural)} is no resource of the core group", hint)
    if slash and subresources is not None and not any(map(glob(sub), subresources)):
        near = nearest(sub, subresources)
        hint = f"did you mean {base}/{near}?" if near else f"it has {', '.join(subresources) or 'none'}"
        raise BadPattern(f"{shown(text)} is no subresource of {base}", hint)


def verbs(reader: Reader) -> Globs | None:
    texts = compiled(reader, "verbs", _verb_text)
    return None if texts is None else Globs(texts)


def _verb_text(text: str) -> str:
    if any(map(glob(text), VERBS)):
        return text
    if text in KUBECTL:
        verb, sub = KUBECTL[text]
        raise BadPattern(f"{shown(text)} is kubectl's word", f"the verb is {verb}" + (f", of pods/{sub}" if sub else ""))
    near = nearest(text, VERBS)
    raise BadPattern(f"{shown(text)} is no verb", f"did you mean {near}?" if near else "one of " + ", ".join(VERBS))


def choices(reader: Reader, key: str, known: tuple[Word, ...]) -> frozenset[Word] | None:
    """The chosen words of `known`; `*` chooses all. None where the key is absent."""
    values = _values(reader, key)
    if values is None:
        return None
    chosen: set[Word] = set()
    for text, node in values:
        if text == "*":
            chosen.update(known)
        elif (word := word_of(text, known)) is not None:
            chosen.add(word)
        else:
            near = nearest(text, known)
            hint = f"did you mean {near}?" if near else "one of " + ", ".join(known)
            reader.document.wrong(node, f"`{key}`: {shown(text)} is not known", hint)
    return frozenset(chosen)
