"""What several sections of l7gw.yaml hold: certificates and their keys, and prefixes of names."""

from __future__ import annotations

import pytest

from l7gw import name_rules
from tests.support.written_configuration import Written


@pytest.mark.parametrize("prefix", ["system:", "a,", " a", "a" * 65])
def test_a_prefix_that_no_cluster_would_take_is_reported(written: Written, prefix: str) -> None:
    written.prod["prefix"] = prefix
    assert len(written.problems()) == 1


@pytest.mark.parametrize("prefix", ["corp\u3164", "\u2800", "corp\ufe00:", "corp\u00a0", "bu\u0308ro:", "\u0301"])
@pytest.mark.parametrize("where", ["entry", "prod"])
def test_a_prefix_that_looks_like_another_is_reported_and_escaped(written: Written, prefix: str, where: str) -> None:
    getattr(written, where)["prefix"] = prefix
    (what,) = written.problems()
    assert "prefix" in what and name_rules.quoted(prefix) in what


@pytest.mark.parametrize("file", ["server.key", "gw.key", "token"])
@pytest.mark.parametrize("mode, good", [(0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o620, False)])
def test_secrets_that_others_can_read_are_refused(written: Written, file: str, mode: int, good: bool) -> None:
    if file == "token":
        written.prod["credential"] = {"token-file": "token"}
    (written.folder / file).chmod(mode)
    found = written.problems()
    assert (found == []) is good and (good or "by others" in found[0])


def test_a_certificate_with_another_key_is_reported(written: Written) -> None:
    written.top["tls"] = {"certificate": "server.crt", "key": "gw.key"}
    assert "are no certificate and its key" in written.problems()[0]


def test_an_encrypted_key_is_reported_and_nobody_is_asked_for_its_password(written: Written) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key((written.folder / "server.key").read_bytes(), None)
    locked = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    (written.folder / "server.key").write_bytes(locked)
    assert len(written.problems()) == 1
