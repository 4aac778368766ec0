"""The section `masking` of l7gw.yaml. What only the detectors can tell of it, `masking.configured` checks."""

from __future__ import annotations

import re

import yaml

from l7gw.config.document import LONGEST_TEXT, Reader, plain, shown
from l7gw.config.field_paths import BadPath, read_path
from l7gw.config.settings import Masking, MaskingField, MaskingPattern, MaskingSwitch, MaskingTest

MASKING_KEYS = ("registry", "detectors", "patterns", "fields", "tests")
PATTERN_KEYS = ("name", "pattern")
FIELD_KEYS = ("kind", "path")
TEST_KEYS = ("text", "finds")

MOST_PATTERNS = 100  # each may cost as much as ten of our own
MOST_FIELDS = 500  # each is looked at for every object of its kind
MOST_TESTS = 1000  # all run at every load; one takes a few microseconds
LONGEST_PATTERN = 1000  # characters

INSTEAD_OF_A_SWITCH = (
    "say what it is to do, such as masking: {registry: off} or masking: {detectors: {email: on}}; what callers may see, a rule of "
    'the policy says, such as reveal: [secret-data], or for all of them defaults: {reveal: ["*"]}'
)

PATTERN_NAME = re.compile(r"[a-z0-9-]{1,32}")
KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}(?:\.[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?")


def masking_of(top: Reader) -> Masking:
    """What has no mistake of the section. Every mistake is reported to the document."""
    section = top.node_of("masking")
    if isinstance(section, yaml.ScalarNode) and plain(section) is not None:
        top.wrong("masking", "`masking` is no switch: masking is always on", INSTEAD_OF_A_SWITCH)
        return Masking()
    inner = top.inner("masking", MASKING_KEYS)
    switches: list[MaskingSwitch] = []
    detectors = inner.node_of("detectors")
    if detectors is not None:
        for name, key_node, value_node in inner.entries("detectors"):
            on = _switch(value_node)
            if on is None:
                inner.document.wrong(key_node, f"`detectors`: {shown(name)} must be on or off")
            else:
                switches.append(MaskingSwitch(name, on, _line(key_node)))
    registry = inner.node_of("registry")
    remembers = True if registry is None else _switch(registry)
    if remembers is None:
        inner.wrong("registry", "`registry` must be on or off")
    return Masking(
        registry=remembers is not False,
        detectors=tuple(switches),
        patterns=tuple(filter(None, map(_pattern, _readers(inner, "patterns", "a pattern", PATTERN_KEYS, MOST_PATTERNS)))),
        fields=tuple(filter(None, map(_field, _readers(inner, "fields", "a field", FIELD_KEYS, MOST_FIELDS)))),
        tests=tuple(filter(None, map(_test, _readers(inner, "tests", "a test", TEST_KEYS, MOST_TESTS)))),
    )


def _readers(inner: Reader, key: str, what: str, known: tuple[str, ...], most: int) -> list[Reader]:
    nodes = inner.items(key)
    if len(nodes) > most:
        inner.wrong(key, f"`{key}` has more than {most} entries")
    return [Reader(inner.document, node, what, known) for node in nodes[:most]]


def _switch(node: yaml.Node) -> bool | None:
    """On or off: bare, in quotes, or as true and false. None where it is something else."""
    value = plain(node)
    return value if isinstance(value, bool) else {"on": True, "true": True, "off": False, "false": False}.get(str(value))


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _place(reader: Reader) -> int:
    return _line(reader.node) if reader.node is not None else 0


def _pattern(reader: Reader) -> MaskingPattern | None:
    name = reader.text("name", required=True)
    if name and PATTERN_NAME.fullmatch(name) is None:
        hint = "1 to 32 lower-case letters, digits and hyphens: it stands in placeholders"
        reader.wrong("name", f"{shown(name)} cannot be a pattern's name", hint)
    pattern = reader.text("pattern", required=True)
    if len(pattern) > LONGEST_PATTERN:
        reader.wrong("pattern", f"`pattern` is longer than {LONGEST_PATTERN} characters", "two patterns may have what one has")
        return None
    node = reader.node_of("pattern")
    if not pattern or node is None or PATTERN_NAME.fullmatch(name) is None:
        return None
    return MaskingPattern(name, pattern, _line(node))


def _field(reader: Reader) -> MaskingField | None:
    kind = reader.text("kind", required=True)
    if kind and KIND.fullmatch(kind) is None:
        hint = "such as ConfigMap, or Database.example.com: the kind, a dot and its group"
        reader.wrong("kind", f"{shown(kind)} cannot be a kind", hint)
    text = reader.text("path", required=True)
    if not text:
        return None
    try:
        path = read_path(text)
    except BadPath as fault:
        reader.wrong("path", f"`path` {shown(text)} names no field: it {fault}", "such as data.*password* or spec.users[*].token")
        return None
    if KIND.fullmatch(kind) is None:
        return None
    name, _, group = kind.partition(".")
    return MaskingField(name, group, path, _place(reader))


def _test(reader: Reader) -> MaskingTest | None:
    node, finds = reader.node_of("text"), reader.node_of("finds")
    if node is None:
        reader.missing("text")
    if finds is None:
        reader.missing("finds", "finds: [] says that nothing is found")
    value = plain(node) if node is not None else ""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        what = f"`text` must be text of at most {LONGEST_TEXT} characters"
        reader.wrong("text", what, 'quotes make a text of anything: text: "..."')
        return None
    if finds is None or node is None:
        return None
    names = reader.texts("finds", one=True) if not isinstance(finds, yaml.SequenceNode) or finds.value else ()
    return MaskingTest(value, frozenset(names or ()), _place(reader))
