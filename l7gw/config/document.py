"""YAML with positions: every mistake is kept with its file and line, and all are reported at once.

A `Reader` reads one mapping. A value that it cannot use is reported to the document, and the caller gets a default, so that reading
goes on to the next mistake. A key that is not known is reported too, with the known key that is most like it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml

from l7gw import name_rules
from l7gw.errors import ConfigurationError, Problem
from l7gw.os_faults import in_words, remedy

OTHER_FILE = "is it the file that is meant? This one is no text as an editor saves it"
YAML_HINT = "indent by spaces, close each bracket and quote, and quote a text that has `: ` or ` #` in it"
LARGEST = 1024 * 1024  # bytes of a file; a policy of two thousand rules has less
DEEPEST = 20  # nested collections; the settings need six
LONGEST_TEXT = 4096  # characters of one value; no path on Linux is longer
LONGEST_KEY = 253  # characters of a key; the longest keys are names of Kubernetes objects

OPENING = (yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken, yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)

SIZE = r"([0-9]{1,15})(|KiB|MiB|GiB|TiB)"
DURATION = r"([0-9]{1,9})(s|m|h|d)"
DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SIZES = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}

# Where a file is to be named: a token of Slack's, a JWT, a key in PEM, or what a program drew by chance
LOOKS_SECRET = re.compile(r"(xox[a-z]|xapp)-.*|eyJ.*|-----BEGIN.*|[0-9A-Fa-f]{16,}|[A-Za-z0-9+/=_-]{32,}", re.DOTALL)

Word = TypeVar("Word", bound=str)  # a `Literal` of the few texts that a value may have
Default = TypeVar("Default", bound=str | None)


class Document:
    """One file and the mistakes found in it so far."""

    def __init__(self, path: Path, hint: str = "") -> None:
        """Raises ConfigurationError for a file that cannot be read, with `hint`, and for one that is no YAML."""
        self.path = path
        self.problems: list[Problem] = []
        self.root = self._parse(hint)

    def _parse(self, hint: str) -> yaml.Node | None:
        try:
            with self.path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            self._stop(f"cannot be read: {in_words(error)}", (missing and hint) or remedy(error) or hint)
        if len(data) > LARGEST:
            self._stop(f"is larger than {LARGEST // 1024} KiB", OTHER_FILE)
        try:
            text = data.decode("utf-8-sig")
            self._scan(text)
            return yaml.compose(text, yaml.SafeLoader)
        except UnicodeDecodeError as error:
            self._stop("is not UTF-8", OTHER_FILE, data.count(b"\n", 0, error.start) + 1)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            self._stop(f"is not YAML: {error.problem}", YAML_HINT, mark.line + 1 if mark else 0)
        except yaml.reader.ReaderError as error:  # `position` counts characters, not lines
            self._stop("has a character that YAML does not take", OTHER_FILE, text.count("\n", 0, error.position) + 1)

    def _scan(self, text: str) -> None:
        """Refuse a text by its tokens, before nodes are built of them, so that it costs neither memory nor stack.

        Aliases and tags are refused. No configuration needs them: aliases multiply (a "billion laughs" has 400 bytes), and a tag
        asks for a type of its own.
        """
        depth = 0
        for token in yaml.scan(text, yaml.SafeLoader):
            line = token.start_mark.line + 1
            if isinstance(token, OPENING):
                depth += 1
                if depth > DEEPEST:
                    self._stop(f"is nested more than {DEEPEST} deep", line=line)
            elif isinstance(token, CLOSING):
                depth -= 1
            elif isinstance(token, yaml.AliasToken | yaml.AnchorToken):
                self._stop("aliases (&, *) are not taken", 'a text that begins with & or * needs quotes: "*"', line=line)
            elif isinstance(token, yaml.TagToken):
                self._stop("tags (!) are not taken", 'a text that begins with ! needs quotes: "!"', line=line)

    def _stop(self, what: str, hint: str = "", line: int = 0) -> NoReturn:
        raise ConfigurationError([Problem(str(self.path), line, what, hint)])

    def wrong(self, node: yaml.Node | None, what: str, hint: str = "") -> None:
        """Keep one mistake."""
        self.problems.append(Problem(str(self.path), node.start_mark.line + 1 if node is not None else 0, what, hint))

    def reader(self, known: Sequence[str], later: dict[str, str] | None = None) -> Reader:
        """Read the whole document as a mapping."""
        return Reader(self, self.root, "the file", known, later or {})

    def sorted_problems(self) -> list[Problem]:
        """The mistakes so far, in the order of their lines."""
        return sorted(self.problems, key=lambda problem: problem.line)

    def finish(self) -> None:
        """Raises ConfigurationError with all mistakes, where there are any."""
        if self.problems:
            raise ConfigurationError(self.sorted_problems())


def plain(node: yaml.Node) -> Any:
    """A node as Python values, by the rules of PyYAML's safe loader, which reads YAML 1.1: `on` is true and `0x10` is 16, so a text
    that looks like one of these must be quoted. None for a node that has no value, such as a 45th of May."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError):
        return None
    finally:
        loader.dispose()


def shown(value: str) -> str:
    """A value for a message: bounded, in quotes, without anything that a terminal would obey."""
    return name_rules.quoted(value)


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that is most like this one; "" where none is like it."""
    near = difflib.get_close_matches(word, known, 1) if len(word) <= LONGEST_KEY else []
    return near[0] if near else ""


def word_of(text: str, known: Sequence[Word]) -> Word | None:
    """The known word that this text is, with the type of the known ones; None where it is none of them."""
    return next((word for word in known if word == text), None)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and (value.isprintable() or value == "")


class Reader:
    """One mapping. `what` names it in messages, and `known` are its keys.

    `later` maps keys that this version does not have yet to the feature that will bring them. A missing key is reported at `place`,
    which is usually the key before the mapping.
    """

    def __init__(
        self,
        document: Document,
        node: yaml.Node | None,
        what: str,
        known: Sequence[str],
        later: dict[str, str] | None = None,
        place: yaml.Node | None = None,
    ) -> None:
        self.document = document
        self.node = node
        self.what = what
        self.not_yet: set[str] = set()  # keys of `later` that stand in the mapping
        self._place = place or node
        self._entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            hint = "is it the file that is meant? It begins with a key" if what == "the file" else ""
            document.wrong(self._place, f"{what} must be a mapping (key: value)", hint)
            return
        for key_node, value_node in node.value:
            self._add(key_node, value_node, known, later or {})

    def _add(self, key_node: yaml.Node, value_node: yaml.Node, known: Sequence[str], later: dict[str, str]) -> None:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str) or not key.isprintable() or not 0 < len(key) <= LONGEST_KEY:
            self.document.wrong(key_node, f"a key of {self.what} must be text of 1 to {LONGEST_KEY} characters")
        elif key in self._entries or key in self.not_yet:
            self.document.wrong(key_node, f"`{key}` stands twice in {self.what}")
        elif key in later:
            self.not_yet.add(key)
            self.document.wrong(key_node, f"`{key}` is not in this version", f"it comes with {later[key]}")
        elif key not in known:
            near = nearest(key, [*known, *later])
            hint = f"did you mean `{near}`?" if near else "known here: " + ", ".join(known)
            self.document.wrong(key_node, f"unknown key `{key}` in {self.what}", hint)
        else:
            self._entries[key] = (key_node, value_node)

    def has(self, key: str) -> bool:
        return key in self._entries

    def node_of(self, key: str) -> yaml.Node | None:
        found = self._entries.get(key)
        return found[1] if found else None

    def wrong(self, key: str, what: str, hint: str = "") -> None:
        found = self._entries.get(key)
        self.document.wrong(found[0] if found else self._place, what, hint)

    def missing(self, key: str, hint: str = "") -> None:
        if key not in self.not_yet and (self.node is None or isinstance(self.node, yaml.MappingNode)):
            self.document.wrong(self._place, f"`{key}` is missing in {self.what}", hint)

    # -- values; each method gives `default` where the key is absent, and after a mistake, which it reports

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        value = self._line(key, required=required)
        if required and value == "":
            self.wrong(key, f"`{key}` is empty")
        return default if value is None else value

    def choice(self, key: str, default: Default, choices: Sequence[Word], *, required: bool = False) -> Word | Default:
        """One of the words in `choices`."""
        value = self._line(key, required=required)
        if value is None:
            return default
        word = word_of(value, choices)
        if word is None:
            near = nearest(value, choices)
            self.wrong(key, f"`{key}` must be {_any_of(choices)}, not {shown(value)}", f"did you mean `{near}`?" if near else "")
            return default
        return word

    def _line(self, key: str, *, required: bool) -> str | None:
        """One line of text. None where the key is absent, or has something else, which is reported."""
        node = self.node_of(key)
        if node is None:
            if required:
                self.missing(key)
            return None
        value = plain(node)
        if not _is_text(value):
            self.wrong(key, f"`{key}` must be one line of text{_not(value)}", f'quotes make a text of anything: {key}: "..."')
            return None
        return str(value)

    def prose(self, key: str, *, longest: int) -> str:
        """A text of several lines, joined into one line, of at most `longest` characters."""
        node = self.node_of(key)
        if node is None:
            return ""
        value = plain(node)
        words = " ".join(value.split()) if isinstance(value, str) and len(value) <= LONGEST_TEXT else ""
        if not 0 < len(words) <= longest or not words.isprintable():
            self.wrong(key, f"`{key}` must be text of 1 to {longest} characters")
            return ""
        return words

    def flag(self, key: str) -> bool:
        """True or false. False where the key is absent. Any other value is reported, and gives false."""
        node = self.node_of(key)
        value = False if node is None else plain(node)
        if not isinstance(value, bool):
            self.wrong(key, f"`{key}` must be true or false")
            return False
        return value

    def size(self, key: str, default: int, *, least: int, most: int) -> int:
        """A size in bytes, written as `2GiB` or as a number of bytes; `least` and `most` are in bytes."""
        node = self.node_of(key)
        if node is None:
            return default
        match = re.fullmatch(SIZE, node.value) if isinstance(node, yaml.ScalarNode) else None
        if match is None:
            self.wrong(key, f"`{key}` must be a size such as 2GiB or 64MiB")
            return default
        value = int(match[1]) * SIZES[match[2]]
        if not least <= value <= most:
            self.wrong(key, f"`{key}` must be within {sized(least)} and {sized(most)}")
            return default
        return value

    def duration(self, key: str, default: int, *, least: int, most: int) -> int:
        """A duration in seconds, written as `10m` or `24h`; `least` and `most` are in seconds."""
        node = self.node_of(key)
        if node is None:
            return default
        match = re.fullmatch(DURATION, node.value) if isinstance(node, yaml.ScalarNode) else None
        if match is None:
            self.wrong(key, f"`{key}` must be a duration such as 10m, 24h or 7d")
            return default
        value = int(match[1]) * DURATIONS[match[2]]
        if not least <= value <= most:
            self.wrong(key, f"`{key}` must be within {lasting(least)} and {lasting(most)}")
            return default
        return value

    def path(self, key: str, *, required: bool = False) -> Path | None:
        """An absolute path; a relative one is relative to the file's folder. Whether something is there is not checked."""
        value = self.text(key, required=required)
        return (self.document.path.parent / value).absolute() if value else None

    def file(self, key: str, *, required: bool = False) -> Path | None:
        """The path of a file. A file that is not there, or cannot be read, is reported."""
        path = self.path(key, required=required)
        if path is None:
            return None
        try:
            with path.open("rb"):
                return path
        except OSError as error:
            if LOOKS_SECRET.fullmatch(self.text(key)):  # reports go to logs
                hint = "put it into a file of its own, which nobody else can read (chmod 600), and name that file here"
                self.wrong(key, f"`{key}` names no file that can be read, and looks like a secret itself", hint)
            else:
                missing = isinstance(error, FileNotFoundError | NotADirectoryError)
                hint = "a relative path begins at this file's folder" if missing else remedy(error)
                self.wrong(key, f"`{key}`: {path} cannot be read: {in_words(error)}", hint)
            return None

    def texts(self, key: str, *, one: bool = False) -> tuple[str, ...] | None:
        """A list of texts, None where the key is absent. An empty list is a mistake. With `one`, a single text is a list of one."""
        found = self.listed(key, one=one)
        return None if found is None else tuple(text for text, _ in found)

    def listed(self, key: str, *, one: bool = False) -> list[tuple[str, yaml.Node]] | None:
        """As `texts`, but each text with its node, at which its mistakes are reported. What is no text is reported and left out."""
        node = self.node_of(key)
        if node is None:
            return None
        items: list[yaml.Node]
        if one and isinstance(node, yaml.ScalarNode) and plain(node) is not None:
            items = [node]
        elif isinstance(node, yaml.SequenceNode):
            items = node.value
        else:
            self.wrong(key, f"`{key}` must be a list of texts", f'{key}: ["..."]')
            return None
        if not items:
            self.wrong(key, f"`{key}` is an empty list, which would match nothing", "name one at least, or leave the key out")
        found: list[tuple[str, yaml.Node]] = []
        for item in items:
            value = plain(item)
            if _is_text(value) and value:
                found.append((value, item))
            else:
                what = f"`{key}` must hold texts of one line{_not(value)}"
                self.document.wrong(item, what, 'quotes make a text of anything: "..."')
        return found

    def items(self, key: str) -> list[yaml.Node]:
        """The nodes of the list at a key."""
        node = self.node_of(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(key, f"`{key}` must be a list (- ...)")
            return []
        return list(node.value)

    def entries(self, key: str) -> list[tuple[str, yaml.Node, yaml.Node]]:
        """Name, key node and value node of each entry of a mapping whose names the user chooses."""
        found = self._entries.get(key)
        if found is None:
            return []
        inner = Reader(self.document, found[1], f"`{key}`", _AnyKey(), place=found[0])
        return [(name, *nodes) for name, nodes in inner._entries.items()]

    def inner(self, key: str, known: Sequence[str], later: dict[str, str] | None = None) -> Reader:
        """A reader of the mapping at a key."""
        found = self._entries.get(key)
        if found is None:
            return Reader(self.document, None, f"`{key}`", known, place=self._place)
        return Reader(self.document, found[1], f"`{key}`", known, later, place=found[0])


def _not(value: object) -> str:
    return f", not {shown(value)}" if isinstance(value, str) else ""


def _any_of(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]


def sized(value: int) -> str:
    """A number of bytes as a configuration writes it: `2GiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if value >= SIZES[unit] and value % SIZES[unit] == 0:
            return f"{value // SIZES[unit]}{unit}"
    return str(value)


def lasting(value: int) -> str:
    """A number of seconds as a configuration writes it: `10m`."""
    for unit in ("d", "h", "m"):
        if value > DURATIONS[unit] and value % DURATIONS[unit] == 0:
            return f"{value // DURATIONS[unit]}{unit}"
    return f"{value}s"


class _AnyKey(list[str]):
    """The known keys of a mapping whose keys the user chooses: it contains every key."""

    def __contains__(self, key: object) -> bool:
        return True
