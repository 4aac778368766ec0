"""The access log has each call once, as the recording has it, and nothing that the recording hides."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from l7gw.gateway.access_form import AccessForm
from l7gw.gateway.access_log import Access, AccessLog, is_error
from l7gw.recording.call_record import UNREAD
from l7gw.recording.events import Outcome
from l7gw.wire.websocket_events import Message
from tests.conftest import missing
from tests.support.faults import CHUNKED, ask, exec_client, messages, running, until
from tests.support.held import held
from tests.support.http_callers import POD, Caller, Http1Caller, Http2Caller
from tests.support.pages import blocks
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import ALWAYS_OK, OK, Visit, answering, switched

POLICY = """
guardrails:
  - {name: no secrets, effects: [secrets], verdict: deny}
rules:
  - {name: engineers do all, groups: [engineers], effects: ["*"], verdict: allow}
"""
KEYS = """
    time level room event address user kind session run cluster verb group resource subresource namespace name verdict rule status
    up down ms cluster_ms disk_ms held_ms audit_id http reason
""".split()


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene"), policy=POLICY) as running_scene:
        yield running_scene


@pytest.fixture(autouse=True)
def usual(request: pytest.FixtureRequest) -> None:
    if "it" in request.fixturenames:
        request.getfixturevalue("it").upstream.script = ALWAYS_OK


def lines(of: Scene) -> list[dict[str, Any]]:
    """The lines of the access log so far."""
    found = [json.loads(line) for line in of.gateway.log.splitlines()]
    return [line for line in found if line["room"] == "access"]


def of_audit_id(of: Scene, audit_id: str, count: int = 1) -> list[dict[str, Any]]:
    """The lines about a call, once there are so many."""
    return until(lambda: (found := [line for line in lines(of) if line["audit_id"] == audit_id])[count - 1 :] and found)


def test_a_call_has_one_line_with_who_what_verdict_sizes_and_times(it: Scene) -> None:
    body = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}'
    request = it.request("POST /api/v1/namespaces/dev/configmaps", "Content-Type: application/json", body=body)
    status, headers, answer = ask(it, request)
    (line,) = of_audit_id(it, headers["audit-id"])
    assert list(line) == KEYS
    numbers = {key: line.pop(key) for key in ("ms", "cluster_ms", "disk_ms", "held_ms")}
    assert line | {"time": "", "run": ""} == {
        "time": "",
        "level": "info",
        "room": "access",
        "event": "call",
        "address": "127.0.0.1",
        "user": "ann@example.com",
        "kind": "human",
        "session": headers["l7gw-session"],
        "run": "",
        "cluster": "test",
        "verb": "create",
        "group": "",
        "resource": "configmaps",
        "subresource": "",
        "namespace": "dev",
        "name": "",
        "verdict": "allow",
        "rule": "engineers do all",
        "status": status,
        "up": len(body),
        "down": len(answer),
        "audit_id": headers["audit-id"],
        "http": "1.1",
        "reason": "",
    }
    assert 0 < numbers["disk_ms"] < numbers["ms"] and 0 < numbers["cluster_ms"] < numbers["ms"] and numbers["held_ms"] == 0


@pytest.mark.parametrize(("make", "http"), [(Http1Caller, "1.1"), (Http2Caller, "2")], ids=["http1", "http2"])
def test_a_line_says_which_http_and_a_second_call_of_a_connection_has_a_line_too(it: Scene, make: type[Caller], http: str) -> None:
    before = len(lines(it))
    caller = make(it)
    caller.call()
    caller.call()
    caller.close()
    found = until(lambda: len(found := lines(it)[before:]) >= 2 and found)
    assert [(line["http"], line["name"], line["status"]) for line in found] == [(http, "web-0", 200)] * 2
    assert found[0]["run"] == found[1]["run"] != ""


def test_a_watch_has_a_line_when_it_opens_and_one_when_it_ends(it: Scene) -> None:
    event = b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}\n'

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(CHUNKED + b"%x\r\n%s\r\n" % (len(event), event))
        visit.drain(10)

    it.upstream.script = script
    before = len(lines(it))
    caller = Http2Caller(it)
    caller.hear(b"ADDED")
    (opened,) = until(lambda: lines(it)[before:])
    assert (opened["event"], opened["verb"], opened["status"], opened["reason"]) == ("open", "watch", 200, "")
    caller.leave()
    closed = until(lambda: len(found := lines(it)[before:]) == 2 and found[1])
    caller.close()
    assert (closed["event"], closed["audit_id"], closed["down"]) == ("close", opened["audit_id"], len(event))
    assert closed["reason"] == "the client cancelled the call, before the answer was whole"
    assert closed["cluster_ms"] == opened["cluster_ms"] < closed["ms"]


def test_an_exec_has_its_bytes_both_ways_and_why_it_ended(it: Scene) -> None:
    def script(visit: Visit) -> None:
        switched(visit, visit.head())
        visit.send(b"\x82\x06\x01ready")
        visit.more()
        status = b'\x03{"metadata":{},"status":"Success"}'
        visit.send(b"\x82" + bytes([len(status)]) + status + b"\x88\x02\x03\xe8")
        visit.drain(10)

    it.upstream.script = script
    before = len(lines(it))
    client, leg = exec_client(it)
    with client:
        leg.send(Message(b"\x00typed"))
        client.send(leg.take())
        messages(client, leg)
    opened, closed = until(lambda: len(found := lines(it)[before:]) == 2 and found)
    assert (opened["event"], opened["subresource"], opened["status"], opened["up"]) == ("open", "exec", 101, 0)
    assert (closed["event"], closed["reason"], closed["verdict"]) == ("close", "", "allow")
    assert (closed["up"], closed["down"]) == (5, len("ready") + len('{"metadata":{},"status":"Success"}'))


def test_a_denied_call_is_a_call_and_one_that_nobody_could_judge_is_refused(it: Scene) -> None:
    status, headers, _ = ask(it, it.request("GET /api/v1/namespaces/dev/secrets/a"))
    (denied,) = of_audit_id(it, headers["audit-id"])
    assert (denied["event"], denied["status"], denied["verdict"], denied["rule"]) == ("call", status, "deny", "no secrets")
    assert denied["cluster_ms"] is None and "no secrets" in denied["reason"]
    status, headers, _ = ask(it, it.request(f"GET {POD}", token="junk"))
    (refused,) = of_audit_id(it, headers["audit-id"])
    assert (refused["event"], refused["status"], refused["verdict"], refused["user"]) == ("refused", 401, "refused", "")
    assert refused["address"] == "127.0.0.1" and refused["reason"]


def test_what_is_no_request_has_a_line_too(it: Scene) -> None:
    before = len(lines(it))
    with RawClient(it.gateway) as client:
        client.send(b"GARBAGE\r\n\r\n")
        assert client.answer()[0] == 400
    (line,) = until(lambda: lines(it)[before:])
    assert (line["event"], line["status"], line["user"], line["verb"]) == ("refused", 400, "", "")
    assert line["reason"] and "GARBAGE" not in line["reason"]


def test_every_line_says_what_the_recording_says_of_its_call(it: Scene) -> None:
    """Of the calls of all tests of this file so far, and of some more."""
    it.upstream.script = answering(*[OK.replace(b"200 OK", b"404 Not Found")] * 5)
    ask(it, it.request(f"GET {POD}"))
    ask(it, it.request("GET /version"))
    _, headers, _ = ask(it, it.request("GET /api/v1/namespaces/dev/secrets/b"))
    of_audit_id(it, headers["audit-id"])
    whole = {line["audit_id"]: line for line in lines(it) if line["event"] != "open" and line["user"]}
    seen = 0
    for session in it.gateway.sessions():
        calls: dict[int, list[dict[str, Any]]] = {}
        for event in it.gateway.events(session["id"]):
            calls.setdefault(event.get("exchange", 0), []).append(event)
        for events in calls.values():
            asked = next((event for event in events if event["type"] == "request"), None)
            audit_id = "" if asked is None else next((v for n, v in _answer(events)["headers"] if n == "audit-id"), "")
            if asked is None or audit_id not in whole:
                continue
            seen += 1
            line = whole[audit_id]
            for key in ("verb", "group", "resource", "subresource", "namespace"):
                assert line[key] == asked[key], key
            assert line["name"] == (asked["name"] if asked["resource"] else asked["target"])
            verdict = [event for event in events if event["type"] == "verdict"][-1]
            assert (line["verdict"], line["rule"]) == (verdict["verdict"], verdict["rule"] or "")
            assert line["status"] == _answer(events)["status"]
            assert line["session"] == session["id"]
            (end,) = [event for event in events if event["type"] == "end"]
            assert line["reason"] == (end.get("reason") or "")
    assert seen == len(whole) >= 3


def _answer(events: list[dict[str, Any]]) -> dict[str, Any]:
    return next((event for event in events if event["type"] == "response"), {"headers": [], "status": None})


def test_a_call_that_waited_for_a_reviewer_says_how_long(tmp_path: Path) -> None:
    with held(tmp_path) as it, RawClient(it.gateway) as client:
        client.send(it.scene.request(f"GET {POD}", token=it.token("wait-1")))
        hold = until(lambda: it.at_socket("GET /l7gw/v1/holds?state=pending", it.lea)[1]["holds"])[0]["id"]
        until(lambda: it.at_socket(f"GET /l7gw/v1/holds/{hold}", it.lea)[1]["state"] == "pending")
        for token in (it.lea, it.rob):
            it.at_socket(f"POST /l7gw/v1/holds/{hold}/approve", token, {})
        status, headers, _ = client.answer()
        assert status == 200
        (line,) = of_audit_id(it.scene, headers["audit-id"])
        told = until(lambda: len(found := [one for one in lines(it.scene) if one["name"].endswith("/approve")]) == 2 and found)
    assert {(one["user"], one["verb"], one["name"], one["status"], one["address"]) for one in told} == {
        (user, "post", f"/l7gw/v1/holds/{hold}/approve", 200, "") for user in ("lea", "rob")
    }
    assert (line["verdict"], line["user"]) == ("allow", "wait-1")
    assert 0 < line["held_ms"] < line["ms"] and line["cluster_ms"] < line["ms"] - line["held_ms"]


# ---------------------------------------------------------------------- the page

PAGE = Path(__file__).parent.parent.parent / "docs" / "log.md"
RECIPES = [block.text for block in blocks(PAGE) if block.language == "sh"]


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_each_recipe_of_the_page_finds_something_in_a_log(it: Scene, tmp_path: Path, number: int) -> None:
    if shutil.which("jq") is None:
        missing("jq")
    recipe = RECIPES[number]
    for target in (POD, "/api/v1/namespaces/dev/secrets/a"):
        _, headers, _ = ask(it, it.request(f"GET {target}"))
    of_audit_id(it, headers["audit-id"])
    it.upstream.script = running
    exec_client(it)[0].socket.close()
    until(lambda: [line for line in lines(it) if line["event"] == "close"])
    (tmp_path / "log").write_text("a line that is no JSON\n" + it.gateway.log + _as_open(it))
    done = subprocess.run(["bash", "-o", "pipefail", "-c", recipe], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.strip(), recipe


def _as_open(of: Scene) -> str:
    """A line of a stream that is open still."""
    opened = next(line for line in lines(of) if line["event"] == "open")
    return json.dumps(opened | {"audit_id": "still open"}) + "\n"


def test_the_page_has_each_key_of_a_line() -> None:
    text = PAGE.read_text()
    assert all(f"`{key}`" in text for key in KEYS)
    (shown,) = (json.loads(block.text) for block in blocks(PAGE) if block.language == "json")
    assert list(shown) == KEYS


# ---------------------------------------------------------------------- which calls


def test_errors_and_off_come_into_force_by_a_reload_and_so_does_the_form(own: Scene) -> None:
    def reload(**log: str) -> None:
        count = own.gateway.log.count("configuration read again")
        settings = yaml.safe_load(own.gateway.config.read_text()) | {"log": log}
        own.gateway.config.write_text(yaml.safe_dump(settings))
        assert own.gateway.process is not None
        own.gateway.process.send_signal(signal.SIGHUP)
        until(lambda: own.gateway.log.count("configuration read again") > count)

    def known(target: str) -> None:
        """The log has what came before this line, since lines keep their order."""
        ask(own, own.request(f"GET {target}", token="junk"))

    reload(access="errors")
    assert ask(own, own.request(f"GET {POD}"))[0] == 200
    own.upstream.script = answering(OK.replace(b"200 OK", b"404 Not Found"))
    assert ask(own, own.request(f"GET {POD}"))[0] == 404
    known(POD)
    (line,) = until(lambda: lines(own))
    assert line["status"] == 401
    reload(access="off")
    known(POD)
    reload(access="on", format="text")
    known(POD)
    text = until(lambda: [line for line in own.gateway.log.splitlines() if " refused 401 " in line])
    assert len(text) == 1 and len([line for line in own.gateway.log.splitlines() if '"room":"access"' in line]) == 1


def made(event: Any, status: int) -> Access:
    form = AccessForm("", None, "", "", "", UNREAD, "", "", "")
    return form, event, 0, status, 0, 0, 0, 0, 0, 0, "", ""


@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("status", [0, 101, 200, 301, 401, 403, 404, 409, 422, 429, 500, 502])
@pytest.mark.parametrize("event", ["call", "close", "refused"])
def test_an_error_is_what_the_gateway_or_the_cluster_refused_or_failed(event: Any, status: int, outcome: Outcome) -> None:
    wrong = outcome in ("denied", "refused", "failed", "cut") or (outcome == "aborted" and event != "close")
    told = event != "close" and (status >= 500 or status in (401, 403, 429))
    assert is_error(event, status, outcome) == (wrong or told)


@pytest.mark.parametrize(("mode", "kept"), [("on", 3), ("errors", 1), ("off", 0)])
def test_each_mode_hands_on_its_lines(mode: Any, kept: int) -> None:
    found: list[Access] = []
    log = AccessLog(found.append, mode)
    log.opened(made("open", 101))
    log.ended(made("call", 200), "complete")
    log.ended(made("call", 403), "denied")
    assert len(found) == kept
