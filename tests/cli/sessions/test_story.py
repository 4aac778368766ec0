"""A session is told by client processes, each call in a line that says what was asked and what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.cli.sessions.story import Folded, Story, _took, matches, words_of
from l7gw.recording import events as e
from l7gw.recording.masked import Masked
from l7gw.recording.session_calls import SessionCall
from tests.support.told_calls import BEGAN, POD, made

GET = e.RunStarted(BEGAN, "1f0c9a3e-1111-4222-8333-444455556666", "kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0", "kubectl get")
DELETE = e.RunStarted(BEGAN, "2a", "kubectl/v1.33.1", "kubectl delete")
HELM = e.RunStarted(BEGAN, "3b", "Helm/3.15", "")


MASKED = Masked()
MASKED.add(e.MaskRecorded(1, 4, "secret-data", "data.password", 7, "89abcdef", False))
CALLS = [
    made(1, GET, "GET", "/api"),
    made(2, GET, "GET", "/apis"),
    made(3, GET, "GET", "/openapi/v3", verdict="deny", rule="no discovery", reason="why", status=403, outcome="denied"),
    made(4, GET, "GET", "/api/v1/namespaces/dev/secrets/s", down=1234, masked=MASKED),
    made(5, DELETE, "DELETE", POD, seconds=2, verdict="deny", rule="no deletes", reason="ask sre in #ops first", status=403, outcome="denied", up=87, down=1),
    made(6, GET, "GET", "/version", seconds=3),
    made(7, DELETE, "POST", f"{POD}/exec?command=sh&command=-c&command=rm%20-rf%20/tmp/x&stdin=true&tty=true&container=main", seconds=80_000,
         status=101, outcome="cut", why="the policy changed", up=3, down=4096, ended=BEGAN + 80_065 * 1_000_000),
    made(8, HELM, "PATCH", f"{POD}?dryRun=All", verdict="hold", rule="writes", hold="consumed", reviewers=("lea", "rob\x1b[2J")),
    made(9, None, "GET", f"{POD}/log?container=main", status=0, outcome="", ended=0),
]  # fmt: skip
GOLDEN = """\

run  kubectl get  kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0
     1f0c9a3e-1111-4222-8333-444455556666
    10:02:11  #1  discovery, 3 calls
    10:02:11  #3  GET /openapi/v3 -> denied by no discovery: why; 403,
        denied, 12 ms
    10:02:11  #4  kubectl get secrets s -n dev -> allowed by readers; 200,
        complete, 1,234 bytes down, 12 ms, 1 masked, 7 bytes: secret-data in
        data.password

run  kubectl delete  kubectl/v1.33.1  2a
    10:02:13  #5  kubectl delete pods web-0 -n dev -> denied by no deletes:
        ask sre in #ops first; 403, denied, 87 bytes up, 1 byte down, 12 ms
    11-29 08:15:31  #7  kubectl exec web-0 -n dev -c main -i -t -- sh -c 'rm
        -rf /tmp/x' -> allowed by readers; 101, cut: the policy changed, 3 bytes
        up, 4,096 bytes down, 1m05s

run  Helm/3.15  3b
    10:02:11  #8  kubectl patch pods web-0 -n dev --dry-run=server -> held
        by writes: approved by lea, rob\\u001b[2J; 200, complete, 12 ms

run  (a client without a name)
    10:02:11  #9  kubectl logs web-0 -n dev -c main -> allowed by readers;
        no end recorded"""


def test_a_story_in_eighty_columns() -> None:
    story = Story(CALLS, only=None, unfolded=False, most=None)
    lines = [*story.lines("prod", BEGAN, 80)]
    assert "\n".join(lines) == GOLDEN
    assert max(map(len, lines)) <= 80


def test_without_a_terminal_each_run_and_each_call_is_a_line() -> None:
    lines = [*Story(CALLS, only=None, unfolded=False, most=None).lines("prod", BEGAN, None)]
    assert len(lines) == 7 + 4 + 4
    whole = " ".join(" ".join(lines).split())
    assert whole == " ".join(GOLDEN.split())


def test_what_is_left_out_are_the_oldest_and_they_are_counted() -> None:
    story = Story(CALLS, only=None, unfolded=False, most=3)
    text = "\n".join(story.lines("prod", BEGAN, None))
    # Discovery that was dropped with its run's first line begins a line anew
    assert story.left_out == 6 and [number for number in range(10) if f"#{number} " in text] == [7, 8, 9]
    assert Story(CALLS, only=None, unfolded=True, most=None).left_out == 0


@pytest.mark.parametrize(("only", "numbers"), [("denied", [3, 5]), ("writes", [5, 8]), ("execs", [7])])
def test_only_these_calls_are_told(only: Any, numbers: list[int]) -> None:
    assert [call.request.exchange for call in CALLS if matches(call, only)] == numbers
    text = "\n".join(Story(CALLS, only=only, unfolded=False, most=None).lines("prod", BEGAN, None))
    assert [number for number in range(10) if f"#{number} " in text] == numbers


@pytest.mark.parametrize(
    ("rule", "reason", "words"),
    [
        ("x", "denied by guardrail 'x': why", "denied by guardrail 'x': why"),
        ("x", "why", "denied by x: why"),
        ("", "no rule allows it", "denied: no rule allows it"),
        ("x", "", "denied by x"),
        ("x", "deniedness", "denied by x: deniedness"),
    ],
)
def test_a_denial_is_said_once(rule: str, reason: str, words: str) -> None:
    call = made(1, GET, "GET", "/api", verdict="deny", rule=rule, reason=reason, outcome="denied")
    (_, _, line) = Story([call], only=None, unfolded=False, most=None).lines("prod", BEGAN, None)
    assert f"GET /api -> {words}; 200" in line


@pytest.mark.parametrize("verdict", ["refused", "deny"])
def test_what_was_refused_counts_as_denied(verdict: str) -> None:
    assert matches(made(1, GET, "GET", "/api", verdict=verdict), "denied")
    assert matches(made(1, GET, "GET", "/api", verdict="hold", outcome="denied"), "denied")


@pytest.mark.parametrize("known", [{"status": 500}, {"outcome": "failed"}, {"verdict": "refused"}])
def test_discovery_that_failed_is_not_folded(known: dict[str, Any]) -> None:
    story = Story([made(1, GET, "GET", "/api"), made(2, GET, "GET", "/apis", **known)], only=None, unfolded=False, most=None)
    assert [type(one) for one in story._shown] == [Folded, SessionCall]


def test_a_review_of_oneself_is_not_folded() -> None:
    can_i = made(1, GET, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    assert can_i.request.effects == ("discovery",)
    assert Story([can_i], only=None, unfolded=False, most=None)._shown[0] is can_i


def test_a_request_that_could_not_be_read_is_told_as_it_was_sent() -> None:
    request = e.RequestRecorded(1, 1, 0, "GET", "/a\x1b[2J", (), "", "", "", "", "", "", (), "")
    assert words_of(request, "prod") == "GET /a\x1b[2J"
    (_, _, line) = Story([SessionCall(request, BEGAN, GET)], only=None, unfolded=False, most=None).lines("prod", BEGAN, None)
    assert "GET /a\\u001b[2J -> no verdict; no end recorded" in line
    assert words_of(e.RequestRecorded(1, 1, 0, "", "", (), "", "", "", "", "", "", (), ""), "prod") == "bytes that were no request"


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(0.04, "0.0 ms"), (9.96, "10.0 ms"), (12.4, "12 ms"), (999, "999 ms"), (3210, "3.2 s"), (245_000, "4m05s"), (11_040_000, "3h04m")],
)  # fmt: skip
def test_durations_are_short(milliseconds: float, words: str) -> None:
    assert _took(milliseconds) == words


def test_the_whole_command_of_an_exec_is_told() -> None:
    long = "&".join(f"command=word-{number}" for number in range(900))
    call = made(1, GET, "POST", f"{POD}/exec?{long}")
    assert words_of(call.request, "prod").endswith("word-898 word-899")
