"""A cluster's address and authority: files that change are read again, and each way of not reaching it has its own sentence."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from l7gw.cluster.endpoint import Endpoint, unreachable
from l7gw.config.settings import Cluster, TokenFile
from l7gw.demo.pki import Authority, write_private


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (TimeoutError(), 504, "does not answer"),
        (ConnectionRefusedError(), 502, "refuses connections; is its API server running?"),
        (OSError(113, "No route to host"), 502, "cannot be reached: No route to host"),
        (ConnectionResetError(), 502, "cannot be reached: connection lost"),
    ],
)
def test_a_cluster_that_is_not_reached_is_named_with_the_reason(error: OSError, code: int, words: str) -> None:
    refusal = unreachable("prod", error)
    assert refusal.code == code and "cluster prod" in refusal.message and words in refusal.message


def test_another_authority_ends_former_connections_and_a_broken_file_leaves_the_former(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    token = TokenFile(write_private(tmp_path / "token", b"t"))
    endpoint = Endpoint(Cluster("prod", "10.0.0.1", 6443, authority.certificate, token))
    assert not endpoint.refresh()
    former, text = endpoint.tls, authority.certificate.read_text()
    authority.certificate.write_text("no certificate")
    with pytest.raises((OSError, ssl.SSLError)):
        endpoint.refresh()
    assert endpoint.tls is former
    authority.certificate.write_text(text + "\n")
    assert endpoint.refresh() and endpoint.tls is not former


def test_only_tls_1_2_and_later_with_a_proven_name_is_spoken(tmp_path: Path) -> None:
    token = TokenFile(write_private(tmp_path / "token", b"t"))
    endpoint = Endpoint(Cluster("prod", "10.0.0.1", 6443, Authority(tmp_path).certificate, token))
    for context in (endpoint.tls, endpoint.shared_tls):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
        assert len(context.get_ca_certs()) == 1, "the cluster's own authority, and none of the machine's"
