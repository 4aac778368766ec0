"""Streams before the real API server end when their rule's `max-duration` is over, and say why where their protocol can."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.both_ways import Both
from tests.support.held_calls import Stage

NAMESPACE = "durations"
WORDS = "l7gw: this stream has run for 2s, as long as it may; run the command again"
STREAMS: dict[str, dict[str, Any]] = {
    "exec over WebSocket": {"command": ("exec", "web-0", "--", "sleep", "60")},
    "exec over SPDY": {
        "command": ("exec", "web-0", "--", "sleep", "60"), "environment": {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"},
    },
    "watch": {"command": ("get", "pods", "--watch")},
    "log": {"command": ("logs", "-f", "web-0")},
    "port-forward": {"command": ("port-forward", "web-0", ":80")},
}  # fmt: skip


@pytest.fixture(scope="module")
def ended(held_sides: Both) -> dict[str, subprocess.CompletedProcess[str]]:
    """How each stream ended; all run at once."""
    stage = Stage(held_sides, NAMESPACE)
    stage.cluster.pod("web-0", NAMESPACE)

    def run(stream: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return stage.kubectl("short-1", *stream["command"], environment=stream.get("environment"))

    with ThreadPoolExecutor(len(STREAMS)) as pool:
        return dict(zip(STREAMS, pool.map(run, STREAMS.values())))


@pytest.mark.parametrize("stream", ["exec over WebSocket", "exec over SPDY", "watch"])
def test_a_stream_ends_and_its_client_is_told_why(ended: dict[str, subprocess.CompletedProcess[str]], stream: str) -> None:
    done = ended[stream]
    assert WORDS in done.stdout + done.stderr
    assert done.returncode != 0 or stream == "watch"


@pytest.mark.parametrize("stream", ["log", "port-forward"])
def test_a_stream_that_has_no_room_for_words_ends_and_not_as_if_it_were_whole(
    ended: dict[str, subprocess.CompletedProcess[str]], stream: str
) -> None:
    assert ended[stream].returncode != 0 or "lost connection" in ended[stream].stderr


def test_the_record_says_why_each_ended(held_sides: Both, ended: dict[str, subprocess.CompletedProcess[str]]) -> None:
    events = Stage(held_sides, NAMESPACE).events("short-1")
    cut = [event["reason"] for event in events if event["type"] == "end" and event["outcome"] == "cut"]
    assert len(cut) == len(STREAMS) and set(cut) == {WORDS.removeprefix("l7gw: ")}


def test_the_log_has_each_stream_when_it_opens_and_when_it_ends_and_why(
    held_sides: Both, ended: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    found = [json.loads(line) for line in held_sides.gateway.log.splitlines()]
    lines = [line for line in found if line["room"] == "access" and line["namespace"] == NAMESPACE and line["event"] != "call"]
    closed = {line["audit_id"]: line for line in lines if line["event"] == "close" and line["reason"]}
    opened = {line["audit_id"]: line for line in lines if line["event"] == "open"}
    assert len(closed) == len(STREAMS) and closed.keys() <= opened.keys()
    for audit_id, line in closed.items():
        assert line["reason"] == WORDS.removeprefix("l7gw: ") and line["ms"] >= 2000 > opened[audit_id]["ms"]
    what = sorted((line["verb"], line["resource"], line["subresource"], line["status"]) for line in closed.values())
    assert what == [
        ("create", "pods", "exec", 101),
        ("get", "pods", "exec", 101),
        ("get", "pods", "log", 200),
        ("get", "pods", "portforward", 101),
        ("watch", "pods", "", 200),
    ]
