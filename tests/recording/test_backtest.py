"""A policy that is run over the recordings says of each call what it would have said to the call itself."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.clock import moment
from l7gw.gateway.sent_object import look_by_type
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.policy.judge import Policy
from l7gw.policy.packs import NAMES, text_of
from l7gw.recording.backtest import Backtest, command_of
from l7gw.recording.events import GrantRecorded
from l7gw.recording.past_calls import PastCalls
from l7gw.recording.recorder import Recorder
from tests.support.journals import call
from tests.support.judged_calls import Asked, journal, judged, record_judged

ANN, BOB = Principal("ann", ("engineers",)), Principal("bob", ("sre", "engineers"), issuer="https://idp", address="10.0.0.7")
BOT = Principal("bot", ("agents",), "agent", actor="copilot")

OPEN = 'rules:\n- {name: all, effects: ["*"], verdict: allow}\n'
OWN = [
    OPEN,
    "rules: []\n",
    """
rules:
  - {name: read, effects: [read], verdict: allow}
  - {name: dev, groups: [engineers], namespaces: [dev], effects: [write, workload, delete, execute], verdict: allow}
  - {name: look, kinds: [agent], effects: [write, workload, delete], verdict: hold, reviewers: {groups: [sre]}}
  - {name: few, effects: [delete], verdict: allow, budget: {deletes: 1, per: 10m}, reviewers: {groups: [sre]}}
""",
    """
guardrails:
  - {name: no shadow, effects: [execute], commands: ["cat /etc/shadow **"], verdict: deny}
  - {name: big, resources: ["*/scale"], when: 'object.spec.replicas > 3', verdict: deny}
  - {name: rehearse, resources: [pods], effects: [delete], when: '!request.dry_run', verdict: hold, reviewers: {groups: [sre]}}
rules:
  - {name: ls, effects: [execute], commands: ["ls **"], interactive: true, verdict: allow}
  - {name: team, resources: [configmaps], when: 'has(object.metadata.labels) && object.metadata.labels["team"] == "shop"', verdict: allow}
  - {name: path, when: 'request.path.startsWith("/api/v1/namespaces/dev") || request.container == "main"', verdict: allow}
  - {name: mine, users: [bob], effects: ["*"], when: 'principal.address == "10.0.0.7"', verdict: allow}
""",
]
POLICIES = [*OWN, *(str(text_of(name)) for name in NAMES)]

namespaces = st.sampled_from(["dev", "prod", "kube-system"])
bodies = st.sampled_from(
    [
        b"",
        b'{"spec":{"replicas":2}}',
        b'{"spec":{"replicas":9}}',
        b'{"metadata":{"labels":{"team":"shop"}}}',
        b'{"metadata":{}}',
        b'{"dryRun":["All"]}',
        b'{"kind":"DeleteOptions","apiVersion":"v1"}',
        b'[{"op":"remove","path":"/a"}]',
        b"{",
    ]
)
resources = st.sampled_from(["pods", "secrets", "configmaps", "services", "leases"])
commands = st.sampled_from(
    ["command=ls&command=-l", "command=cat&command=%2Fetc%2Fshadow", "command=ls&tty=true", "container=main&command=sh"]
)


@st.composite
def targets(draw: st.DrawFn) -> tuple[str, str]:
    space, resource = draw(namespaces), draw(resources)
    base = f"/api/v1/namespaces/{space}"
    return draw(
        st.sampled_from(
            [
                ("GET", f"{base}/{resource}"),
                ("GET", f"{base}/{resource}?watch=1&fieldSelector=metadata.name%3Da"),
                ("GET", f"{base}/pods/%77eb-0/log?container=main&follow=true"),
                ("GET", f"/api/v1/{resource}?labelSelector=a%3Db"),
                ("GET", "/metrics"),
                ("GET", "/version"),
                ("POST", f"{base}/{resource}"),
                ("POST", f"{base}/pods/web-0/exec?{draw(commands)}"),
                ("POST", f"{base}/pods/web-0/portforward?ports=80"),
                ("POST", f"{base}/pods/web-0/eviction?dryRun=All"),
                ("PUT", f"{base}/{resource}/a"),
                ("PATCH", f"/apis/apps/v1/namespaces/{space}/deployments/web/scale"),
                ("DELETE", f"{base}/{resource}/a"),
                ("DELETE", f"{base}/pods?dryRun=All"),
                ("DELETE", f"{base}/pods/a?dryRun=All"),
            ]
        )
    )


@st.composite
def calls(draw: st.DrawFn) -> Asked:
    method, target = draw(targets())
    body = (
        draw(bodies) if method in ("POST", "PUT", "PATCH", "DELETE") and "/exec" not in target and "/portf" not in target else b""
    )
    who = draw(st.sampled_from([ANN, BOB, BOT]))
    return Asked(who, method, target, body, draw(st.sampled_from(["prod", "dev"])))


def loaded(text: str, folder: Path) -> Policy:
    (folder / "policy.yaml").write_text(text)
    return Policy.load(folder / "policy.yaml")


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> list[Policy]:
    return [loaded(text, tmp_path_factory.mktemp("policy")) for text in POLICIES]


def run_over(state: Path, policy: Policy) -> Backtest:
    run = Backtest(policy, look_by_type)
    past = PastCalls(state, bodies=run.reads_objects)
    for one in past:
        run.take(one)
    assert past.unreadable == 0
    return run


def changes(run: Backtest) -> dict[tuple[str, str, str, str], int]:
    return {(c.before, c.after, c.rule_before, c.rule_after): counted.count for c, counted in run.changes.items()}


@settings(max_examples=40)
@given(made=st.lists(calls(), max_size=25), number=st.integers(0, len(POLICIES) - 1))
def test_the_policy_that_recorded_the_calls_changes_none_of_them(policies: list[Policy], made: list[Asked], number: int) -> None:
    policy = policies[number]
    with tempfile.TemporaryDirectory() as folder:
        journal(Path(folder), policy, made)
        run = run_over(Path(folder), policy)
    assert (changes(run), run.other_rule, run.calls) == ({}, 0, len(made))


@settings(max_examples=40)
@given(made=st.lists(calls(), max_size=25), before=st.integers(0, len(POLICIES) - 1), after=st.integers(0, len(POLICIES) - 1))
def test_another_policy_changes_what_it_says_otherwise_and_the_rest_is_unknown(
    policies: list[Policy], made: list[Asked], before: int, after: int
) -> None:
    """What is unknown are calls of which an object decides that the record cannot have, and those of which a dry run does."""
    former, new = policies[before], policies[after]
    with tempfile.TemporaryDirectory() as folder:
        journal(Path(folder), former, made)
        run = run_over(Path(folder), new)
    expected: Counter[tuple[str, str, str, str]] = Counter()
    unknown = 0
    for asked in made:
        was, would = judged(former, asked), judged(new, asked)
        head = new.judge(asked.who, asked.cluster, _act(asked))
        kept = bool(asked.body) and was.decision != "deny"
        empty = asked.method == "DELETE" and not asked.body and was.decision != "deny"
        if would.needs is not None or (head.needs == "object" and not (kept or empty)):
            unknown += 1
        elif was.decision != would.decision:
            expected[was.decision, would.decision, was.rule, would.rule] += 1
    assert (changes(run), run.unknown.total(), run.calls) == (expected, unknown, len(made))


def _act(asked: Asked) -> Act:
    return describe(asked.method, asked.target)


# ---------------------------------------------------------------------- what is unknown, and what is no call

SECRET = '{"data":{"password":"bDdndw=="},"metadata":{"labels":{"team":"shop"}}}'


@pytest.mark.parametrize(
    ("when", "unknown"),
    [
        ('object.data.password == "x"', True),
        ("size(object.data) > 0", True),
        ("object == {}", True),
        ('object.metadata.labels["team"] == "shop"', False),
        ("has(object.datas)", False),
    ],
)
def test_a_masked_value_is_unknown_only_to_a_condition_that_reads_it(tmp_path: Path, when: str, unknown: bool) -> None:
    everything = loaded(OPEN, tmp_path)
    sent = Asked(ANN, "POST", "/api/v1/namespaces/dev/secrets", SECRET.encode(), masked=("data.password",))
    journal(tmp_path / "state", everything, [sent])
    new = loaded(f"guardrails:\n- {{name: g, resources: [secrets], when: '{when}', verdict: deny}}\n" + OPEN, tmp_path)
    run = run_over(tmp_path / "state", new)
    assert dict(run.unknown) == ({"object-masked": 1} if unknown else {})


def test_a_command_in_which_something_is_masked_is_unknown_to_rules_about_commands(tmp_path: Path) -> None:
    target = "/api/v1/namespaces/dev/pods/web-0/exec?command=mysql&command=-pl7gw-masked-argument-0123abcd"
    journal(tmp_path / "state", loaded(OPEN, tmp_path), [Asked(ANN, "POST", target, masked=("target:60",))])
    for rule, unknown in (
        ('{name: c, effects: [execute], commands: ["mysql **"], verdict: allow}', 1),
        ('{name: c, effects: [execute], namespaces: [prod], commands: ["mysql **"], verdict: allow}', 0),
        ('{name: c, effects: [execute], when: "size(request.argv) > 1", verdict: allow}', 1),
        ("{name: c, effects: [execute], verdict: deny}", 0),
    ):
        run = run_over(tmp_path / "state", loaded(f"rules:\n- {rule}\n", tmp_path))
        assert run.unknown["argv-masked"] == unknown, rule


def test_without_bodies_in_the_record_what_an_object_decides_is_unknown(tmp_path: Path) -> None:
    everything = loaded(OPEN, tmp_path)
    scale = Asked(ANN, "PATCH", "/apis/apps/v1/namespaces/dev/deployments/web/scale", b'{"spec":{"replicas":9}}')
    journal(tmp_path / "state", everything, [], more=lambda recorder: record_judged(recorder, everything, scale, content=False))
    new = loaded(
        "guardrails:\n- {name: big, resources: ['*/scale'], when: 'object.spec.replicas > 3', verdict: deny}\n" + OPEN, tmp_path
    )
    assert dict(run_over(tmp_path / "state", new).unknown) == {"object-not-recorded": 1}
    journal(tmp_path / "kept", everything, [scale])
    assert changes(run_over(tmp_path / "kept", new)) == {("allow", "deny", "all", "big"): 1}


def test_what_a_dry_run_decides_is_unknown(tmp_path: Path) -> None:
    scale = Asked(ANN, "PATCH", "/apis/apps/v1/namespaces/dev/deployments/web/scale", b'{"spec":{"replicas":9}}')
    journal(tmp_path / "state", loaded(OPEN, tmp_path), [scale, Asked(ANN, "GET", "/api/v1/pods")])
    new = loaded("guardrails:\n- {name: g, when: 'result.spec.replicas > 3', verdict: deny}\n" + OPEN, tmp_path)
    run = run_over(tmp_path / "state", new)
    assert (changes(run), dict(run.unknown)) == ({("allow", "deny", "all", "g"): 1}, {"result": 1})


GRANT = "01a21f00-0000-7000-8000-000000000000"
ONCALL = """
grants: [{group: oncall, groups: [engineers], reviewers: {groups: [sre]}}]
rules:
  - {name: read, effects: [read], verdict: allow}
  - {name: on call, groups: [oncall], effects: [delete], verdict: allow}
"""


def granted(recorder: Recorder, reason: str, *, event: bool = True) -> None:
    """Two deletes of ann, between which she is granted a group."""
    session = recorder.session(ANN, "prod")
    for allowed in (False, True):
        if allowed and event:
            ends = moment(session.now() + 3_600_000_000)
            session.append(GrantRecorded(session.now(), GRANT, "approved", "oncall", "prod", "approve", "lea", "", 3600, "", ends))
        record = session.begin(run_id="r", client="c", command="")
        act = describe("DELETE", "/api/v1/namespaces/dev/pods/a")
        record.request(method="DELETE", target=act.path, headers=(), act=act, audit_id="")
        if allowed:
            record.verdict("allow", rule="on call", reason=reason)
        else:
            record.verdict("deny", reason="no rule allows it: delete pods a in namespace dev")
        record.end("complete")


def test_a_granted_group_counts_while_it_was_granted_where_the_policy_lists_it(tmp_path: Path) -> None:
    policy = loaded(ONCALL, tmp_path)
    words = f"allowed by rule 'on call' (oncall by grant {GRANT})"
    journal(tmp_path / "state", policy, [], more=lambda recorder: granted(recorder, words))
    run = run_over(tmp_path / "state", policy)
    assert (changes(run), dict(run.unknown), run.calls) == ({}, {}, 2)
    unlisted = loaded(ONCALL.replace("group: oncall", "group: dba"), tmp_path)
    assert changes(run_over(tmp_path / "state", unlisted)) == {("allow", "deny", "on call", ""): 1}
    journal(tmp_path / "elsewhere", policy, [], more=lambda recorder: granted(recorder, words, event=False))
    assert dict(run_over(tmp_path / "elsewhere", policy).unknown) == {"grant-not-recorded": 1}


def test_a_denial_for_a_group_that_is_no_name_is_unknown(tmp_path: Path) -> None:
    policy = loaded("guardrails:\n- {name: g, groups: [x], verdict: deny}\n" + OPEN, tmp_path)
    odd = dataclasses.replace(ANN, unfit=("x",))
    journal(tmp_path / "state", policy, [Asked(odd, "GET", "/api/v1/pods"), Asked(ANN, "GET", "/api/v1/pods")])
    run = run_over(tmp_path / "state", policy)
    assert (changes(run), dict(run.unknown)) == ({}, {"groups-not-recorded": 1})


def test_what_a_hook_or_the_gateway_itself_denied_is_no_change(tmp_path: Path) -> None:
    def more(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for rule, reason in (("hook-canary", "denied by hook 'canary': no"), ("", "this user cannot be named to the cluster")):
            record = session.begin(run_id="r", client="c", command="")
            record.request(
                method="GET", target="/api/v1/pods", headers=(), act=_act(Asked(ANN, "GET", "/api/v1/pods")), audit_id=""
            )
            record.verdict("deny", rule=rule, reason=reason)
            record.end("denied", reason)

    policy = loaded(OPEN, tmp_path)
    journal(tmp_path / "state", policy, [], more=more)
    run = run_over(tmp_path / "state", policy)
    assert (changes(run), run.calls) == ({}, 1)
    strict = run_over(tmp_path / "state", loaded("rules: []\n", tmp_path))
    assert (changes(strict), strict.other_rule) == ({}, 1)


def test_the_example_is_the_last_call_of_its_group_and_says_its_command(tmp_path: Path) -> None:
    made = [Asked(BOB, "DELETE", f"/api/v1/namespaces/prod/pods/web-{number}") for number in range(3)]
    journal(tmp_path / "state", loaded(OPEN, tmp_path), made)
    ((change, counted),) = run_over(tmp_path / "state", loaded("rules: []\n", tmp_path)).changes.items()
    assert (change.before, change.after, counted.count, counted.example.request.exchange) == ("allow", "deny", 3, 3)
    assert command_of(counted.example) == "kubectl delete pods web-2 -n prod"


def test_a_call_inside_of_a_session_of_another_time_or_user_is_not_asked(tmp_path: Path) -> None:
    policy = loaded(OPEN, tmp_path)
    journal(tmp_path / "state", policy, [Asked(ANN, "GET", "/api/v1/pods"), Asked(BOB, "GET", "/api/v1/pods", cluster="stage")])
    past = PastCalls(tmp_path / "state", cluster="st*")
    assert [one.principal.user for one in past] == ["bob"]
    assert [one.principal.user for one in PastCalls(tmp_path / "state", user="a*")] == ["ann"]
    assert list(PastCalls(tmp_path / "state", since=2**52)) == list(PastCalls(tmp_path / "state", until=1)) == []


def test_a_call_that_is_running_is_asked_too(tmp_path: Path) -> None:
    policy = loaded(OPEN, tmp_path)
    watch = "/api/v1/namespaces/d/pods?watch=1"
    journal(tmp_path / "state", policy, [], more=lambda recorder: call(recorder.session(ANN, "prod"), watch))
    assert changes(run_over(tmp_path / "state", loaded("rules: []\n", tmp_path))) == {("allow", "deny", "all", ""): 1}
