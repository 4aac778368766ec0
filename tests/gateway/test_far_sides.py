"""The clusters of a worker over reloads: a configuration is put into force as a whole, and running calls keep the former one."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from l7gw.config.settings import ClientCredential, Cluster, TokenFile
from l7gw.demo.pki import Authority, write_private
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.far_sides import FarSides
from l7gw.identity.principal import Principal
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire.events import Request
from tests.support.manual_clock import ManualClock

ANN = Principal("ann")


class Stage:
    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        self.token = token = TokenFile(write_private(folder / "token", b"t"))
        self.cluster = Cluster("prod", "127.0.0.1", 1, authority.certificate, token, record="none")
        self.far = FarSides(ManualClock(), USUAL_TIMEOUTS, most_people=10)

    def settings(self, *clusters: Cluster) -> Any:
        return SimpleNamespace(clusters={cluster.name: cluster for cluster in clusters})

    def use(self, *clusters: Cluster) -> None:
        self.far.use(self.far.wanted(self.settings(*clusters)))

    def chosen(self, target: str) -> FarSide:
        return self.far.routes.choose(Request("GET", target, ()), "")[0]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_clusters_that_cannot_be_used_change_nothing(stage: Stage, tmp_path: Path) -> None:
    stage.use(stage.cluster)
    broken = ClientCredential(tmp_path / "no.crt", tmp_path / "no.key")
    with pytest.raises(OSError):
        stage.far.wanted(stage.settings(stage.cluster, dataclasses.replace(stage.cluster, name="dev", credential=broken)))
    assert "prod" in stage.far and "dev" not in stage.far and stage.chosen("/api").name == "prod"


def test_a_cluster_that_is_configured_no_more_is_recorded_whole(stage: Stage) -> None:
    stage.use(stage.cluster)
    assert stage.far.records("prod") == "none"
    stage.use(dataclasses.replace(stage.cluster, name="dev"))
    assert stage.far.records("prod") == "all" and "prod" not in stage.far


def test_a_former_cluster_gets_its_ticks_until_its_last_call_has_ended(stage: Stage) -> None:
    async def run() -> None:
        silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        stage.use(dataclasses.replace(stage.cluster, server_port=silent.sockets[0].getsockname()[1]))
        former = stage.chosen("/api")
        pool = former.pool_of(ANN)
        pool.connect(lambda connection: None)  # it waits for the handshake
        stage.use(stage.cluster)
        stage.token.path.write_text("second")
        stage.far.tick()
        assert pool.credential.authorization == (("authorization", "Bearer second"),)
        former.close()
        await asyncio.sleep(0.01)
        assert former.over
        stage.token.path.write_text("third, of another length")
        stage.far.tick()
        assert pool.credential.authorization == (("authorization", "Bearer second"),)
        silent.close()

    uvloop.run(run())
