"""Real clients that wait for long: interim answers on HTTP/1.1 end no call, and a silent client waits on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config

from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.both_ways import before
from tests.support.held_calls import POLICY, Stage
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "held-patience"
# As the product's, but for the seconds between two interim answers: a call that waits for seven has got all five
TIMEOUTS = dataclasses.replace(USUAL_TIMEOUTS, processing_every=1.0)
WAITS = 7.0


@pytest.fixture(scope="module")
def stage(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with before(cluster, tmp_path_factory.mktemp("patience"), POLICY, watched=False, timeouts=TIMEOUTS) as both:
        yield Stage(both, NAMESPACE)


@pytest.mark.long
def test_clients_bear_a_long_wait_over_http1(stage: Stage) -> None:
    """Every kubectl bears five interim answers, and the Python client waits in silence: all of them at once."""

    def python(name: str) -> Any:
        api: Any = client.CoreV1Api(config.new_client_from_config(str(stage.both.of(f"wait-{name}"))))  # type: ignore[no-untyped-call]
        return api.patch_namespaced_config_map(name, NAMESPACE, {"data": {"a": "2"}}).data

    binaries = {f"k{version.replace('.', '-')}": path for version, path in stage.cluster.kubectls().items()}
    for name in (*binaries, "python"):
        stage.make(name, a="1")
    patch = ("--type=merge", "-p", '{"data":{"a":"2"}}')
    running: dict[str, Any] = {
        name: stage.start(f"wait-{name}", "patch", f"configmap/{name}", *patch, binary=path, environment={"DISABLE_HTTP2": "1"})
        for name, path in binaries.items()
    }
    running["python"] = stage.pool.submit(python, "python")
    holds = [stage.hand.pending(f"wait-{name}") for name in running]
    time.sleep(WAITS)  # what is tested is that they wait
    for hold in holds:
        stage.hand.approve(hold)
    for name, future in running.items():
        assert future.result(60), name
        assert stage.get(f"configmaps/{name}")[1]["data"] == {"a": "2"}, name
    assert {stage.hand.of(hold).state for hold in holds} == {"consumed"}
