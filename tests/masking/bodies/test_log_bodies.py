"""A container's log is masked as a stream: it keeps its length, and holds bytes for a time alone."""

from __future__ import annotations

import gzip

import pytest

from l7gw.kube.objects.node import Unreadable
from l7gw.masking.bodies.bodies import Piece
from l7gw.masking.bodies.log_bodies import LogBody
from l7gw.masking.bodies.streams import CLIENT_WAITS, StreamRules
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS

VALUE = b"hunter2!Xy/z+1"


def rules(registry: Registry) -> StreamRules:
    tagger = Tagger(b"k" * 32, "c", "n")
    return StreamRules(tagger=tagger, scanner=Scanner([]), registry=registry, obligations=NO_OBLIGATIONS, sender="ann", tty=False)


def test_a_log_keeps_its_length_and_gives_what_it_holds_when_it_is_due() -> None:
    registry = Registry(b"k" * 32, lambda: 0.0)
    registry.register("c", "n", VALUE)
    now = [5.0]
    log = LogBody(rules(registry), lambda: now[0])
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


def test_a_log_that_comes_packed_is_the_same_stream_and_goes_on_plain() -> None:
    registry = Registry(b"k" * 32, lambda: 0.0)
    registry.register("c", "n", VALUE)
    packed = gzip.compress(b"is " + VALUE + b"\n" + VALUE[:6])
    log = LogBody(rules(registry), lambda: 5.0, packed=True)
    pieces = [piece for at in range(len(packed)) for piece in log.feed(packed[at : at + 1])]
    pieces += log.end()
    assert b"".join(piece.shown for piece in pieces) == b"is " + b"*" * len(VALUE) + b"\n" + b"*" * 6
    assert b"".join(piece.recorded for piece in pieces) == b"".join(piece.shown for piece in pieces)
    cut = LogBody(rules(registry), lambda: 5.0, packed=True)
    cut.feed(packed[:-4])
    with pytest.raises(Unreadable):
        cut.end()
