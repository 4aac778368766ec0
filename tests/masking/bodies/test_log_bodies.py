"""A container's log is masked as a stream: it keeps its length, and holds bytes for a time alone."""

from __future__ import annotations

from l7gw.masking.bodies.bodies import Piece
from l7gw.masking.bodies.log_bodies import LogBody
from l7gw.masking.bodies.streams import CLIENT_WAITS, StreamRules
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS

VALUE = b"hunter2!Xy/z+1"


def test_a_log_keeps_its_length_and_gives_what_it_holds_when_it_is_due() -> None:
    registry = Registry(b"k" * 32, lambda: 0.0)
    registry.register("c", "n", VALUE)
    now = [5.0]
    tagger = Tagger(b"k" * 32, "c", "n")
    rules = StreamRules(tagger=tagger, scanner=Scanner([]), registry=registry, obligations=NO_OBLIGATIONS, sender="ann", tty=False)
    log = LogBody(rules, lambda: now[0])
    assert log.feed(b"a line\n") == [Piece(b"a line\n", b"a line\n")]
    assert log.due == 0.0
    assert log.feed(b"is " + VALUE + b"\nhunt") == [Piece(b"is **************\n", b"is **************\n")]
    assert [find.where for find in log.finds] == ["log:10"]
    assert log.values == 1
    assert log.due == 5.0 + CLIENT_WAITS
    assert log.release() == []
    now[0] = 5.0 + CLIENT_WAITS
    assert log.release() == [Piece(b"hunt", b"")]
    assert log.feed(b"ing") == [Piece(b"ing", b"hunting")]
    assert log.feed(b" S") == [Piece(b" S", b" S")]
    assert log.end() == []
