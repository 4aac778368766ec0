"""What happens in a session becomes lines of text, in which nothing is hidden and nothing moves a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording import events as e
from l7gw.recording.tail import LONGEST_LINE, QUIET, Tail
from l7gw.recording.terminal.unseen import safe

ONE, TWO = b"1" * 16, b"2" * 16
EXEC = "/api/v1/namespaces/d/pods/web-0/exec?command=sh&tty=true"


def request(number: int = 7, target: str = EXEC, verb: str = "create", sub: str = "exec", name: str = "web-0") -> e.RequestRecorded:
    return e.RequestRecorded(1, number, 0, "POST", target, (), verb, "", "pods", sub, "d", name, ("execute",), "audit")


def lines(tail: Tail, *events: e.AnyEvent, session: bytes = ONE, now: float = 0.0) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in tail.take(session, list(events), now)]


def started(name: str = "01a2b3c4-0000-7000-8000-000000000000") -> e.SessionStarted:
    return e.SessionStarted(1, name, "prod", "ann", (), "human", "", "", "")


def known(**more: object) -> Tail:
    tail = Tail(**more)  # type: ignore[arg-type]
    tail.know(ONE, started())
    return tail


def frame(data: bytes, channel: str = "stdout", number: int = 7) -> e.Frame:
    return e.Frame(1, number, channel, False, 1, data)


def test_a_stream_begins_with_its_command_shows_its_output_and_ends_with_its_outcome() -> None:
    tail = known()
    assert lines(tail, request(), e.VerdictRecorded(1, 7, "all", "allow", "yes")) == [
        "#7  kubectl exec web-0 -n d -t -- sh  allow (all)"
    ]
    assert lines(tail, e.ResponseRecorded(1, 7, 101, ()), frame(b"a\r\nb"), frame(b"oh\n", "stderr")) == ["#7 | a", "#7 ! oh"]
    assert lines(tail, frame(b"x", "stdin"), frame(b"c\n")) == ["#7 | bc"]
    assert lines(tail, frame(b"$ "), e.VerdictRecorded(1, 7, "later", "deny", "no more")) == ["#7  deny (later): no more"]
    assert lines(tail, e.ExchangeEnded(1, 7, "cut", "no more")) == ["#7 | $ ", "#7  101 cut: no more"]


def test_a_short_call_is_one_line_when_it_ends() -> None:
    tail = known()
    get = request(3, "/api/v1/namespaces/d/pods/web-0", "get", "")
    assert lines(tail, get, e.VerdictRecorded(1, 3, "all", "allow", "yes"), e.ResponseRecorded(1, 3, 404, ())) == []
    assert lines(tail, e.ExchangeEnded(1, 3, "complete")) == ["#3  kubectl get pods web-0 -n d  allow (all)  404 complete"]


def test_holds_reviews_and_kills_are_lines() -> None:
    tail = known()
    lines(tail, request())
    said = lines(
        tail,
        e.HoldRecorded(1, 7, "h1", "pending", "r", "wait"),
        e.ReviewRecorded(1, 7, "h1", "lea", "deny", "not\nnow"),
        e.HoldRecorded(1, 7, "h1", "denied", "r", "wait", "not now"),
        e.KillRecorded(1, 7, "rob", "enough"),
        e.KillRecorded(1, 7, "rob", ""),
        e.GrantRecorded(1, "g1", "approved", "oncall", "prod", "approve", "lea", "", 60),
    )
    assert said == [
        "#7  hold h1 is pending", "#7  deny of hold h1 by lea: not\\u000anow", "#7  hold h1 is denied: not now",
        "#7  rob ends it: enough", "#7  rob ends it",
        "grant g1 of oncall: approve by lea, approved",
    ]  # fmt: skip


def test_a_prompt_is_shown_once_nothing_more_comes() -> None:
    tail = known()
    lines(tail, request(), e.VerdictRecorded(1, 7, "all", "allow", "yes"))
    assert lines(tail, frame(b"$ l"), now=10.0) == []
    assert tail.quiet(10.0 + QUIET / 2) == []
    assert tail.quiet(10.0 + QUIET) == ["#7 | $ l"]
    assert tail.quiet(99.0) == []


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"\x1b[31mred\x1b[0m\n", "red"),
        (b"\x1b]0;owned\x07ls\n", "(7 characters of a control string)ls"),
        (b"real\rfake\n", "realfake"),
        ("a\u202eb\u200b\n".encode(), "a\\u202eb\\u200b"),
        (b"a\bb\n", "a\\u0008b"),
        (b"\xff\xc3\n", "\ufffd\ufffd"),
        (b"\x1b[2J\x1b[Hgone\n", "gone"),
        (b"\t|\n", " |"),
        (b"\n", ""),
    ],
)  # fmt: skip
def test_no_control_sequence_comes_through_and_all_text_does(written: bytes, shown: str) -> None:
    tail = known()
    lines(tail, request())
    assert lines(tail, frame(written)) == [f"#7 | {shown}"]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_nothing_that_is_written_moves_or_hides_text(pieces: list[bytes]) -> None:
    tail = known()
    shown = lines(tail, request(), *map(frame, pieces), e.ExchangeEnded(1, 7, "complete"))
    assert all(safe(line) == line for line in shown)


def test_a_line_without_an_end_is_shown_in_parts() -> None:
    tail = known()
    lines(tail, request())
    shown = lines(tail, frame(b"x" * (2 * LONGEST_LINE + 10)))
    assert [len(line) - len("#7 | ") for line in shown] == [LONGEST_LINE, LONGEST_LINE]


def test_of_one_exchange_nothing_else_is_shown_and_its_end_is_the_end() -> None:
    tail = known(exchange=7)
    assert lines(tail, request(8), e.VerdictRecorded(1, 8, "all", "allow", "yes"), frame(b"a\n", number=8)) == []
    assert lines(tail, request(), frame(b"b\n")) == ["#7 | b"]
    assert not tail.over
    lines(tail, e.ExchangeEnded(1, 7, "complete"))
    assert tail.over


def test_many_sessions_are_named_in_each_line_and_end_by_themselves() -> None:
    tail = Tail(named=True)
    assert not tail.knows(ONE)
    assert lines(tail, started(), request(), e.VerdictRecorded(1, 7, "all", "allow", "yes")) == [
        "01a2b3c4-0000 ann on prod  #7  kubectl exec web-0 -n d -t -- sh  allow (all)"
    ]
    assert lines(tail, frame(b"a\n")) == ["01a2b3c4-0000 ann on prod  #7 | a"]
    assert lines(tail, e.SessionEnded(1, "idle")) == ["01a2b3c4-0000 ann on prod  the session has ended: idle"]
    assert not tail.knows(ONE)
    assert lines(tail, frame(b"b\n")) == []
