"""The gateway's own credential: a token's file is read again, and a broken one leaves the former token in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.cluster.credentials.static import LONGEST_TOKEN, StaticCredential
from l7gw.config.settings import ClientCredential, Cluster, TokenFile
from l7gw.demo.pki import Authority, write_private
from tests.support.manual_clock import ManualClock
from tests.support.pools import pool_for


def test_a_token_file_is_read_again_when_it_changes_and_a_broken_one_leaves_the_former(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    path = write_private(tmp_path / "token", b"first\n")
    pool = pool_for(Cluster("test", "127.0.0.1", 1, authority.certificate, TokenFile(path)), ManualClock())
    assert pool.credential.authorization == (("authorization", "Bearer first"),)
    path.write_text("second")
    pool.tick()
    assert pool.credential.authorization == (("authorization", "Bearer second"),)
    for bad in ("", "two words", "ctrl\x01", "x" * 20_000):
        path.write_text(bad)
        pool.tick()
        assert pool.credential.authorization == (("authorization", "Bearer second"),)


@pytest.mark.parametrize("text", ["", " \n", "two words", "ctrl\x01", "\u00fcml\u00e4ut", "x" * (LONGEST_TOKEN + 1)])
def test_a_gateway_does_not_begin_with_a_token_that_it_cannot_send(tmp_path: Path, text: str) -> None:
    with pytest.raises(OSError, match="no usable token"):
        StaticCredential(TokenFile(write_private(tmp_path / "token", text.encode())))


def test_a_token_may_be_of_the_largest_size_and_is_sent_without_the_space_around_it(tmp_path: Path) -> None:
    token = "x" * (LONGEST_TOKEN - 1)
    credential = StaticCredential(TokenFile(write_private(tmp_path / "token", f"{token}\n".encode())))
    assert credential.authorization == (("authorization", f"Bearer {token}"),) and credential.pair == ()


def test_a_client_certificate_is_shown_in_the_handshake_and_never_in_a_header(tmp_path: Path) -> None:
    credential = StaticCredential(ClientCredential(tmp_path / "gw.crt", tmp_path / "gw.key"))
    credential.tick(0.0)
    assert credential.pair == (tmp_path / "gw.crt", tmp_path / "gw.key") and credential.authorization == ()
