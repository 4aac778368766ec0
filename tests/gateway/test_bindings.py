"""RoleBindings before a scripted cluster: made before the call that needs them, never by a name that is taken, and gone at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from l7gw.timeouts import Timeouts
from tests.support.bindings_cluster import BINDINGS, BindingsCluster, said
from tests.support.faults import ask, until
from tests.support.scene import Scene, scene

POLICY = """
rules:
  - {name: debug, namespaces: [shop], verdict: allow, bind: debugger}
  - {name: rest, effects: ["*"], verdict: allow}
"""
PODS = "/api/v1/namespaces/shop/pods"
SOON = 15.0
QUICK = Timeouts(bound=0.05)


def started(
    folder: Path, cluster: BindingsCluster, timeouts: Timeouts = QUICK, policy: str = POLICY
) -> AbstractContextManager[Scene]:
    return scene(folder, cluster, policy=policy, cluster={"impersonate": "user"}, timeouts=timeouts)


class Running:
    """A gateway before the cluster, and people with a session each."""

    def __init__(self, scene: Scene, cluster: BindingsCluster) -> None:
        self.scene, self.cluster = scene, cluster
        self._people = 0

    def anew(self) -> Running:
        """For the next test: another person, and a cluster that does as it is told."""
        self._people += 1
        self.user = f"person-{self._people}@example.com"
        self.token = self.scene.issuer.token(self.user, ["engineers"])
        self.cluster.fault = lambda method, path: None
        self.cluster.asked.clear()
        return self

    def get(self, target: str = PODS) -> tuple[int, dict[str, str], bytes]:
        return ask(self.scene, self.scene.request(f"GET {target}", token=self.token))

    def bound(self, session: str) -> list[str]:
        return [name for name in self.cluster.bindings if session in name]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    cluster = BindingsCluster()
    with started(tmp_path_factory.mktemp("bindings"), cluster) as running:
        yield Running(running, cluster)


@pytest.fixture
def running(shared: Running) -> Running:
    return shared.anew()


def test_the_binding_is_there_before_the_call_and_serves_the_next(running: Running) -> None:
    cluster = running.cluster
    status, headers, _ = running.get()
    assert status == 200 and running.get()[0] == 200
    (posted,), gets = cluster.at(f"POST {BINDINGS}"), cluster.at(f"GET {PODS}")
    assert len(gets) == 2 and posted < gets[0]
    name = f"l7gw-{headers['l7gw-session']}"
    assert cluster.bindings[name]["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"l7gw:{running.user}"}
    ]


def test_calls_that_need_none_bind_nothing(running: Running) -> None:
    for target in ("/api/v1/namespaces/other/pods", "/api", "/version"):
        assert running.get(target)[0] == 200
    assert not running.cluster.at(f"POST {BINDINGS}")


def test_a_name_that_is_taken_is_neither_trusted_nor_changed(running: Running) -> None:
    refused: list[str] = []

    def taken(method: str, path: str) -> bytes | None:
        if method == "POST" and len(refused) < 2:
            refused.append(path)
            return said(409, {"kind": "Status", "message": "it is there"})
        return None

    running.cluster.fault = taken
    session = running.get()[1]["l7gw-session"]
    (name,) = running.bound(session)
    assert name.startswith(f"l7gw-{session}-") and len(refused) == 2
    assert not running.cluster.at("DELETE")


def test_what_the_cluster_refuses_to_bind_refuses_the_call_with_words_and_the_next_call_tries_again(running: Running) -> None:
    cluster = running.cluster
    cluster.fault = lambda method, path: (
        said(403, {"kind": "Status", "message": "no: attempt to grant"}) if method == "POST" else None
    )
    status, _, body = running.get()
    told = json.loads(body)["message"]
    assert status == 502 and told.startswith("l7gw: ClusterRole debugger cannot be bound in namespace shop of cluster test")
    assert "no: attempt to grant" in told and "l7gw rbac render" in told
    assert not cluster.at(f"GET {PODS}") and not cluster.at("DELETE")
    cluster.fault = lambda method, path: None
    assert running.get()[0] == 200


def test_a_binding_whose_answer_was_lost_refuses_the_call_and_is_removed(running: Running) -> None:
    running.cluster.fault = lambda method, path: b"" if method == "POST" else None
    status, _, body = running.get()
    assert status == 502 and "cannot be bound" in json.loads(body)["message"] and not running.cluster.at(f"GET {PODS}")
    until(lambda: running.cluster.at(f"DELETE {BINDINGS}/l7gw-") or None, SOON)


def test_a_binding_is_made_anew_before_its_time_is_over_and_goes_with_the_policy_or_the_gateway(tmp_path: Path) -> None:
    cluster = BindingsCluster()
    with started(tmp_path, cluster, Timeouts(bound=0.05, binding_lasts=4.0)) as scene:
        running = Running(scene, cluster).anew()
        assert running.get()[0] == 200
        (first,) = cluster.bindings

        def renewed() -> bool:
            assert running.get()[0] == 200
            assert cluster.bindings  # one is there at every moment
            return first not in cluster.bindings

        until(renewed, SOON)
        assert all(name.startswith(f"{first}-") for name in cluster.bindings)
        scene.gateway.policy.write_text(POLICY.replace(", bind: debugger", ""))
        until(lambda: not cluster.bindings, SOON)
        assert running.get()[0] == 200 and not cluster.bindings
        scene.gateway.policy.write_text(POLICY)
        until(lambda: running.get()[0] == 200 and bool(cluster.bindings), SOON)
        scene.gateway.stop()
        assert cluster.bindings == {} and scene.gateway.process is not None and scene.gateway.process.returncode == 0


@pytest.mark.long
def test_a_binding_that_cannot_be_made_anew_is_not_asked_for_each_second_and_counts_no_longer_than_it_says(tmp_path: Path) -> None:
    cluster = BindingsCluster()
    with started(tmp_path, cluster, Timeouts(bound=0.05, binding_lasts=4.0)) as scene:
        running = Running(scene, cluster).anew()
        assert running.get()[0] == running.get()[0] == 200  # twice: what one call used is not made anew
        cluster.fault = lambda method, path: said(500, {"kind": "Status", "message": "no"}) if method == "POST" else None
        until(lambda: cluster.at(f"DELETE {BINDINGS}") and not cluster.bindings, SOON)
        assert len(cluster.at(f"POST {BINDINGS}")) == 2
        assert running.get()[0] == 502 and not cluster.bindings


@pytest.mark.long
def test_a_binding_that_no_call_asks_for_any_more_is_not_made_anew(tmp_path: Path) -> None:
    cluster = BindingsCluster()
    with started(tmp_path, cluster, Timeouts(bound=0.05, binding_lasts=4.0)) as scene:
        running = Running(scene, cluster).anew()
        assert running.get()[0] == 200 and cluster.bindings

        def gone() -> bool:
            assert running.get("/api/v1/namespaces/other/pods")[0] == 200  # the session lasts, by another rule
            return not cluster.bindings

        until(gone, SOON)
        assert len(cluster.at(f"POST {BINDINGS}")) == 1
        assert running.get()[0] == 200 and len(cluster.at(f"POST {BINDINGS}")) == 2


def test_a_binding_that_somebody_removed_is_made_anew_after_the_next_look(tmp_path: Path) -> None:
    cluster = BindingsCluster()
    with started(tmp_path, cluster) as scene:
        running = Running(scene, cluster).anew()
        assert running.get()[0] == 200
        (first,) = cluster.bindings
        cluster.bindings.clear()  # or its namespace was made anew
        scene.gateway.policy.write_text(POLICY + "# looked at\n")
        until(lambda: running.get()[0] == 200 and bool(cluster.bindings), SOON)
        assert "has lost its labels" in scene.gateway.log
        until(lambda: cluster.at(f"DELETE {BINDINGS}/{first}") or None, SOON)  # it may be there without its labels


def _left(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {f"l7gw/{key}": value for key, value in labels.items()}}}


def test_what_was_left_is_removed_at_start_and_what_others_need_stays(tmp_path: Path) -> None:
    cluster = BindingsCluster()
    (tmp_path / "gateway" / "state").mkdir(parents=True, mode=0o700)
    (tmp_path / "gateway" / "state" / "gateway-id").write_text("0a7a2c1e-1111-4222-8333-944455556666")
    (tmp_path / "gateway" / "state" / "gateway-id").chmod(0o600)
    mine, other = "0a7a2c1e-1111-4222-8333-944455556666", "another"
    left = [_left("l7gw-mine", gateway=mine, expires="4000000000"), _left("l7gw-over", gateway=other, expires="1000000000")]
    kept = [_left("l7gw-lasts", gateway=other, expires="4000000000"), _left("l7gw-unknown"), _left("of-somebody", gateway=mine)]
    cluster.bindings = {one["metadata"]["name"]: one for one in (*left, *kept)}
    with started(tmp_path, cluster) as running:
        until(lambda: not {"l7gw-mine", "l7gw-over"} & cluster.bindings.keys(), SOON)
        assert cluster.bindings.keys() == {"l7gw-lasts", "l7gw-unknown", "of-somebody"}
        own = next(one["id"] for one in running.gateway.sessions() if one["principal"]["user"] == "l7gw")
        recorded = [one for one in running.gateway.events(own) if one["type"] == "request"]
        assert {one["method"] for one in recorded} == {"GET", "DELETE"}


def test_a_removal_that_the_cluster_refuses_is_told_and_the_gateway_ends_all_the_same(tmp_path: Path) -> None:
    cluster = BindingsCluster()
    cluster.fault = lambda method, path: said(403, {"kind": "Status", "message": "no"}) if method == "DELETE" else None
    with started(tmp_path, cluster, Timeouts(bound=0.05, unbind=0.5)) as running:
        assert ask(running, running.request(f"GET {PODS}"))[0] == 200
        running.gateway.stop()
        assert running.gateway.process is not None and running.gateway.process.returncode == 0
        assert "cannot be removed" in running.gateway.log and "is left in the cluster: the gateway ends" in running.gateway.log


def test_a_rule_that_binds_where_callers_have_no_names_is_a_configuration_error(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="cluster test is not told who calls"),
        scene(tmp_path, policy=POLICY, cluster={"impersonate": "groups"}),
    ):
        pass
