"""A cluster's calls and the recorded ones are compared: what went round is found, however it hides, and no honest call is blamed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from l7gw.clock import SystemClock
from l7gw.identity.principal import Principal
from l7gw.policy.patterns import Globs
from l7gw.recording.audit_log import AuditLog
from l7gw.recording.reconcile import Gateway, Reconciliation
from l7gw.recording.recorded_calls import RecordedCalls
from l7gw.recording.recorder import Recorder
from tests.support.audit_events import GATEWAY, PODS, called, event, lines
from tests.support.journals import ANN, recorded

KNOWN = Gateway(users=Globs((GATEWAY,)), mode="groups")
HOUR = 3600.0
WEB = f"{PODS}/web-0"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"


class Case:
    """Ann's calls as a journal has them, and a log. `session` is the id of her session."""

    def __init__(self, folder: Path, fill: Callable[[Recorder], object]) -> None:
        def filled(recorder: Recorder) -> None:
            self.session = recorder.session(ANN, "prod").id
            fill(recorder)

        recorded(folder / "state", filled)
        self.calls = RecordedCalls([folder / "state"], "prod")

    def run(self, *events: dict[str, Any], gateway: Gateway = KNOWN, **more: Any) -> Reconciliation:
        run = Reconciliation(self.calls, gateway, **more)
        log = AuditLog()
        for one in log.read(io.BytesIO(lines(*events))):
            run.take(one)
        assert log.garbled == 0
        return run

    def whys(self, *events: dict[str, Any], **more: Any) -> list[str]:
        return [way.why for way in self.run(*events, **more).rounds]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    def fill(recorder: Recorder) -> None:
        called(recorder, "list")
        called(recorder, "delete", f"/prod{WEB}", "DELETE")
        called(recorder, "denied", WEB, "PATCH", verdict="deny", status=403, outcome="denied")
        called(recorder, "version", "/version")
        called(recorder, "open", f"{PODS}?watch=true", outcome=None)

    return Case(tmp_path, fill)


def test_a_recorded_call_is_matched_in_each_of_its_stages_and_counted_as_seen_once(case: Case) -> None:
    stages = [
        event("list", session=case.session, stage=stage) for stage in ("RequestReceived", "ResponseStarted", "ResponseComplete")
    ]
    run = case.run(*stages)
    assert (run.rounds, run.matched, case.calls.seen_count) == ({}, 3, 1)


def test_a_call_without_a_recording_went_round_with_who_from_where_and_what(case: Case) -> None:
    eve = {"username": "arn:aws:iam::1:user/eve", "groups": ["system:masters"]}
    run = case.run(
        event("x", "/api/v1/namespaces/kube-system/secrets/token", user=eve, stage="RequestReceived"),
        event("x", "/api/v1/namespaces/kube-system/secrets/token", user=eve, at=SystemClock().wall()),
        event("y", "/api/v1/namespaces/kube-system/secrets/other", user=eve, responseStatus={"code": 404}),
    )
    (way,) = run.rounds
    assert (way.why, way.user, way.address, way.agent) == (
        "not recorded",
        eve["username"],
        "10.0.0.9",
        "kubectl/v1.36 (linux/amd64)",
    )
    assert (way.verb, way.kind, way.namespace, way.acts_as) == ("get", "secrets", "kube-system", "")
    assert run.rounds[way].count == 3 and run.rounds[way].status == 404  # the stages of x have other times here


def test_two_stages_of_one_call_that_went_round_are_one(case: Case) -> None:
    one = event("x", "/api/v1/secrets?watch=true", user={"username": "eve"})
    run = case.run({**one, "stage": "ResponseStarted"}, one)
    assert [counted.count for counted in run.rounds.values()] == [1]


FORGED: dict[str, Callable[[Case], dict[str, Any]]] = {
    "another's credential": lambda case: event("list", user={"username": "eve"}),
    "another's credential, naming the caller": lambda case: event("list", session=case.session, user={"username": "eve"}),
    "the gateway's credential, naming nobody": lambda case: event("list"),
    "another session": lambda case: event("list", session="0199-other"),
    "another verb": lambda case: event("list", PODS, "DELETE", session=case.session),
    "another object": lambda case: event("delete", f"{PODS}/web-1", "DELETE", session=case.session),
    "another namespace": lambda case: event("delete", "/api/v1/namespaces/prod/pods/web-0", "DELETE", session=case.session),
    "another resource": lambda case: event("delete", "/api/v1/namespaces/shop/secrets/web-0", "DELETE", session=case.session),
    "an hour later": lambda case: event("list", session=case.session, at=SystemClock().wall() + HOUR),
    "an hour earlier": lambda case: event("list", session=case.session, at=SystemClock().wall() - HOUR),
    "a binding without a name": lambda case: event("list", BINDINGS, "POST", responseStatus={"code": 201}),
    "a binding of another name": lambda case: event("list", f"{BINDINGS}/eve", "DELETE"),
    "an id of a call without an object": lambda case: event("version", "/metrics", "POST", session=case.session),
}


@pytest.mark.parametrize("forged", FORGED)
def test_the_id_of_a_recorded_call_hides_no_other_call(forged: str, case: Case) -> None:
    run = case.run(FORGED[forged](case))
    assert [way.why for way in run.rounds] == ["the id of another call"] and case.calls.seen_count == 0


@pytest.mark.parametrize("uri, method", [(WEB, "DELETE"), (f"{WEB}/exec?command=sh", "GET")])
def test_a_change_that_is_made_again_by_the_id_of_the_first_went_round(tmp_path: Path, uri: str, method: str) -> None:
    case = Case(tmp_path, lambda recorder: called(recorder, "once", uri, method))
    now = SystemClock().wall()
    first = event("once", uri, method, session=case.session, at=now)
    stages = [{**first, "stage": stage} for stage in ("RequestReceived", "ResponseComplete", "ResponseComplete")]
    assert case.whys(*stages) == []
    assert case.whys(*stages, event("once", uri, method, session=case.session, at=now + 1)) == ["the id of another call"]


def test_a_call_that_the_cluster_turned_away_and_the_gateway_sent_again_is_one(case: Case) -> None:
    now = SystemClock().wall()
    turned = [
        event("delete", WEB, "DELETE", at=now - 2, user={}, stage="ResponseStarted", responseStatus={"code": 401}),
        event("delete", WEB, "DELETE", session=case.session, at=now - 1, responseStatus={"code": 429}),
    ]
    assert case.whys(*turned, event("delete", WEB, "DELETE", session=case.session, at=now)) == []
    assert case.calls.seen_count == 1


def test_a_call_that_only_came_unproven_was_not_seen(case: Case) -> None:
    assert case.whys(event("delete", WEB, "DELETE", user={}, responseStatus={"code": 401})) == []
    assert case.calls.seen_count == 0
    assert case.whys(event("delete", WEB, "DELETE", user={})) == ["the id of another call"]


def test_a_time_of_which_the_log_has_nothing_is_told(case: Case) -> None:
    node, begin = {"username": "system:node:ip-1"}, 1_800_000_000.0
    log = [event(f"n-{n}", user=node, at=begin + 60 * n) for n in (40, 0, 16, 17, 31, 46, 61)]
    assert case.run(*log[:0]).silences() == [] and case.run(*log[:1]).silences() == []
    minute = 60 * 1_000_000
    assert case.run(*log).silences() == [(int(begin * 1e6) + minute, int(begin * 1e6) + 16 * minute)]


def test_an_event_without_a_time_does_not_shorten_the_time_of_the_log(case: Case) -> None:
    timeless = event("n-3", user={"username": "system:node:ip-1"})
    del timeless["requestReceivedTimestamp"], timeless["stageTimestamp"]
    whole = _around(case)
    for log in ([timeless, *whole], [*whole, timeless], [whole[0], timeless, *whole[1:]]):
        run = case.run(*log)
        assert len(list(run.unseen())) == 2


def test_a_call_that_the_recording_calls_denied_and_the_cluster_saw_is_found(case: Case) -> None:
    assert case.whys(event("denied", WEB, "PATCH", session=case.session)) == ["recorded as refused"]


OWN: dict[str, Callable[[Case], dict[str, Any]]] = {
    "a reading": lambda case: event("delete", WEB, session=case.session),
    "a dry run": lambda case: event("denied", f"{WEB}?fieldManager=kubectl&dryRun=All", "PATCH", session=case.session),
    "a review of access": lambda case: event("delete", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "POST"),
    "its bindings, listed": lambda case: event("delete", f"{BINDINGS}?limit=500"),
    "a binding that is refused": lambda case: event("delete", BINDINGS, "POST", responseStatus={"code": 403}),
    "its own binding": lambda case: event("delete", f"{BINDINGS}/l7gw-0199", "DELETE"),
}


@pytest.mark.parametrize("own", OWN)
def test_what_the_gateway_asks_within_a_call_went_not_round_and_does_not_stand_for_the_call(own: str, case: Case) -> None:
    run = case.run(OWN[own](case))
    assert (run.rounds, run.matched, case.calls.seen_count) == ({}, 1, 0)


def test_what_the_cluster_itself_does_is_counted_by_user_unless_somebody_is_impersonated(case: Case) -> None:
    node, controller = {"username": "system:node:ip-1"}, {"username": "system:kube-controller-manager"}
    events = [event("1", user=node), event("2", user=node), event("3", user=controller)]
    run = case.run(*events)
    assert run.rounds == {} and run.ignored == {"system:node:ip-1": 2, "system:kube-controller-manager": 1}
    as_eve = event("4", user=node, impersonatedUser={"username": "eve"})
    (way,) = case.run(*events, as_eve).rounds
    assert (way.user, way.acts_as) == ("system:node:ip-1", "eve")
    assert len(case.run(*events, ignored=()).rounds) == 2


def test_an_ignored_user_has_no_id_of_a_recorded_call(case: Case) -> None:
    assert case.whys(event("list", user={"username": "system:node:ip-1"})) == ["the id of another call"]


def test_questions_that_read_nothing_of_the_cluster_are_left_out(case: Case) -> None:
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    eve = {"username": "system:anonymous"}
    asked = ("/livez", "/readyz/etcd", "/version")
    run = case.run(*(event("h", one, user=eve) for one in asked), event("r", reviews, "POST", user=eve))
    assert (run.rounds, run.harmless) == ({}, 4)
    assert case.whys(event("h", "/livezz", user=eve), event("h", "/version", "DELETE", user=eve)) == ["not recorded"] * 2


def test_what_came_before_the_oldest_recording_or_since_is_left_out(case: Case) -> None:
    early = event("early", user={"username": "eve"}, at=SystemClock().wall() - HOUR)
    run = case.run(early)
    assert (run.rounds, run.earlier) == ({}, 1)
    run = case.run(early, since=int(SystemClock().wall() * 1e6) - 60_000_000)
    assert (run.rounds, run.earlier, run.begin) == ({}, 0, 0)


@pytest.mark.parametrize(("unrecorded", "verb", "why"), [
    ("none", "GET", "not recorded, by the gateway's credential"), ("reads", "GET", ""), ("all", "DELETE", ""),
    ("reads", "DELETE", "not recorded, by the gateway's credential"),
])  # fmt: skip
def test_what_the_configuration_leaves_unrecorded_went_not_round(case: Case, unrecorded: Any, verb: str, why: str) -> None:
    gateway = Gateway(users=Globs((GATEWAY,)), mode="groups", unrecorded=unrecorded)
    run = case.run(event("silent", WEB, verb, session=case.session), gateway=gateway)
    assert [way.why for way in run.rounds] == [why] * bool(why) and run.unrecorded == (not why)
    assert case.whys(event("silent", WEB, verb, session="0199-other"), gateway=gateway) == [
        "not recorded, by the gateway's credential"
    ]


def test_an_eks_gateway_is_known_by_its_role_whatever_its_sessions_are_named(case: Case) -> None:
    gateway = Gateway(role="arn:aws:iam::111122223333:role/l7gw", mode="groups")
    extra = {"canonicalArn": ["arn:aws:iam::111122223333:role/l7gw"], "sessionName": ["ann"]}
    mine = {"username": "arn:aws:sts::111122223333:assumed-role/l7gw/ann", "extra": extra}
    other = {**mine, "extra": {"canonicalArn": ["arn:aws:iam::111122223333:role/other"]}}
    assert case.whys(event("list", session=case.session, user=mine), gateway=gateway) == []
    assert case.whys(event("list", session=case.session, user=other), gateway=gateway) == ["the id of another call"]


def test_without_a_configuration_the_gateway_is_who_first_makes_a_recorded_call(case: Case) -> None:
    honest = event("list", session=case.session)
    assert case.whys(honest, event("delete", WEB, "DELETE", session=case.session), gateway=Gateway()) == []
    forged = event("delete", WEB, "DELETE", session=case.session, user={"username": "eve"})
    assert case.whys(honest, forged, gateway=Gateway()) == ["the id of another call"]


def _around(case: Case, *more: dict[str, Any]) -> list[dict[str, Any]]:
    """A log that covers an hour to both sides of now."""
    now, node = SystemClock().wall(), {"username": "system:node:ip-1"}
    return [event("n-1", user=node, at=now - HOUR), *more, event("n-2", user=node, at=now + HOUR)]


def test_a_recorded_call_that_the_log_lacks_was_never_seen(case: Case) -> None:
    run = case.run(*_around(case, event("list", session=case.session)))
    assert [(one.verb, one.name) for one in run.unseen()] == [("delete", "web-0")]  # not /version, the denied, the running one
    assert run.never_seen == 1


def test_a_call_outside_of_the_time_of_the_log_or_in_its_margins_is_not_missed(case: Case) -> None:
    now, node = SystemClock().wall(), {"username": "system:node:ip-1"}
    before = [event("n-1", user=node, at=now - 2 * HOUR), event("n-2", user=node, at=now - HOUR)]
    assert list(case.run(*before).unseen()) == []
    near = [event("n-1", user=node, at=now - HOUR), event("n-2", user=node, at=now + 30)]
    assert list(case.run(*near).unseen()) == []
    assert len(list(case.run(*near, margin=0).unseen())) == 2
    assert list(case.run().unseen()) == []


def test_a_kind_that_the_audit_policy_leaves_out_is_not_missed(case: Case) -> None:
    run = case.run(*_around(case), unaudited=("delete pods", "* /version"))
    assert [one.verb for one in run.unseen()] == ["list"]


def test_the_end_of_a_long_call_lies_in_the_time_of_the_log_or_it_is_not_missed(tmp_path: Path) -> None:
    case = Case(tmp_path, lambda recorder: called(recorder, "watch", f"{PODS}?watch=true", outcome=None))
    assert list(case.run(*_around(case)).unseen()) == []


def test_many_different_ways_are_bounded_and_all_are_counted(case: Case) -> None:
    run = case.run(*(event(f"x-{n}", f"/apis/g{n}.example/v1/things", user={"username": "eve"}) for n in range(1010)))
    assert len(run.rounds) == 1000 and run.more_rounds == 10


def test_another_clusters_recordings_do_not_count(tmp_path: Path) -> None:
    case = Case(tmp_path, lambda recorder: called(recorder, "elsewhere", cluster="other", who=Principal("bob")))
    assert case.whys(event("elsewhere")) == ["not recorded, by the gateway's credential"]
