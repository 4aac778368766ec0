"""client-go's informer, which every controller is built on, keeps a correct copy of a thousand changing objects through the
gateway."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.both_ways import Both
from tests.support.informer import informer_program
from tests.support.kubernetes.cluster import RealCluster
from tests.support.spoken_http import HTTP1, HTTP2

OBJECTS, LEFT = 1000, 666  # objects made, objects left after every third was deleted


@pytest.fixture(scope="module")
def informer(cluster: RealCluster) -> Path:
    """The path of the informer's program."""
    return informer_program()


@pytest.mark.parametrize("http", [HTTP1, HTTP2])
def test_an_informers_copy_becomes_what_the_api_server_has(informer: Path, both_sides: Both, http: str) -> None:
    """Eight writers change objects at once. The API server ends the watch every second, so that the informer must resume it."""
    _, side = both_sides.fresh()
    before = len(both_sides.spoken.asked())
    with both_sides.spoken.only(http):
        done = subprocess.run(
            [informer, side.kubeconfig, both_sides.cluster.admin, side.namespace],
            env={**os.environ, "DISABLE_HTTP2": "1" if http == HTTP1 else ""}, capture_output=True, text=True, timeout=90,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == LEFT + 1  # kube-root-ca.crt: every namespace gets that one
    asked = [one for one in both_sides.spoken.asked()[before:] if f"/{side.namespace}/configmaps" in one.target]
    methods = [one.method for one in asked]
    assert (methods.count("POST"), methods.count("PUT"), methods.count("DELETE")) == (OBJECTS, LEFT, OBJECTS - LEFT)
    assert sum("watch=true" in one.target for one in asked) >= 2
