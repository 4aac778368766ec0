"""The section `log` of l7gw.yaml."""

from __future__ import annotations

from typing import get_args

from l7gw.config.document import Reader, plain, word_of
from l7gw.config.settings import Log, LogAccess, LogFormat, LogLevel

LOG_KEYS = ("access", "format", "level")

_SWITCH: dict[object, LogAccess] = {True: "on", False: "off", "true": "on", "false": "off"}


def log_of(top: Reader) -> Log:
    """What is logged. Every mistake is reported to the document."""
    inner = top.inner("log", LOG_KEYS)
    return Log(
        _access(inner),
        inner.choice("format", Log.format, get_args(LogFormat)),
        inner.choice("level", Log.level, get_args(LogLevel)),
    )


def _access(inner: Reader) -> LogAccess:
    """`on` and `off` are taken bare, in quotes, and as true and false; YAML 1.1 reads a bare one as true or false."""
    node = inner.node_of("access")
    value = plain(node) if node is not None else None
    if isinstance(value, bool) or value in ("true", "false"):
        return _SWITCH[value]
    known: tuple[LogAccess, ...] = get_args(LogAccess)
    if isinstance(value, str) and (word := word_of(value, known)) is not None:
        return word
    if node is not None:
        inner.wrong("access", "`access` must be on, off or errors")
    return Log.access
