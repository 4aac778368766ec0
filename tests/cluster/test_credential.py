"""The gateway's own credential: a token's file is read again, and a broken one leaves the former token in force."""

from __future__ import annotations

from pathlib import Path

from l7gw.cluster.endpoint import Endpoint
from l7gw.cluster.pool import Pool
from l7gw.config.settings import Cluster, TokenFile
from l7gw.demo.pki import Authority, write_private
from tests.support.manual_clock import ManualClock


def test_a_token_file_is_read_again_when_it_changes_and_a_broken_one_leaves_the_former(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    path = write_private(tmp_path / "token", b"first\n")
    endpoint = Endpoint(Cluster("test", "127.0.0.1", 1, authority.certificate, TokenFile(path)))
    pool = Pool(endpoint, ManualClock())
    assert endpoint.credential.authorization == (("authorization", "Bearer first"),)
    path.write_text("second")
    pool.tick()
    assert endpoint.credential.authorization == (("authorization", "Bearer second"),)
    for bad in ("", "two words", "ctrl\x01", "x" * 20_000):
        path.write_text(bad)
        pool.tick()
        assert endpoint.credential.authorization == (("authorization", "Bearer second"),)
