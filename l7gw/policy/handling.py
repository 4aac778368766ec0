"""What a rule, or `defaults`, says of recording and of time: `record`, `durable` and `max-duration`."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from l7gw.config.document import Reader, lasting
from l7gw.config.settings import DAY, Durable, RecordMode
from l7gw.kube.act import Effect
from l7gw.obligations import Handling

KEYS = ("record", "durable", "max-duration")

LEAST_DURATION = 1  # seconds; the clock looks once in one
MOST_DURATION = DAY  # seconds; as long as a session
READING: frozenset[Effect] = frozenset(("discovery", "read"))

_RECORDED: dict[RecordMode, str] = {
    "all": "recorded: everything",
    "metadata": "recorded: without bodies and the bytes of streams",
    "none": "recorded: nothing",
}
_DURABLE: dict[Durable, str] = {
    "all": "on the disk before it goes to the cluster",
    "writes": "on the disk before it goes to the cluster, where it changes something or opens a channel",
    "none": "not waited for the disk",
}


def handling(reader: Reader, defaults: Handling) -> Handling:
    """The handling that a mapping says. What it does not say is as in `defaults`. Mistakes are reported."""
    duration = reader.duration("max-duration", 0, least=LEAST_DURATION, most=MOST_DURATION)
    return Handling(
        record=reader.choice("record", defaults.record, get_args(RecordMode)),
        durable=reader.choice("durable", defaults.durable, get_args(Durable)),
        max_duration=duration or defaults.max_duration,
    )


def check_defaults(reader: Reader, found: Handling) -> None:
    """Report defaults by which nothing at all would be recorded."""
    if found.record == "none":
        reader.wrong("record", "`record: none` is said by a rule, and not for all of them", "a rule that only reads may say it")


def check_recorded(reader: Reader, found: Handling, effects: frozenset[Effect]) -> None:
    """Report a rule by which something could be changed, or a shell be had, without a record."""
    more = sorted(effects - READING)
    if found.record == "none" and more:
        does = f"and this rule allows {', '.join(more)}"
        reader.wrong("record", f"`record: none` is for a rule that only reads, {does}", "effects: [read]; or record: metadata")


def until_decided(found: Collection[Handling]) -> Handling:
    """How a call is recorded as long as it is not known which rule decides, by the rules that may: as the one says that records
    most, and on the disk where one asks for that. Such a call changes something."""
    record = {one.record for one in found}
    durable = {one.durable for one in found}
    return Handling(
        record="all" if "all" in record else None if None in record or not found else "metadata",
        durable="all" if durable & {"all", "writes"} else None if None in durable or not found else "none",
    )


def refuse(reader: Reader) -> None:
    """Report what a rule that lets no call pass says of it."""
    for key in KEYS:
        if reader.has(key):
            reader.wrong(key, f"`{key}` is for a rule that allows", "what is denied is recorded; a guardrail leaves it to the rule")


def document(said: Handling) -> dict[str, object]:
    """The handling as JSON; null where the configuration says it. Times are in seconds."""
    return {"record": said.record, "durable": said.durable, "max-duration": said.max_duration}


def in_words(said: Handling) -> list[str]:
    """What the rule says, as lines."""
    lines = []
    if said.record is not None:
        lines.append(_RECORDED[said.record])
    if said.durable is not None:
        lines.append(_DURABLE[said.durable])
    if said.max_duration is not None:
        lines.append(f"a stream ends after {lasting(said.max_duration)}")
    return lines
