"""What in the bytes of a body says that its structure may mask something, or that the other searches cannot tell what is in it.

Each expression finds all that the rule behind it would mask (`structure.py`), in JSON as kube-apiserver and kubectl write it and in
protobuf. What it finds beyond that is read for nothing.
"""

from __future__ import annotations

import re
from functools import cache

from l7gw.masking.detectors.marks import Expression, Marks
from l7gw.masking.objects.env_hints import EXACT, PROTOBUF, ROUGH
from l7gw.masking.objects.object_kinds import STRUCTURAL
from l7gw.masking.objects.pod_objects import POD_SPECS
from l7gw.masking.objects.structure import HINTS

# Marks, beside DETECTOR
STRUCTURE = 2  # something that is masked by its structure
VARIABLE = 4  # perhaps a variable
ESCAPED = 8  # a letter or digit that an escape of JSON hides from all the searches
GO_ESCAPED = 16  # an escape that Go writes where nobody has to; `without_go_escapes` takes it out
ENCODED = 32  # text in base64 that is looked into
ENVIRONMENT = 64  # a member `env`
WITHIN = 128  # a member `env` of JSON in a text

# Kinds that are always read; of pods and templates the bytes are searched first
ALWAYS = STRUCTURAL - frozenset(POD_SPECS)
_ALWAYS_KINDS = b"(?:" + b"|".join(sorted(kind.encode() for kind in ALWAYS)) + rb"|Status)(?:List)?"
# Such a kind as JSON or the envelope of protobuf writes it
_ALWAYS_KIND = rb'(?:"kind"\s*:\s*"|\x12.)' + _ALWAYS_KINDS + rb'["\x12]'
_MANIFEST = rb"""kind\\*["']?\s*:\s*\\*["']?(?:Config|Secret)\W"""
# What Go writes as an escape where nobody has to; nothing that a detector is after begins there
_GO_ESCAPES = {b"\\u0026": b"&", b"\\u003c": b"<", b"\\u003e": b">", b"\\/": b"/"}
_NOT_IN_JSON = b"\x12"  # as no character below a space is, but line ends and tabs
_GO_ESCAPE = re.compile(rb"\\(?:u00(?:26|3[ce])|/)")

LARGE_JSON = 16 * 1024  # bytes, from which on `marks_in_json` takes less than one search for EXPRESSIONS

_IN_EITHER = (
    Expression(_MANIFEST, STRUCTURE),
    *(Expression(re.escape(hint), STRUCTURE) for hint in HINTS if hint != b"\\u00"),
    *(Expression(text, VARIABLE) for text in ROUGH),
    Expression(rb"\\u00(?:[^23]|2[^6]|3[^ce]|.?\z)", ESCAPED),
    Expression(rb"\\u00(?:26|3c|3e)", GO_ESCAPED),
    Expression(rb'"binaryData\\*"', ENCODED),
    Expression(rb'env\\"', WITHIN),
)
_SLASH = Expression(rb"\\/", GO_ESCAPED)
_OWN_ENVIRONMENT = Expression(b'"env"', ENVIRONMENT)
EXPRESSIONS = (
    Expression(_ALWAYS_KIND, STRUCTURE),
    Expression(PROTOBUF, STRUCTURE),
    *_IN_EITHER,
    _SLASH,
    _OWN_ENVIRONMENT,
)
# What can stand in JSON, but for what `marks_in_json` looks for by itself. A third less work than EXPRESSIONS: hyperscan looks for
# runs of bytes, for all at once, and is slow where one expression has a run of two, or what stands in each pod
JSON_EXPRESSIONS = (Expression(rb'"kind"\s*:\s*"' + _ALWAYS_KINDS + b'"', STRUCTURE), *_IN_EITHER)


@cache
def hints() -> Marks:
    """The search for EXPRESSIONS alone."""
    return Marks(EXPRESSIONS)


@cache
def _alone(expression: Expression) -> Marks:
    return Marks([expression])


def may_be_json(data: bytes) -> bool:
    """Whether the bytes have none that JSON has nowhere, so that `marks_in_json` tells their marks. It costs 0.04 ns a byte."""
    return _NOT_IN_JSON not in data


def marks_in_json(together: Marks, data: bytes, stop: int) -> int:
    """The marks of EXPRESSIONS in JSON, up to the first of those in `stop`. `together` searches for JSON_EXPRESSIONS. ENVIRONMENT
    is looked for only where it is in `stop`: else it tells something of protobuf alone."""
    marks = together.find(data, stop)
    if not marks & stop and stop & ENVIRONMENT:
        marks |= _alone(_OWN_ENVIRONMENT).find(data, ENVIRONMENT)
    if not marks & (stop | GO_ESCAPED):
        marks |= _alone(_SLASH).find(data, GO_ESCAPED)
    return marks


@cache
def _variables() -> Marks:
    return Marks([Expression(text, VARIABLE) for text in EXACT])


def holds_variable(data: bytes, marks: int) -> bool:
    """Whether a variable with a telling name and a value may stand in bytes of a pod, or of a template of pods, which have these
    marks. In protobuf, the JSON in a text has no backslashes."""
    if not marks & (VARIABLE | WITHIN) and not (marks & ENVIRONMENT and _NOT_IN_JSON in data):
        return False
    return _variables().find(data, VARIABLE) != 0


def without_go_escapes(data: bytes) -> bytes:
    """JSON for the eyes of the searches: the characters that Go escapes as themselves."""
    return _GO_ESCAPE.sub(_plain, data)


def _plain(found: re.Match[bytes]) -> bytes:
    return _GO_ESCAPES[found[0]]
