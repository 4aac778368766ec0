"""A call under way is ended by a person, in each state in which it may be; over the API, as its own client sees it."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import h11
import pytest

from l7gw.recording.session_list import key_of
from tests.support.faults import accepted, until
from tests.support.held import Held, held
from tests.support.journals import session_events
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scripted_upstream import OK, Visit, answering

PODS = "/api/v1/namespaces/dev/pods"
EVENT = b'{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7"}}}\n'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nbegun"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with held(tmp_path_factory.mktemp("endable")) as made:
        yield made


def under_way(running: Held, user: str) -> dict[str, Any]:
    """The only call of this user that is under way."""

    def found() -> list[dict[str, Any]]:
        calls = running.at_socket("GET /l7gw/v1/sessions?running=1")[1].get("calls", [])  # it may be asked too often
        return [call for call in calls if call["principal"]["user"] == user]

    (call,) = until(found)
    return call


def kill(running: Held, call: dict[str, Any], token: str | None = None, **said: Any) -> int:
    line = f"POST /l7gw/v1/sessions/{call['session']}/kill"
    said = {"reason": "enough", **said}
    return running.at_socket(line, None, said)[0] if token is None else running.api(line, token, said)[0]


def recorded(running: Held, call: dict[str, Any]) -> dict[str, Any]:
    """The last event of each type of a call."""
    events = session_events(running.gateway.state, key_of(call["session"]))
    return {type(event).__name__: event for event in events if getattr(event, "exchange", 0) == call["exchange"]}


def test_a_call_that_waits_for_a_reviewer_is_refused_and_its_hold_cancelled(running: Held) -> None:
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"GET {PODS}/web-k", token=running.token("wait-k")))
        call = under_way(running, "wait-k")
        until(lambda: "HoldRecorded" in recorded(running, call))
        before = running.scene.upstream.received
        assert kill(running, call, running.lea) == 200  # a reviewer of the rule that holds it
        status, _, body = client.answer()
        assert (status, json.loads(body)["message"]) == (403, "l7gw: 'lea' ended this call: enough; nothing was changed")
    assert running.scene.upstream.received == before
    events = recorded(running, call)
    assert (events["KillRecorded"].user, events["KillRecorded"].local, events["ExchangeEnded"].outcome) == ("lea", False, "denied")
    until(lambda: recorded(running, call)["HoldRecorded"].state == "cancelled")


def test_a_call_that_the_cluster_does_not_answer_may_have_been_carried_out(running: Held) -> None:
    came = threading.Event()

    def silent(visit: Visit) -> None:
        visit.head()
        came.set()
        visit.drain(30)

    running.scene.upstream.script = silent
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"DELETE {PODS}/web-0", token=running.token("kim")))
        assert came.wait(30)
        call = under_way(running, "kim")
        assert (call["command"], call["stream"]) == ("kubectl delete pods web-0 -n dev", False)
        assert kill(running, call, running.token("kim")) == 200  # his own
        status, _, body = client.answer("DELETE")
        assert (status, json.loads(body)["message"]) == (503, "l7gw: 'kim' ended this call: enough; it may have been carried out")
    assert recorded(running, call)["ExchangeEnded"].outcome == "failed"


@pytest.mark.parametrize("packed", [False, True])
def test_a_watch_is_told_by_an_error_event_behind_its_last_whole_event(running: Held, packed: bool) -> None:
    stream = zlib.compressobj(wbits=31)

    def chunk(data: bytes) -> bytes:
        data = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH) if packed else data
        return b"%x\r\n%s\r\n" % (len(data), data)

    def watch(visit: Visit) -> None:
        visit.head()
        visit.send(CHUNKED + (b"Content-Encoding: gzip\r\n" if packed else b"") + b"\r\n" + chunk(EVENT) + chunk(EVENT[:20]))
        visit.drain(30)

    running.scene.upstream.script = watch
    user = f"wanda-{packed}"
    accept = ["Accept-Encoding: gzip"] if packed else []
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"GET {PODS}?watch=1", *accept, token=running.token(user)))
        call = under_way(running, user)
        until(lambda: "ResponseBody" in recorded(running, call))
        assert kill(running, call, exchange=call["exchange"]) == 200
        status, _, body = client.answer()
    first, last = (zlib.decompress(body, 31) if packed else body).splitlines(keepends=True)
    assert (status, first) == (200, EVENT)
    told = json.loads(last)
    assert (told["type"], told["object"]["code"]) == ("ERROR", 403)
    assert told["object"]["message"] == "l7gw: 'local:root' ended this call: enough"
    assert recorded(running, call)["ExchangeEnded"].outcome == "cut"


def test_an_answer_that_has_begun_is_cut(running: Held) -> None:
    def slow(visit: Visit) -> None:
        visit.head()
        visit.send(LONG)
        visit.drain(30)

    running.scene.upstream.script = slow
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"GET {PODS}/web-0/log?follow=true", token=running.token("liv")))
        call = under_way(running, "liv")
        until(lambda: "ResponseRecorded" in recorded(running, call))
        assert kill(running, call) == 200
        with pytest.raises(h11.RemoteProtocolError):
            client.answer()


def test_an_exec_gets_a_failure_status_and_the_connections_next_call_is_another(running: Held) -> None:
    running.scene.upstream.script = lambda visit: (accepted(visit), visit.drain(30))[1]
    with RawClient(running.gateway) as client:
        client.send(
            running.scene.request(f"GET {PODS}/web-0/exec?command=mysql&command=-pgeheim", *WEBSOCKET, token=running.token("xe"))
        )
        client.upgraded()
        call = under_way(running, "xe")
        assert call["command"].startswith("kubectl exec web-0 -n dev -- mysql -pl7gw-masked-argument-")
        assert kill(running, call) == 200
        assert b"l7gw: 'local:root' ended this call: enough" in client.rest()
    assert kill(running, call) == 404
    running.scene.upstream.script = answering(OK)
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"GET {PODS}", token=running.token("xe")))
        assert client.answer()[0] == 200


def test_strangers_agents_and_nobody_end_nothing(running: Held) -> None:
    running.scene.upstream.script = lambda visit: (accepted(visit), visit.drain(30))[1]
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"GET {PODS}/web-0/exec?command=sh", *WEBSOCKET, token=running.token("zoe")))
        client.upgraded()
        call = under_way(running, "zoe")
        for token, status in ((running.token("eve"), 404), (running.lea, 404), ("rubbish", 401)):
            assert kill(running, call, token) == status
        assert running.api("GET /l7gw/v1/sessions?running=1", running.token("eve"))[1]["calls"] == []
        assert "ExchangeEnded" not in recorded(running, call)
        assert kill(running, call, running.token("zoe")) == 200


def test_a_reason_cannot_write_on_the_clients_terminal(running: Held) -> None:
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"GET {PODS}/web-t", token=running.token("wait-t")))
        call = under_way(running, "wait-t")
        assert kill(running, call, reason="\x1b]0;x\x07\u202e") == 200
        message = json.loads(client.answer()[2])["message"]
    assert message == "l7gw: 'local:root' ended this call: \\x1b]0;x\\x07\\u202e; nothing was changed"
    assert recorded(running, call)["KillRecorded"].reason == "\x1b]0;x\x07\u202e"
