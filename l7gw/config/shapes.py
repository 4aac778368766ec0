"""What a value of a configuration may be, as data: of which the reference, the pages' tables and the JSON Schema are made.

The readers decide, and these shapes tell of them. A shape is never stricter than its reader: what its JSON Schema refuses, the
reader refuses too (`tests/config/test_schema.py`). Where a reader knows more, as of what two keys may say together, the schema is
looser.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Any

import yaml

from l7gw.config.document import DURATION, LONGEST_KEY, LONGEST_TEXT, SIZE, lasting, sized

Schema = dict[str, Any]

NAME = "NAME"  # stands in a path for a name that the user chooses


@dataclass(frozen=True)
class Text:
    """One text. `what` says which in a word or two; `pattern` is a regular expression of the whole text, "" for any text. `some`:
    the empty text is a mistake."""

    what: str = "text"
    pattern: str = ""
    some: bool = False

    @property
    def in_words(self) -> str:
        return self.what

    def schema(self) -> Schema:
        found: Schema = {"type": "string", "maxLength": LONGEST_TEXT}
        if self.pattern:
            found["pattern"] = f"^(?:{self.pattern})$"
        if self.some:
            found["minLength"] = 1
        return found


@dataclass(frozen=True)
class Words:
    """One of a few words."""

    choices: tuple[str, ...]

    @property
    def in_words(self) -> str:
        return any_of(f"`{one}`" for one in self.choices)

    def schema(self) -> Schema:
        return {"enum": list(self.choices)}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    in_words = "`true` or `false`"

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Switch:
    """On or off: bare, in quotes, or as true and false. `also` are further words."""

    also: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        return any_of(f"`{one}`" for one in ("on", "off", *self.also))

    def schema(self) -> Schema:
        return {"enum": ["on", "off", *self.also, True, False, "true", "false"]}


@dataclass(frozen=True)
class Number:
    """A whole number. `text`: its digits are taken in quotes too."""

    least: int
    most: int
    text: bool = False

    @property
    def in_words(self) -> str:
        return f"number, {self.least} to {self.most}" if self.least < self.most else f"`{self.most}`"

    def schema(self) -> Schema:
        number: Schema = {"type": "integer", "minimum": self.least, "maximum": self.most}
        return {"anyOf": [number, {"type": "string", "pattern": "^[0-9]+$"}]} if self.text else number


@dataclass(frozen=True)
class Size:
    """A number of bytes, written as `2GiB`."""

    least: int
    most: int

    @property
    def in_words(self) -> str:
        return f"size, {sized(self.least)} to {sized(self.most)}"

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "string", "pattern": f"^{SIZE}$"}, {"type": "integer", "minimum": 0}]}


@dataclass(frozen=True)
class Duration:
    """A number of seconds, written as `10m`."""

    least: int
    most: int

    @property
    def in_words(self) -> str:
        return f"duration, {lasting(self.least)} to {lasting(self.most)}"

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{DURATION}$"}


@dataclass(frozen=True)
class Texts:
    """A list of texts. `one`: a single text may stand without brackets. `empty`: the empty list is taken."""

    item: Text | Words = Text()
    one: bool = True
    empty: bool = False

    @property
    def in_words(self) -> str:
        of = plural(self.item.in_words) if isinstance(self.item, Text) else ", ".join(f"`{one}`" for one in self.item.choices)
        return f"list of {of}"

    def schema(self) -> Schema:
        item = self.item.schema()
        if isinstance(self.item, Text):
            item["minLength"] = 1
        found: Schema = {"type": "array", "items": item}
        if not self.empty:
            found["minItems"] = 1
        return {"anyOf": [item, found]} if self.one else found


@dataclass(frozen=True)
class Either:
    """One of several shapes."""

    shapes: tuple[Shape, ...]

    @property
    def in_words(self) -> str:
        return ", or ".join(one.in_words for one in self.shapes)

    def schema(self) -> Schema:
        return {"anyOf": [one.schema() for one in self.shapes]}


@dataclass(frozen=True)
class Forbids:
    """Where the key `key` has the value `word`, the keys in `names` must not stand beside it; they may all the same where the key
    `unless` does, "" for never."""

    key: str
    word: str
    names: tuple[str, ...]
    unless: str = ""

    def schema(self) -> Schema:
        when: Schema = {"properties": {self.key: {"const": self.word}}, "required": [self.key]}
        if self.unless:
            when["not"] = {"required": [self.unless]}
        return {"if": when, "then": {"properties": dict.fromkeys(self.names, False)}}


@dataclass(frozen=True)
class Mapping:
    """A mapping with known keys.

    `one_of` lists alternatives, each as the keys that it needs; one of them must be there whole. Of the keys in `some_of` at
    least one must be there. `later` are keys that this version lacks, each with the feature that will bring it.
    """

    keys: tuple[Key, ...]
    one_of: tuple[tuple[str, ...], ...] = ()
    some_of: tuple[str, ...] = ()
    later: Map[str, str] | None = None
    forbids: tuple[Forbids, ...] = ()

    in_words = "map"

    def key(self, name: str) -> Key | None:
        return next((key for key in self.keys if key.name == name), None)

    def schema(self) -> Schema:
        found: Schema = {
            "type": "object",
            "properties": {key.name: key.schema() for key in self.keys},
            "additionalProperties": False,
        }
        if required := [key.name for key in self.keys if key.required]:
            found["required"] = required
        if alternatives := (*self.one_of, *((name,) for name in self.some_of)):
            found["anyOf"] = [{"required": list(names)} for names in alternatives]
        beside: Schema = {}
        for key in self.keys:
            if key.without:
                beside[key.name] = {"properties": dict.fromkeys(key.without, False)}
                if key.beside:
                    beside[key.name]["required"] = list(key.beside)
            elif key.beside:
                beside[key.name] = list(key.beside)
        if beside:
            found["dependencies"] = beside
        if self.forbids:
            found["allOf"] = [one.schema() for one in self.forbids]
        return found


@dataclass(frozen=True)
class Named:
    """A mapping whose names the user chooses. `name` stands for them in paths; `pattern` is a regular expression of a whole name,
    "" for any; `taken` are names that cannot be chosen. `some`: there is at least one."""

    item: Shape
    name: str = NAME
    pattern: str = ""
    taken: tuple[str, ...] = ()
    some: bool = False

    @property
    def in_words(self) -> str:
        return f"map of {self.name} to {self.item.in_words}"

    def schema(self) -> Schema:
        names: Schema = {"minLength": 1, "maxLength": LONGEST_KEY}
        if self.pattern:
            names["pattern"] = f"^(?:{self.pattern})$"
        if self.taken:
            names["not"] = {"enum": sorted(self.taken)}
        found: Schema = {"type": "object", "propertyNames": names, "additionalProperties": self.item.schema()}
        if self.some:
            found["minProperties"] = 1
        return found


@dataclass(frozen=True)
class Listed:
    """A list of mappings. `some`: there is at least one."""

    item: Mapping
    some: bool = False

    in_words = "list of maps"

    def schema(self) -> Schema:
        found: Schema = {"type": "array", "items": self.item.schema()}
        if self.some:
            found["minItems"] = 1
        return found


Shape = Text | Words | Flag | Switch | Number | Size | Duration | Texts | Either | Mapping | Named | Listed


@dataclass(frozen=True)
class Key:
    """One key.

    `says` are one or two sentences. `example` is a value in YAML, in one line. `default` is the value, in YAML, that the absent
    key stands for; where there is no such value, `absent` says in words what counts then. `without` are keys that must not stand
    beside it, `beside` those that must. `needs` are keys that must say something beside it, each as a value in YAML: an example
    has them too.
    """

    name: str
    shape: Shape
    says: str
    example: str
    default: str = ""
    absent: str = "none"
    required: bool = False
    without: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    needs: tuple[tuple[str, str], ...] = ()

    @property
    def default_in_words(self) -> str:
        """What counts where the key is absent: a value in backquotes, or words."""
        if self.required:
            return "required"
        return f"`{self.default}`" if self.default else self.absent

    def schema(self) -> Schema:
        found = {"description": self.says, "markdownDescription": self.says, **self.shape.schema()}  # editors show the second
        if self.default:
            found["default"] = _value(self.default)
        found["examples"] = [_value(self.example)]
        return found


def _value(text: str) -> Any:
    """A value in YAML as an editor reads it: it reads YAML 1.2, in which `on` is a text."""
    return text if text in ("on", "off") else yaml.safe_load(text)


def any_of(words: Any) -> str:
    """Words as people list them: `a, b or c`."""
    found = list(words)
    return f"{', '.join(found[:-1])} or {found[-1]}" if len(found) > 1 else found[0]


def plural(word: str) -> str:
    """The English plural of a word, or of a phrase by its last word."""
    if word.endswith("y"):
        return word[:-1] + "ies"
    return f"{word}s" if word[-1:].islower() and not word.endswith("s") else word
