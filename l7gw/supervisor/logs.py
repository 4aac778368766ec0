"""The log on stderr: lines for people on a terminal, JSON elsewhere. Bytes that a peer chose are escaped."""

from __future__ import annotations

import logging
import sys
import time

import msgspec

from l7gw.name_rules import visible

LONGEST = 2048  # characters of one message, so that bytes of a peer cannot fill the disk with the log


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{when} {record.levelname.lower():7} {_message(self, record)}"


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


def to_stderr(*, verbose: bool = False) -> None:
    """Set up the log of a running gateway."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines() if sys.stderr.isatty() else _Json())
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    for noisy in ("asyncio", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
