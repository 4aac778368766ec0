"""`l7gw grants` at a running gateway: what people type, what they get, and the exit status (0 yes, 1 no, 2 usage, 3 could not tell)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.support.faults import until
from tests.support.held import Done, Held, held

POLICY = """
rules:
  - {name: on call, groups: [oncall], effects: [read], verdict: allow}
grants:
  - {group: oncall, groups: [engineers], reviewers: {groups: [sre]}, max: 2h}
  - {group: two, groups: [engineers], reviewers: {groups: [sre], minimum: 2, emergency: {groups: [night]}}}
"""
ASK = ("--cluster", "test", "--for", "30m", "--reason", "INC-1")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with held(tmp_path_factory.mktemp("grants"), POLICY) as made:
        yield made


def grants(running: Held, *words: str, token: str | None = None, server: bool = False) -> Done:
    return running.l7gw(*words, token=token, server=server, of="grants")


def ask(running: Held, user: str, group: str = "oncall") -> str:
    done = grants(running, "request", group, *ASK, token=running.token(user, "engineers"))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_asked_for_listed_shown_approved_and_taken_back(running: Held) -> None:
    ann = running.token("ann", "engineers")
    done = grants(running, "request", "oncall", *ASK, token=ann)
    grant = done.stdout.strip()
    assert len(grant) == 36 and done.returncode == 0
    assert f"tell a reviewer, group sre:  l7gw grants approve {grant}" in done.stderr
    listed = grants(running, "list", "--state", "pending", token=running.lea, server=True)
    assert "ann" in listed.stdout and "oncall" in listed.stdout and "INC-1" in listed.stdout
    shown = grants(running, "show", grant[:23], token=running.lea).stdout
    for words in ("pending", "reviewers  group sre (0 of 1)", f"l7gw grants approve {grant}", "reason  INC-1", "for  30m"):
        assert words in shown, shown
    done = grants(running, "approve", grant[:23], "--note", "seen", token=running.lea)
    assert done.returncode == 0 and done.stdout.startswith("approved: oncall on test for ann, until 20"), done
    shown = grants(running, "show", grant, token=ann).stdout
    assert "lea approved: seen" in shown and f"l7gw grants revoke {grant}" in shown and "29m left" in shown
    done = grants(running, "deny", grant, token=running.lea)
    assert (done.returncode, "l7gw grants revoke takes it back" in done.stderr) == (1, True)
    done = grants(running, "revoke", grant, "--note", "done", token=ann, server=True)
    assert (done.returncode, done.stdout) == (0, "revoked: oncall on test for ann\n")
    document = json.loads(grants(running, "list", "-o", "json", token=ann).stdout)[0]
    assert (document["id"], document["state"], document["why"], document["for"]) == (grant, "revoked", "revoked by ann: done", 1800)


def test_a_document_is_given_for_programs(running: Held) -> None:
    done = grants(running, "request", "oncall", *ASK, "-o", "json", token=running.token("bob", "engineers"))
    grant = json.loads(done.stdout)
    assert (grant["state"], grant["starts"], grant["ends"], grant["reviews"]) == ("pending", None, None, [])
    for verb, state in (("approve", "approved"), ("revoke", "revoked")):
        assert json.loads(grants(running, verb, grant["id"], "-o", "json", token=running.lea).stdout)["state"] == state
    assert json.loads(grants(running, "show", grant["id"], "-o", "json", token=running.lea).stdout)["state"] == "revoked"


def test_two_must_approve_and_one_may_force(running: Held) -> None:
    grant = ask(running, "cia", "two")
    done = grants(running, "approve", grant, token=running.lea)
    assert (done.returncode, done.stdout) == (0, "your approval counts; others are needed yet (1 of 2): two on test for cia\n")
    assert "pending 1/2" in grants(running, "list", token=running.lea).stdout
    night = running.token("max", "night")
    assert grants(running, "approve", grant, "--force", token=night).returncode == 2
    assert grants(running, "approve", grant, "--force", "--reason", "down", token=night).stdout.startswith("approved: two")
    assert "(FORCED): down" in grants(running, "show", grant, token=running.lea).stdout


def test_no_is_told_with_its_status(running: Held) -> None:
    ann, grant = running.token("ann", "engineers"), ask(running, "dan")
    for words, token, status, told in (
        (("request", "admins", *ASK), ann, 1, "you may ask for 'oncall', 'two' there"),
        (("request", "oncall", *ASK[:-1], "  "), ann, 2, "--reason is a text"),
        (
            ("request", "oncall", "--cluster", "test", "--for", "soon", "--reason", "x"),
            ann,
            2,
            "--for is a time such as 10m, at most 24h",
        ),
        (("request", "oncall", "--cluster", "test", "--for", "3h", "--reason", "x"), ann, 1, "for 2h at most"),
        (("request", "oncall", *ASK), "rubbish", 1, "hint: --token-file FILE"),
        (("request", "oncall", *ASK), None, 1, "proves who he is"),
        (("approve", grant), running.token("dan", "engineers", "sre"), 1, "nobody approves his own request"),
        (("approve", grant), ann, 1, "'ann' is not among the reviewers: rule 'grant of oncall' asks groups sre"),
        (("approve", "no-id!"), running.lea, 2, "l7gw grants list has them"),
        (("approve", grant, "--reason", "x"), running.lea, 2, "--force needs --reason"),
        (("deny", grant, "--note", "x" * 1001), running.lea, 2, "at most 1000 characters"),
        (("show", "0" * 36), running.lea, 1, "there is no grant"),
    ):
        done = grants(running, *words, token=token)
        assert (done.returncode, told in done.stderr) == (status, True), (words, done)
    assert grants(running, "deny", grant, "--note", "ask me", token=running.lea).stdout == "denied: oncall on test for dan\n"
    assert grants(running, "list", token=running.token("eve"), server=True).stdout == ""


@pytest.mark.parametrize(
    ("verb", "status", "words"), [("approve", 0, "approved: oncall on test until 20"), ("deny", 1, "it is denied")]
)
def test_who_waits_is_told_the_answer(running: Held, verb: str, status: int, words: str) -> None:
    user, found = f"waits-{verb}", []
    token = running.token(user, "engineers")
    waiting = Thread(target=lambda: found.append(grants(running, "request", "oncall", *ASK, "--wait", token=token)))
    waiting.start()

    def pending() -> list[dict[str, str]]:
        return list(running.api("GET /l7gw/v1/grants?state=pending", token)[1]["grants"])

    until(lambda: bool(pending()))
    grant = pending()[0]["id"]
    running.api(f"POST /l7gw/v1/grants/{grant}/{verb}", running.lea, {})
    waiting.join(30)
    assert (found[0].returncode, words in found[0].stderr, found[0].stdout.strip()) == (status, True, grant), found


def test_what_a_requester_wrote_cannot_steer_a_terminal(running: Held) -> None:
    token = running.token("mal", "engineers")
    done = grants(running, "request", "oncall", *ASK[:-1], "a\x1b[2J\u202eb", token=token)
    for shown in (
        grants(running, "list", token=running.lea).stdout,
        grants(running, "show", done.stdout.strip(), token=running.lea).stdout,
    ):
        assert "\x1b[2J" not in shown and "\u202e" not in shown and "\\u202e" in shown


def test_sessions_show_tells_what_was_done_to_grants(running: Held, tmp_path: Path) -> None:
    grant = ask(running, "zoe")
    grants(running, "approve", grant, "--note", "seen", token=running.lea)
    session = next(one["id"] for one in running.gateway.sessions() if one["principal"]["user"] == "zoe")
    told = running.gateway.l7gw("sessions", "show", session, "--config", running.gateway.config).stdout
    assert f"oncall is pending (request by zoe): INC-1  {grant}" in told and "oncall is approved (approve by lea): seen" in told
