"""Recorded bytes as people read them: without escape sequences, and typed lines as they were after the corrections."""

from __future__ import annotations

import re

# Whole control sequences, control strings and escape sequences (ECMA-48). None goes over a line's end, so that lines stay what they
# are; and none begins within another, so that looking for them takes no longer than the text is.
_SEQUENCE = re.compile(
    rb"(?:\x1b\[|\xc2\x9b)[0-?]*[ -/]*[@-~]"
    rb"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"
    rb"|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\`-~]"
)
_EDITS = re.compile("[\x08\x7f\x15\x17]")


def without_sequences(data: bytes) -> bytes:
    """Bytes without the escape sequences in them. Line ends stay. What is no whole sequence stays too."""
    if b"\x1b" in data or b"\x9b" in data:  # much faster than to look for a sequence
        return _SEQUENCE.sub(b"", data)
    return data


def as_typed(line: bytes) -> bytes:
    """A line that was typed at a terminal, after its corrections: the backspace, ^U (the line) and ^W (a word) take away what
    stands before them. Arrows, completion and history are not followed: what came of them is in what the terminal showed."""
    text = without_sequences(line).decode("utf-8", "surrogateescape")
    if not _EDITS.search(text):
        return text.encode("utf-8", "surrogateescape")
    typed: list[str] = []
    for character in text:
        if character in "\x08\x7f":
            del typed[-1:]
        elif character == "\x15":
            typed.clear()
        elif character == "\x17":
            while typed and typed[-1].isspace():
                typed.pop()
            while typed and not typed[-1].isspace():
                typed.pop()
        else:
            typed.append(character)
    return "".join(typed).encode("utf-8", "surrogateescape")
