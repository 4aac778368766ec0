"""The log holds no byte of a peer that a terminal obeys, and no message without end."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from l7gw.supervisor.logs import LONGEST, _Json, _Lines


def record(message: str, *, error: bool = False) -> logging.LogRecord:
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        about = sys.exc_info() if error else None
    return logging.LogRecord("l7gw.gateway", logging.WARNING, "file", 1, "client said %s", (message,), about)


def test_a_line_of_json_says_when_how_bad_where_and_what() -> None:
    event = json.loads(_Json().format(record("x")))
    assert (event["level"], event["room"], event["message"]) == ("warning", "l7gw.gateway", "client said x")
    assert event["time"].endswith("Z") and len(event["time"]) == len("2025-01-01T00:00:00.000000Z")


@pytest.mark.parametrize("formatter", [_Json(), _Lines()], ids=["json", "lines"])
def test_bytes_of_a_peer_are_escaped_in_messages_and_errors(formatter: logging.Formatter) -> None:
    shown = formatter.format(record("\x1b]0;title\x07\u202e", error=True))
    assert "ValueError" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


@pytest.mark.parametrize("formatter", [_Json(), _Lines()], ids=["json", "lines"])
def test_a_message_has_a_bound(formatter: logging.Formatter) -> None:
    assert len(formatter.format(record("x" * 10 * LONGEST))) < LONGEST + 200


def test_only_the_first_line_of_a_message_looks_like_a_line_of_the_log() -> None:
    first, *more = _Lines().format(record("x\n10:00:00 info    a forged line", error=True)).split("\n")
    assert first.endswith("client said x") and len(more) >= 3
    assert all(line.startswith(" " * len("10:00:00 ")) for line in more)
