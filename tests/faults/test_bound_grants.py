"""Bindings of grants where things happen at once: two gateways on one database, one that is killed, a grant that is taken back while
it is being bound."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.test_two_gateways import Two, two
from tests.support.bindings_cluster import BINDINGS, BindingsCluster
from tests.support.faults import until
from tests.support.held import Held
from tests.support.postgres import Postgres
from tests.support.raw_client import RawClient

POLICY = """
rules:
  - {name: on call, groups: [oncall], namespaces: [shop], effects: [read], verdict: allow}
grants:
  - {group: oncall, groups: [dev], clusters: [test], reviewers: {groups: [sre]}, max: 1h, bind: debugger, namespaces: [shop]}
"""
PODS = "/api/v1/namespaces/shop/pods"
WITHIN = 30.0  # seconds


class Bound:
    """Two gateways, and the cluster before which they stand."""

    def __init__(self, running: Two, cluster: BindingsCluster) -> None:
        self.a, self.b, self.cluster = running.a, running.b, cluster

    def granted(self, at: Held, user: str) -> str:
        wish = {"group": "oncall", "cluster": "test", "for": 600, "reason": "INC-1"}
        grant = str(at.api("POST /l7gw/v1/grants", at.token(user, "dev"), wish)[1]["id"])
        assert at.api(f"POST /l7gw/v1/grants/{grant}/approve", at.lea, {})[1]["state"] == "approved"
        return grant

    def revoke(self, at: Held, grant: str) -> None:
        assert at.api(f"POST /l7gw/v1/grants/{grant}/revoke", at.lea, {"note": "over"})[1]["state"] == "revoked"

    def call(self, at: Held, user: str) -> int:
        with RawClient(at.gateway) as client:
            client.send(at.scene.request(f"GET {PODS}", token=at.token(user, "dev")))
            return client.answer()[0]

    def of(self, grant: str) -> list[str]:
        return [name for name in self.cluster.bindings if grant in name]


@pytest.fixture(scope="module")
def bound(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    postgres.does("CREATE SCHEMA bound_grants AUTHORIZATION l7gw", database="l7gw")
    cluster, store = BindingsCluster(), postgres.url("options=-csearch_path%3Dbound_grants")
    with two(tmp_path_factory.mktemp("bound"), store, script=cluster, policy=POLICY, impersonate="user") as running:
        yield Bound(running, cluster)


@pytest.mark.long
def test_a_grant_that_is_taken_back_while_it_is_bound_opens_nothing_and_its_binding_goes(bound: Bound) -> None:
    grant = bound.granted(bound.a, "ann")
    asked, goes_on = threading.Event(), threading.Event()

    def late(method: str, path: str) -> bytes | None:
        if method == "POST":
            asked.set()
            assert goes_on.wait(WITHIN)
        return None

    bound.cluster.fault = late
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(bound.call, bound.a, "ann")
        assert asked.wait(WITHIN)
        bound.revoke(bound.a, grant)
        goes_on.set()
        assert call.result(WITHIN) == 403
    bound.cluster.fault = lambda method, path: None
    assert not bound.cluster.at(f"GET {PODS}")
    until(lambda: not bound.of(grant), WITHIN)


@pytest.mark.long
def test_each_of_two_gateways_binds_by_a_name_of_its_own_and_both_remove_what_one_takes_back(bound: Bound) -> None:
    grant = bound.granted(bound.a, "bob")
    assert bound.call(bound.a, "bob") == 200 and bound.of(grant) == [f"l7gw-{grant}"]
    until(lambda: bound.call(bound.b, "bob") == 200, WITHIN)  # the other one hears of the grant within a second
    assert len(bound.of(grant)) == 2
    bound.revoke(bound.b, grant)
    until(lambda: not bound.of(grant), WITHIN)
    assert bound.call(bound.a, "bob") == 403


@pytest.mark.long
def test_what_a_killed_gateway_bound_for_a_grant_is_removed_by_another_when_that_is_taken_back(bound: Bound) -> None:
    grant = bound.granted(bound.a, "cia")
    assert bound.call(bound.a, "cia") == 200
    until(lambda: bound.b.api(f"GET /l7gw/v1/grants/{grant}", bound.b.lea)[1]["state"] == "approved", WITHIN)
    until(lambda: bound.call(bound.b, "cia") == 200, WITHIN)
    bound.a.gateway.kill()
    assert len(bound.of(grant)) == 2
    bound.revoke(bound.b, grant)
    until(lambda: not bound.of(grant), WITHIN)
    assert BINDINGS in "".join(bound.cluster.asked)
