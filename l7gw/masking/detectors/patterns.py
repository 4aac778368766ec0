"""Patterns of the user's own as detectors. A pattern that would find nothing, or too much of any text, is refused."""

from __future__ import annotations

import re

import hyperscan
import re2

from l7gw.masking.detectors.detector import Detector, Shape
from l7gw.masking.detectors.engines import compiled, noticing
from l7gw.masking.detectors.regex_tree import NoTree, Tree, read

LONGEST_MATCH = 256  # bytes of a match of a user's pattern; the rest of a longer one is not masked
MOST_OF_TEXT = 0.2  # of ordinary text that a pattern may find; one that finds more is refused
LONGEST_FIXED = 64  # bytes of a match that counts as being of a fixed shape
LEAST_ANCHOR = 3  # bytes of plain text in such a shape, so that it is no word

# What is no secret: words, numbers, JSON, YAML, a log.
ORDINARY = b"""\
The quick brown fox jumps over the lazy dog, and 12 boxes of 345 jugs stand by at 09:30 on 2026-11-27 in room C-3.
I1127 18:04:36.123456       1 controller.go:624] "Starting controller" name="deployment" namespace="kube-system" replicas=3
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-5dd5756b68-x7k2p","uid":"9f6f3c4e-1b1c-4e1e-8f0a-0123456789ab"},"n":42}
spec:
  containers:
  - image: registry.example.com/web@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    ports: [{containerPort: 8080, protocol: TCP}]
10.0.0.17 - - [27/Nov/2026:18:04:36 +0000] "GET /api/v1/pods?limit=500 HTTP/1.1" 200 51234 "-" "kubectl/v1.34.0 (linux/amd64)"
"""


class BadPattern(ValueError):
    """The pattern cannot be used. Its text says why, as the end of a sentence."""


def detector_of(name: str, pattern: str) -> Detector:
    """The detector of a pattern in RE2's syntax, over bytes; its group `value`, where it has one, is what is masked. Raises
    BadPattern."""
    if not pattern.isascii():
        raise BadPattern("has letters beyond ASCII; a pattern is of bytes: write theirs in UTF-8, such as \\xc3\\xa4")
    try:
        found = compiled(pattern)
    except re2.error as error:
        raise BadPattern(f"is not in the syntax of RE2: {_words(error)}") from error
    if found.search(b"") is not None or _matches_empty(found):
        raise BadPattern("matches the empty text")
    try:
        noticing([pattern])
    except hyperscan.error as error:
        words = _words(error)
        fault = "can match nothing" if "never match" in words else f"is not taken by hyperscan: {words}"
        raise BadPattern(fault) from error
    try:
        tree: Tree | None = read(pattern)
    except NoTree:
        tree = None
    if "(?P<value>" in pattern and tree is None:
        raise BadPattern("has the group `value` within another group, or beside something that is not plain RE2")
    if tree is not None and tree.widths[0] > LONGEST_MATCH:
        raise BadPattern(f"needs {tree.widths[0]} bytes or more; a match has at most {LONGEST_MATCH}")
    covered = sum(match.end() - match.start() for match in found.finditer(ORDINARY))
    if covered > MOST_OF_TEXT * len(ORDINARY):
        most, share = int(MOST_OF_TEXT * 100), covered * 100 // len(ORDINARY)
        raise BadPattern(f"matches too much: {share} % of ordinary text, and at most {most} % is taken")
    literal = tree.literal() if tree is not None else ""
    return Detector(
        name=name,
        finds=f"what matches {pattern}",
        anchor=literal or "none",
        reason="It stands in the configuration.",
        shapes=(Shape(pattern, longest=LONGEST_MATCH, notice=_notice(tree, literal)),),
        fixed=tree is not None and len(literal) >= LEAST_ANCHOR and tree.widths[0] == tree.widths[1] <= LONGEST_FIXED,
    )


def _notice(tree: Tree | None, literal: str) -> str:
    """The plain text by which a match is noticed, without what JSON may write as an escape; "" where there is too little. hyperscan
    overlooks matches of some expressions (`PIN .+"\\\\*x`, where 32 bytes or more stand between), and of no plain text."""
    plain = max(_PLAIN.findall(literal), key=len, default="")
    return ("(?i)" if tree is not None and tree.caseless else "") + re.escape(plain) if len(plain) >= LEAST_ANCHOR else ""


_PLAIN = re.compile(r"[A-Za-z0-9_.,:;=+*#@!?()\[\]{}|~^$% -]+")


def _matches_empty(found: object) -> bool:
    """Whether it matches somewhere without taking a byte, as `x*` and `\\b` do."""
    return any(match.start() == match.end() for match in found.finditer(b"a b\n1"))  # type: ignore[attr-defined]


def _words(error: Exception) -> str:
    text = error.args[0] if error.args else error
    return (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).rstrip(".")
