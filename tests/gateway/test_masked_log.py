"""A log that is masked: its rule may end it, guesses are told once, and what is held is asked for when it is due."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.masked_log import MaskedLog
from l7gw.masking.bodies.streams import MOST_GUESSES
from l7gw.masking.find import Find


class Call:
    """Stands in for the call."""

    def __init__(self) -> None:
        self.guesses: list[int] = []

    def guessing(self, values: int) -> None:
        self.guesses.append(values)

    def held_bytes_due(self) -> None:
        pass


def log_of(mask: Any, ends: str = "") -> tuple[MaskedLog, Call]:
    call: Any = Call()
    masks: Any = SimpleNamespace(log=lambda now, packed: mask, ends=lambda *names: ends if "ends-it" in names else "")
    worker: Any = SimpleNamespace(clock=SimpleNamespace(monotonic=lambda: 5.0))
    return MaskedLog(call, masks, worker, packed=False), call


def find(detector: str) -> Find:
    return Find(detector=detector, where="log:0", length=1, tag="")


def test_a_log_ends_behind_what_its_rule_says_ends_it() -> None:
    log, _ = log_of(SimpleNamespace(values=0, ended="", due=0.0), "no tokens here")
    log.found(find("other"))
    log.look()
    log.found(find("ends-it"))
    with pytest.raises(Refusal, match="no tokens here"):
        log.look()


def test_a_log_ends_where_a_hook_ends_it() -> None:
    log, _ = log_of(SimpleNamespace(values=0, ended="a hook", due=0.0))
    with pytest.raises(Refusal, match="a hook"):
        log.look()


def test_many_values_in_a_log_are_told_once() -> None:
    mask = SimpleNamespace(values=MOST_GUESSES, ended="", due=0.0)
    log, call = log_of(mask)
    log.look()
    assert call.guesses == []
    mask.values += 1
    log.look()
    log.look()
    assert call.guesses == [MOST_GUESSES + 1]
