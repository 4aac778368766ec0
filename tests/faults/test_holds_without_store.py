"""The database of the holds is out of reach, or its disk is full: nothing is held or approved, what waits waits, all else goes on."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from l7gw.errors import Refusal
from l7gw.store.database import NAME
from tests.gateway.test_holding import CONFIG_MAP, GO, POLICY, USER, Cluster, patched
from tests.support.faults import ask, until
from tests.support.raw_client import RawClient
from tests.support.reviewing_hand import Hand
from tests.support.scene import Scene, scene

OTHER = "/api/v1/namespaces/shop/configmaps/other"
CALLS = 6  # held calls that are tried while nothing can be held


def refused(it: Scene) -> str:
    """The words of the 503 that a held call gets."""
    status, headers, body = ask(it, it.request(f"DELETE {OTHER}"), "DELETE")
    assert status == 503 and "retry-after" not in headers, body
    message: str = json.loads(body)["message"]
    return message


def test_a_database_that_is_moved_away_holds_nothing_and_goes_on_once_it_is_back(tmp_path: Path) -> None:
    cluster = Cluster()
    with scene(tmp_path, cluster, policy=POLICY) as it, RawClient(it.gateway) as waiting:
        hand = Hand(it.gateway.state)
        waiting.send(patched(it, GO))
        hold = hand.pending(USER)
        hand.close()
        path = it.gateway.state / NAME
        path.rename(path.with_name("aside"))
        for _ in range(CALLS):
            assert "needs an approval, which cannot be asked for or given" in refused(it)
        assert not path.exists()
        assert ask(it, it.request(f"GET {CONFIG_MAP}"))[0] == 200, "what nobody holds goes on"
        path.with_name("aside").rename(path)
        hand = Hand(it.gateway.state)
        assert hand.of(hold).state == "pending"
        hand.approve(hold)
        assert waiting.answer("PATCH")[0] == 200
        with RawClient(it.gateway) as again:
            again.send(it.request(f"DELETE {OTHER}"))
            hand.deny(hand.pending(USER))
            assert again.answer("DELETE")[0] == 403
        hand.close()
        assert it.gateway.log.count("the holds cannot be looked at") <= 1
    assert all("dryRun" in line or line.startswith(("GET", f"PATCH {CONFIG_MAP}")) for line in cluster.lines())


@pytest.mark.long
def test_a_full_disk_holds_nothing_and_lets_nothing_pass_and_all_goes_on_once_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    """What waits waits on where the database alone found the disk full. Where the recording did, it is ended like every call."""
    cluster = Cluster()
    state, recording = str(small_disk / "state"), {"reserve": "1MiB"}
    with (
        scene(tmp_path / "scene", cluster, policy=POLICY, state=state, recording=recording) as it,
        RawClient(it.gateway) as waiting,
    ):
        hand = Hand(small_disk / "state")
        waiting.send(patched(it, GO))
        hold = hand.pending(USER)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(65536)):
                pass
        for _ in range(CALLS):
            said = refused(it)
            assert "disk is full" in said or "cannot be recorded" in said  # who notices first
        filler.unlink()
        until(lambda: ask(it, it.request(f"GET {CONFIG_MAP}"))[0] == 200)
        with contextlib.suppress(Refusal):
            hand.approve(hold)
        status, _, body = waiting.answer("PATCH")
        passed = [line for line in cluster.lines() if line.startswith("PATCH") and "dryRun" not in line]
        assert (status, len(passed)) in ((200, 1), (503, 0)), body
        assert status == 200 or "cannot be recorded" in json.loads(body)["message"]
        with RawClient(it.gateway) as again:
            again.send(it.request(f"DELETE {OTHER}"))
            hand.deny(hand.pending(USER, hold))
            assert again.answer("DELETE")[0] == 403
        hand.close()
