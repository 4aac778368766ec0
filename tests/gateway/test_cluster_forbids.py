"""What the caller is told beside the cluster's 403 to a call that the policy allowed: which groups went up or why none did, and what to
bind. No other answer has these words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.config.settings import Cluster
from l7gw.gateway.cluster_forbids import in_words
from l7gw.identity.principal import Principal
from l7gw.kube.act import acting
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from l7gw.kube.warning_header import LONGEST_WARNING, warning_field
from l7gw.policy.judge import Policy
from tests.gateway.test_standing import OWN, POD, PROXY, body, chunked, forbidden
from tests.support.faults import ask
from tests.support.raw_client import WEBSOCKET
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import answering

POLICY = """
rules:
- {name: engineers read, groups: [engineers, "tëam, x"], effects: ["*"], verdict: allow}
- {name: all, groups: ["*"], effects: ["*"], verdict: allow}
"""
BEGIN = "rule 'all' allows this, the cluster's RBAC does not: "
LIST = "GET /api/v1/namespaces/dev/pods"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(POLICY)
    return Policy.load(path)


def cluster(impersonate: str = "groups") -> Cluster:
    """What the words are about of a cluster's section."""
    return cast(Cluster, SimpleNamespace(name="prod", impersonate=impersonate, prefix="l7gw:", groups=()))


@pytest.mark.parametrize(
    ("mode", "line", "groups", "user", "up", "told"),
    [
        (
            "groups",
            LIST,
            ("engineers", "all"),
            "l7gw",
            ("l7gw:engineers",),
            "bind a role there to your group l7gw:engineers; kubectl create rolebinding NAME -n dev --clusterrole=ROLE --group=l7gw:engineers",
        ),
        (
            "groups",
            "GET /api/v1/nodes",
            ("a b",),
            "l7gw",
            ("l7gw:a b",),
            "bind a role there to your group l7gw:a b; kubectl create clusterrolebinding NAME --clusterrole=ROLE --group='l7gw:a b'",
        ),
        (
            "groups",
            LIST,
            tuple("abcdefg"),
            "l7gw",
            tuple("abcdefg"),
            "bind a role there to your groups a, b, c, d, e and 2 more; kubectl create rolebinding NAME -n dev --clusterrole=ROLE --group=a",
        ),
        ("groups", LIST, ("x" * 50,), "l7gw", ("y" * 200,), f"bind a role there to your group {'y' * 59}…"),
        (
            "groups",
            LIST,
            (),
            "l7gw",
            (),
            "it knows you by no group, for you have none: is `groups:` below identity the claim of your token? Then name one in a rule, "
            "and bind a role there to l7gw:GROUP",
        ),
        (
            "groups",
            LIST,
            ("staff", "all"),
            "l7gw",
            (),
            "it knows you by no group: name one of yours in a rule about prod, or in its `groups:`, and bind a role there to it as "
            "l7gw:staff; you have groups staff, all",
        ),
        (
            "groups",
            LIST,
            ("staff", "tëam, x"),
            "l7gw",
            (),
            "it knows you by no group, for group tëam, x cannot be named there (the gateway's log says why)",
        ),
        (
            "user",
            LIST,
            (),
            "l7gw:ann",
            (),
            "bind a role there to user l7gw:ann; kubectl create rolebinding NAME -n dev --clusterrole=ROLE --user=l7gw:ann",
        ),
        (
            "user",
            LIST,
            ("a",),
            "l7gw:ann",
            ("l7gw:a",),
            "bind a role there to user l7gw:ann, or to your group l7gw:a; kubectl create rolebinding NAME -n dev --clusterrole=ROLE --user=l7gw:ann",
        ),
        (
            "none",
            LIST,
            ("a",),
            "",
            (),
            "the cluster sees the gateway's own credential (impersonate: none): bind a role to the User that it names",
        ),
    ],
)
def test_the_words_say_what_to_bind_to_whom_or_why_no_group_went_up(
    policy: Policy, mode: str, line: str, groups: tuple[str, ...], user: str, up: tuple[str, ...], told: str
) -> None:
    act = describe(*line.split(" "))
    assert in_words("all", act, cluster(mode), Principal("ann", groups), user, up, policy) == BEGIN + told


def test_who_acts_as_somebody_else_hears_whose_rights_count(policy: Policy) -> None:
    act = acting(describe(*LIST.split(" ")), ActsAs("jane"))
    told = f"{BEGIN}it goes by the rights of jane, as whom you ask: a role must be bound to that name there"
    assert in_words("all", act, cluster(), Principal("ann", ("a",)), "jane", (), policy) == told


@given(
    rule=st.text(max_size=400),
    groups=st.lists(st.text(max_size=300), max_size=30).map(tuple),
    mode=st.sampled_from(["groups", "user", "none"]),
)
def test_whatever_the_names_are_the_warning_is_ascii_bounded_and_says_first_whose_no_it_is(
    policy: Policy, rule: str, groups: tuple[str, ...], mode: str
) -> None:
    act = describe(*LIST.split(" "))
    for up in ((), groups):
        value = warning_field(in_words(rule, act, cluster(mode), Principal("ann", groups), "ann", up, policy))[1]
        assert value.isascii() and len(value) <= LONGEST_WARNING and "\n" not in value
        assert len(rule.encode()) > 20 or "the cluster's RBAC does not" in value


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("forbids"), policy=POLICY, warnings="refusals") as running:
        yield running


def warning(it: Scene, answer: bytes, target: str = POD, *more: str) -> tuple[int, str]:
    it.upstream.script = answering(answer)
    status, fields, _ = ask(it, it.request(f"GET {target}", *more))
    return status, fields.get("warning", "")


def test_the_clusters_403_has_the_warning_also_where_only_refusals_have_one_and_it_is_recorded(it: Scene) -> None:
    told = (
        "299 - \"l7gw: rule 'engineers read' allows this, the cluster's RBAC does not: bind a role there to your group l7gw:engineers; "
        'kubectl create rolebinding NAME -n default --clusterrole=ROLE --group=l7gw:engineers"'
    )
    for whole in (forbidden(body(OWN, "pods", "web-0")), chunked(body(OWN, "pods", "web-0"))):
        assert warning(it, whole) == (403, told)
    assert warning(it, forbidden(body(OWN, "pods", "web-0")), f"{POD}/exec?command=sh&stdout=true", *WEBSOCKET) == (403, told)
    _, _, answer = ask(it, it.request(f"GET {POD}/exec?command=sh&stdout=true", *WEBSOCKET))
    status = json.loads(answer)
    assert status["message"] == f"{OWN}; {told.removeprefix('299 - ').strip(chr(34))}" and status["details"]["name"] == "web-0"
    session = it.gateway.sessions()[0]["id"]
    assert told in json.dumps(it.gateway.events(session), ensure_ascii=False).replace('\\"', '"')


def test_no_other_answer_has_it(it: Scene) -> None:
    denied = 'pods "web-0" is forbidden: exceeded quota: pods, requested: pods=1'
    hook = 'admission webhook "deny.example.com" denied the request: User "l7gw" cannot do this'
    for said in (denied, hook, "", 'User "l7gw" cannot get resource "pods"'):
        assert warning(it, forbidden(body(said, "pods", "web-0"))) == (403, "")
    assert warning(it, forbidden(b"{}")) == (403, "")
    assert warning(it, forbidden(body(OWN, "pods", "web-0")), PROXY) == (403, "")
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    assert warning(it, ok) == (200, "")
