"""`l7gw holds` at a running gateway: what people type, what they get, and the exit status (0 yes, 1 no, 2 usage, 3 could not tell)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import Requester, Shown
from l7gw.demo.pki import Authority
from l7gw.hold_terms import Reviewers
from l7gw.identifiers import uuid7
from l7gw.store.database import of_state
from tests.support.desks import asked, terms
from tests.support.gateway_process import L7GW, Gateway
from tests.support.held import POLICY, Held, held
from tests.support.scripted_upstream import ScriptedUpstream

TWO = Reviewers(groups=("sre",), minimum=2, emergency=("night",))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with held(tmp_path_factory.mktemp("holds")) as made:
        yield made


def put(state: Path, of: str, **fields: Any) -> str:
    """Put a pending hold that comes back into the store, as another gateway would."""
    hold = uuid7()
    call = asked(of, **{"terms": terms(wait="come-back", ttl=10_000), **fields})
    with _engine(state).begin() as connection:
        rows.insert(connection, call, hold=hold, gateway="elsewhere", now=int(time.time() * 1e6))
    return hold


@lru_cache(maxsize=4)
def _engine(state: Path) -> sa.Engine:
    return of_state(state)


def put_in(running: Held, of: str, **fields: Any) -> str:
    return put(running.gateway.state, of, **fields)


def test_a_reviewer_lists_shows_and_approves_and_the_second_is_told_that_it_is_done(running: Held) -> None:
    hold = running.ask("back-a", "web-a")
    listed = json.loads(running.l7gw("list", "-o", "json", "--state", "pending", token=running.lea).stdout)
    assert hold in [one["id"] for one in listed]
    assert "kubectl get pods web-a -n dev" in running.l7gw("list", token=running.lea).stdout
    assert f"hold  {hold}" in running.l7gw("show", hold[:18].upper(), token=running.lea).stdout
    done = running.l7gw("approve", hold, "--note", "seen with Lea", token=running.lea)
    assert (done.returncode, done.stdout[:60]) == (
        0,
        "approved: kubectl get pods web-a -n dev of back-a may go on when it is run"[:60],
    )
    shown = json.loads(running.l7gw("show", hold, "-o", "json", token=running.lea).stdout)
    assert (shown["state"], shown["reviews"][0]["note"]) == ("approved", "seen with Lea")
    late = running.l7gw("approve", hold, token=running.rob)
    assert (late.returncode, "it is approved already, by 'lea' at 20" in late.stderr) == (1, True)


def test_a_denial_is_told_with_its_time_to_who_comes_later(running: Held) -> None:
    hold = running.ask("back-b", "web-b")
    done = running.l7gw("deny", hold, "--note", "not on a Friday", "-o", "json", token=running.lea)
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "denied")
    late = running.l7gw("approve", hold, token=running.rob)
    assert (late.returncode, "denied already, by 'lea' at 20" in late.stderr, "'not on a Friday'" in late.stderr) == (1, True, True)


def test_each_no_has_its_exit_status_and_says_what_to_do(running: Held) -> None:
    hold = running.ask("back-c", "web-c")
    night = running.token("dan", "night")
    own = running.token("back-c", "sre")
    for what, arguments, token, status, said in (
        ("nobody's id", ("show", "ffff"), running.lea, 1, "there is no hold 'ffff'"),
        ("no id", ("show", "../secrets"), running.lea, 2, "is no id of a hold"),
        ("root without a token", ("approve", hold), None, 1, "send a token of your own: --token-file FILE"),
        ("an own call", ("approve", hold), own, 1, "nobody approves his own call"),
        ("a stranger", ("approve", hold), running.token("eve", "dev"), 1, "eve' is not among the reviewers"),
        ("a bad token at approve", ("approve", hold), "rubbish", 1, "the token is malformed"),
        ("a bad token at list", ("list",), "rubbish", 3, "the token is malformed"),
        ("force without a reason", ("approve", hold, "--force"), night, 2, "--force needs --reason"),
        ("force by no emergency group", ("approve", hold, "--force", "--reason", "x"), running.lea, 1, "forced only by a member"),
        ("for without rest-of-run", ("approve", hold, "--for", "5m"), running.lea, 2, "say both"),
        ("too long", ("approve", hold, "--rest-of-run", "2", "--for", "2h"), running.lea, 2, "at most 30m"),
        ("too many", ("approve", hold, "--rest-of-run", "51"), running.lea, 2, "51 is not in the range"),
        ("a long note", ("deny", hold, "--note", "x" * 1001), running.lea, 2, "at most 1000 characters"),
        ("an unknown state", ("list", "--state", "asleep"), running.lea, 2, "asleep"),
    ):
        done = running.l7gw(*arguments, token=token)
        assert (what, done.returncode) == (what, status), done.stderr
        assert said in done.stderr, (what, done.stderr)
    assert running.at_socket(f"GET /l7gw/v1/holds/{hold}")[1]["state"] == "pending"


def test_the_same_commands_ask_a_gateway_elsewhere_over_https(running: Held) -> None:
    hold = running.ask("back-d", "web-d")
    own = running.token("back-d")
    assert [one["id"] for one in json.loads(running.l7gw("list", "-o", "json", token=own, server=True).stdout)] == [hold]
    eve = running.token("eve", "dev")
    assert running.l7gw("list", token=eve, server=True).stderr == "no holds that you asked for or could review\n"
    assert running.l7gw("show", hold, token=eve, server=True).returncode == 1
    without = running.l7gw("approve", hold, server=True)
    assert (without.returncode, "no credential" in without.stderr) == (1, True)
    assert running.l7gw("approve", hold, token=running.lea, server=True).returncode == 0


def test_two_approvals_are_counted_and_an_emergency_forces_with_a_reason(running: Held) -> None:
    two = put_in(running, "two", terms=terms(("writes", TWO), wait="come-back", ttl=10_000))
    first = running.l7gw("approve", two, token=running.lea)
    assert (first.returncode, first.stdout.startswith("your approval counts; others are needed yet (writes 1 of 2)")) == (0, True)
    again = running.l7gw("approve", two, token=running.lea)
    assert (again.returncode, "a person counts once" in again.stderr) == (1, True)
    assert running.l7gw("approve", two, token=running.rob).stdout.startswith("approved: ")
    forced = put_in(running, "forced", terms=terms(("writes", TWO), wait="come-back", ttl=10_000))
    done = running.l7gw("approve", forced, "--force", "--reason", "INC-4711", token=running.token("dan", "night"))
    assert done.returncode == 0, done.stderr
    assert "dan approved (FORCED): INC-4711" in running.l7gw("show", forced).stdout
    assert "ALARM: 'dan' forced hold" in running.gateway.log


def test_the_rest_of_a_run_is_approved_with_its_time(running: Held) -> None:
    hold = put_in(running, "rest")
    done = running.l7gw("approve", hold, "--rest-of-run", "20", "--for", "15m", "-o", "json", token=running.lea)
    assert json.loads(done.stdout)["reviews"][0]["rest_of_run"] == 20, done.stderr


def test_what_is_shown_of_a_hold_stands_there_escaped(running: Held) -> None:
    who = Requester(user="eve\u202e", groups=("dev",))
    hold = put_in(running, "shown", principal=who, person="eve\u202e", shown=Shown(diff="-replicas: 3\n+replicas: 0\x1b[2J\n"))
    done = running.l7gw("show", hold)
    assert "-replicas: 3\n+replicas: 0\\u001b[2J" in done.stdout and "eve\\u202e" in done.stdout
    assert json.loads(running.l7gw("show", hold, "-o", "json").stdout)["shown"]["diff"].endswith("\x1b[2J\n")


def test_a_list_longer_than_one_answer_is_whole_and_newest_first(running: Held) -> None:
    made = [put_in(running, f"many-{number}", principal=Requester(user="many"), person="many") for number in range(120)]
    own = running.token("many")
    listed = json.loads(running.l7gw("list", "-o", "json", "--limit", "110", token=own).stdout)
    assert [one["id"] for one in listed] == sorted(made, reverse=True)[:110]  # of one millisecond the order is that of the ids


def _hears_ctrl_c() -> None:
    """In the child: a shell's background jobs, the tests among them, are started deaf to SIGINT, and so are their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_watch_prints_holds_as_they_come_and_ends_with_ctrl_c(running: Held) -> None:
    command = [L7GW, "holds", "watch", "--config", running.gateway.config, "-o", "json"]
    env = {**os.environ, "L7GW_TOKEN": running.token("wanda", "sre")}
    watching = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=_hears_ctrl_c
    )
    assert watching.stdout is not None
    timer = threading.Timer(60, watching.kill)
    timer.start()
    first = running.ask("back-w", "web-w")
    while json.loads(watching.stdout.readline())["id"] != first:
        pass
    second = running.ask("back-w", "web-v")
    while json.loads(watching.stdout.readline())["id"] != second:
        pass
    watching.send_signal(signal.SIGINT)
    assert (watching.wait(30), watching.stderr.read() if watching.stderr else "") == (0, "")
    timer.cancel()


@pytest.mark.long
def test_a_client_certificate_of_a_person_approves_over_https(tmp_path: Path) -> None:
    people = Authority(tmp_path / "people", "people CA")
    lea = people.client("lea", "lea", ("sre",))
    with ScriptedUpstream(tmp_path / "upstream", lambda _: None) as upstream:
        config = {
            "identity": [{"client-certificate": {"certificate-authority": str(people.certificate)}}],
            "clusters": {"test": upstream.cluster()},
        }
        with Gateway(tmp_path / "gateway", config, POLICY) as gateway:
            hold = put(gateway.state, "x")
            how = ("--server", f"https://{gateway.address}", "--certificate-authority", gateway.authority.certificate)
            who = ("--client-certificate", lea[0], "--client-key", lea[1])
            done = subprocess.run(
                [L7GW, "holds", "approve", hold, *how, *who], capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr
