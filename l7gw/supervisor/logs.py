"""The log on stderr: lines for people on a terminal, JSON elsewhere. Bytes that a peer chose are escaped.

They are written by a thread of their own (`line_writer.py`), so that no call waits for whoever reads the log.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from itertools import groupby
from types import TracebackType
from typing import Any

import msgspec

from l7gw.config.settings import Log
from l7gw.gateway.access_lines import as_json, as_text
from l7gw.gateway.access_log import Access, Short
from l7gw.name_rules import visible
from l7gw.supervisor.line_writer import LineWriter

LONGEST = 2048  # characters of one message, so that bytes of a peer cannot fill the disk with the log
CONTINUED = "\n" + " " * 9  # before the further lines of a message
STDOUT, STDERR = 1, 2  # file descriptors
OURS = "l7gw"  # the parent of this package's loggers
NOISY = ("asyncio", "httpx", "httpcore")  # what they say below a warning is about themselves

log = logging.getLogger(__name__)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = _message(self, record).replace("\n", CONTINUED)  # so that no peer's text looks like a line of its own
        return f"{when} {record.levelname.lower():7} {message}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        event = {
            "time": f"{when}.{int(record.msecs * 1000):06d}Z",
            "level": record.levelname.lower(),
            "room": record.name,
            "message": _message(self, record),
        }
        return msgspec.json.encode(event).decode()


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + formatter.formatException(record.exc_info)
    text = "\n".join(map(visible, text[: LONGEST + 1].split("\n")))
    return text[:LONGEST] + "…" if len(text) > LONGEST else text


class GatewayLog(logging.Handler):
    """The log of a running gateway: what its rooms log, and its access log. Before `configure` it is as the configuration's
    defaults say. With `verbose` its level is debug, whatever the configuration says."""

    def __init__(self, descriptor: int, *, verbose: bool = False) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._verbose = verbose
        self._writer: LineWriter[bytes | Access | Short] = LineWriter(descriptor, self._rendered, self._dropped)
        self._of_calls: Callable[[Iterable[Access | Short]], bytes] = as_json
        self.of_call = self._writer.put  # writes a line of the access log soon
        self.configure(Log())

    def configure(self, settings: Log) -> None:
        """Put the configuration's section `log` into force; its `access` is the worker's."""
        text = settings.format == "text" or (settings.format == "auto" and os.isatty(self._descriptor))
        self.setFormatter(_Lines() if text else _Json())
        self._of_calls = as_text if text else as_json
        level = logging.DEBUG if self._verbose else logging.getLevelNamesMapping()[settings.level.upper()]
        logging.getLogger(OURS).setLevel(level)
        logging.getLogger().setLevel(max(level, logging.INFO))  # at debug botocore and hpack log what they send, secrets too

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line soon. What cannot be formatted is a bug, and told as one."""
        try:
            text = self.format(record)
        except Exception as error:
            text = self.format(_record(logging.ERROR, f"a line of {record.name} cannot be logged: {type(error).__name__}"))
        self._writer.put_now(_bytes(text))

    def close(self) -> None:
        """Write what waits, for a bounded time."""
        self._writer.close()
        super().close()

    def _rendered(self, lines: list[bytes | Access | Short]) -> bytes:
        made = []
        for kind, some in groupby(lines, type):  # takes no instruction of Python's for a line
            make: Callable[[Any], bytes] = b"".join if kind is bytes else self._of_calls
            made.append(make(some))
        return b"".join(made)

    def _dropped(self, lines: int) -> bytes:
        return _bytes(self.format(_record(logging.WARNING, f"{lines} lines of this log were dropped: nobody took them in time")))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, level, "", 0, text, (), None)


def to_stderr(*, verbose: bool = False) -> GatewayLog:
    """Set up the log of a running gateway. What Python itself would print to stderr goes to it too."""
    handler = GatewayLog(STDERR, verbose=verbose)
    logging.getLogger().handlers[:] = [handler]
    logging.captureWarnings(capture=True)
    sys.unraisablehook = _unraisable
    threading.excepthook = _in_thread
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return handler


def _unraisable(error: sys.UnraisableHookArgs) -> None:
    _tell(f"ignored in {error.object!r}", error.exc_value, error.exc_traceback)


def _in_thread(error: threading.ExceptHookArgs) -> None:
    _tell(f"the thread {error.thread.name if error.thread else ''} has ended", error.exc_value, error.exc_traceback)


def _tell(text: str, error: BaseException | None, trace: TracebackType | None) -> None:
    log.error("%s", text, exc_info=(type(error), error, trace) if error is not None else None)


class Stdout:
    """What the gateway says on stdout, such as that it is ready."""

    def __init__(self) -> None:
        self._writer: LineWriter[bytes] = LineWriter(STDOUT, b"".join, lambda _: b"")

    def say(self, line: str) -> None:
        """Write `l7gw: LINE` at once."""
        self._writer.put_now(_bytes(f"l7gw: {line}"))

    def close(self) -> None:
        """Write what waits, for a bounded time."""
        self._writer.close()
