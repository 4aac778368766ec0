"""Streams in which a registered value is printed in some form, and what masking makes of them wherever reads part them."""

from __future__ import annotations

import base64
import json
import random
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from l7gw.masking.bodies.streams import StreamMask, StreamRules
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.find import Find
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS
from tests.support.planted import NAMESPACE, Planter

FORMS = ("as it is", "base64", "base64 behind one byte", "base64 behind two bytes", "url-safe base64", "hex", "HEX", "percent",
         "json", "escaped json", "coloured")  # fmt: skip
AROUND = ("alone", "in a line", "in an assignment", "in quotes", "in base64 of a file", "twice")
CHANNELS = ("stdout", "stdout of a terminal", "stdin", "stderr", "log")
PAUSES = ("none", "40 ms")  # at the split
KEY = b"k" * 32


@dataclass(frozen=True)
class StreamCase:
    number: int
    form: str
    around: str
    channel: str
    pause: str

    def __str__(self) -> str:
        return f"{self.number}: {self.form}, {self.around}, on {self.channel}, pause {self.pause}"


def stream_cases(count: int) -> Iterator[StreamCase]:
    """Cases in which each form stands on each channel before any does so twice."""
    dice = random.Random(10)
    number = 0
    while True:
        pairs = [(form, channel) for form in FORMS for channel in CHANNELS]
        dice.shuffle(pairs)
        for form, channel in pairs:
            if number == count:
                return
            around = AROUND[number % len(AROUND)]
            if around == "in base64 of a file":  # of what is in base64 twice nothing is promised
                form = "as it is"
            yield StreamCase(number, form, around, channel, PAUSES[number // len(AROUND) % len(PAUSES)])
            number += 1


@dataclass(frozen=True)
class Printed:
    """`data` is all that is printed, `value` the registered value in it."""

    data: bytes
    value: bytes


def printed(case: StreamCase) -> Printed:
    planter = Planter(case.number)
    value = planter.value(plain=case.form not in ("percent", "json", "escaped json")).encode()
    held = _form(case.form, value, planter.dice)
    whole = {
        "alone": held,
        "in a line": b"2026-01-01 INFO it is " + held + b" now\nnext line\n",
        "in an assignment": b"A=1\nTHING=" + held + b"\nB=2\n",
        "in quotes": b'{"a": "b", "thing": "' + held + b'"}\n',
        "in base64 of a file": base64.b64encode(b"some file\nwith: " + held + b"\nand more\n") + b"\n",
        "twice": held + b"\n" + held + b"\n",
    }[case.around]
    return Printed(whole, value)


def _form(form: str, value: bytes, dice: random.Random) -> bytes:
    match form:
        case "as it is":
            return value
        case "base64":
            return base64.b64encode(value)
        case "base64 behind one byte":
            return base64.b64encode(b"x" + value + b"yz")
        case "base64 behind two bytes":
            return base64.b64encode(b"xy" + value)
        case "url-safe base64":
            return base64.urlsafe_b64encode(value).rstrip(b"=")
        case "hex":
            return value.hex().encode()
        case "HEX":
            return value.hex().upper().encode()
        case "percent":
            return urllib.parse.quote_from_bytes(value, safe="").encode()
        case "json":
            return json.dumps(value.decode())[1:-1].encode()
        case "escaped json":
            return "".join(f"\\u{ord(c):04x}" if dice.random() < 0.5 else json.dumps(c)[1:-1] for c in value.decode()).encode()
        case "coloured":
            at = dice.randrange(1, len(value))
            return b"\x1b[1;31m" + value[:at] + b"\x1b[0m" + value[at:] + b"\x1b[m"
    raise AssertionError(form)


@dataclass(frozen=True)
class Passed:
    shown: bytes
    recorded: bytes
    told: str  # the finds, as they are written
    finds: int


def passed(scanner: Scanner, registry: Registry, case: StreamCase, parts: list[bytes]) -> Passed:
    """Send the parts through the masks of a channel. Between two parts there is the case's pause."""
    rules = StreamRules(
        tagger=Tagger(KEY, "test", NAMESPACE),
        scanner=scanner,
        registry=registry,
        obligations=NO_OBLIGATIONS,
        sender="ann",
        tty=case.channel.endswith("terminal"),
    )
    mask = StreamMask(rules, case.channel.partition(" ")[0], sent=case.channel == "stdin")
    now = 100.0
    pieces: list[tuple[bytes, bytes]] = []
    for number, part in enumerate(parts):
        if number and case.pause != "none":
            now += 0.04
            pieces.append(mask.flush(now))
        pieces.append(mask.feed(part, now))
    pieces.append(mask.end())
    shown, recorded = (b"".join(piece[side] for piece in pieces) for side in (0, 1))
    return Passed(shown, recorded, repr(mask.finds), len(mask.finds))


def in_parts(parts: list[bytes], scanner: Scanner, registry: Registry, *, tty: bool) -> tuple[bytes, bytes, list[Find]]:
    """What the client is shown and what is recorded of a stream that comes in these reads, in cluster `c` and namespace `n`."""
    tagger = Tagger(KEY, "c", "n")
    rules = StreamRules(tagger=tagger, scanner=scanner, registry=registry, obligations=NO_OBLIGATIONS, sender="", tty=tty)
    mask = StreamMask(rules, "stdout")
    given = [mask.feed(part, 0.0) for part in parts] + [mask.end()]
    return b"".join(shown for shown, _ in given), b"".join(recorded for _, recorded in given), mask.finds
