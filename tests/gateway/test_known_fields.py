"""What is known of header fields is kept for few verdicts, and holds as long as all that it was found under."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from l7gw.gateway.access_form import AccessForm
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.known_fields import MOST_VERDICTS, KnownFields
from l7gw.identity.principal import Principal
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import UNREAD
from l7gw.wire.events import ReadyFields, Request

pytestmark = pytest.mark.interpreted  # of `Scene`
FIELDS = (("host", "a"), ("audit-id", "first"))


class Scene:
    """What a call is made under."""

    def __init__(self) -> None:
        self.worker: Any = SimpleNamespace(
            policy=object(), settings=object(), masking=object(), grants=SimpleNamespace(generation=1)
        )
        self.credential = SimpleNamespace(authorization=(("authorization", "Bearer own"),))
        self.far: Any = SimpleNamespace(
            endpoint=SimpleNamespace(authority="a:443"), pool_of=lambda _: SimpleNamespace(credential=self.credential)
        )
        self.record: Any = SimpleNamespace(
            run=0, run_id="r", content=True, session=SimpleNamespace(takes_calls=True, runs_forgotten=0)
        )

    def fields(self, verdict: Verdict | None = None, method: str = "GET") -> KnownFields:
        return KnownFields(
            self.worker, far=self.far, token=None, principal=Principal("ann"), record=self.record, recorded=((), ""),
            verdict=verdict or Verdict(allowed=True, rule="all", reason=""),
            access=AccessForm("", None, "", "", "", UNREAD, "", "", ""),
            request=Request(method, "/a", ()), up=Request(method, "/a", FIELDS), client=("", ""),
        )  # fmt: skip


@pytest.mark.parametrize("what", ["policy", "settings", "masking"])
def test_what_is_known_holds_no_more_where_another_object_is_in_force(what: str) -> None:
    scene = Scene()
    known = scene.fields()
    assert known.hold(scene.worker)
    setattr(scene.worker, what, object())
    assert not known.hold(scene.worker)


def test_what_is_known_holds_no_more_after_a_grant_the_end_of_the_session_and_a_run_that_is_forgotten() -> None:
    for place, value in (
        ("worker.grants.generation", 2),
        ("record.session.takes_calls", False),
        ("record.session.runs_forgotten", 1),
    ):
        scene = Scene()
        known = scene.fields()
        *path, last = place.split(".")
        one: Any = scene
        for name in path:
            one = getattr(one, name)
        setattr(one, last, value)
        assert not known.hold(scene.worker), place


def test_a_request_goes_up_with_its_own_target_and_audit_id_as_long_as_address_and_credential_are_the_same() -> None:
    scene = Scene()
    known = scene.fields()
    up = known.going_up("/b", "second", ReadyFields())
    assert up is not None and (up.target, up.headers) == ("/b", (FIELDS[0], ("audit-id", "second")))
    scene.far.endpoint.authority = "b:443"
    assert known.going_up("/b", "third", ReadyFields()) is None
    scene.far.endpoint.authority = "a:443"
    scene.credential.authorization = (*scene.credential.authorization,)  # another object
    assert known.going_up("/b", "third", ReadyFields()) is None


def test_fields_are_known_by_method_and_verdict_and_only_under_the_last_few_of_them() -> None:
    scene, said = Scene(), HeaderFields(())
    verdicts = [Verdict(allowed=True, rule="all", reason="") for _ in range(MOST_VERDICTS + 1)]
    for verdict in verdicts:
        said.learn(scene.fields(verdict))
    found = [said.knows("GET", verdict) for verdict in verdicts]
    assert found[0] is None and all(one is not None for one in found[1:])
    assert said.knows("HEAD", verdicts[-1]) is None
    again = scene.fields(verdicts[-1])
    said.learn(again)
    assert said.knows("GET", verdicts[-1]) is again and len(said.known) == MOST_VERDICTS
