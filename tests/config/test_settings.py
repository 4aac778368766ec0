"""What settings say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.config.settings import Cluster, TokenFile


@pytest.mark.parametrize(
    ("host", "port", "authority"),
    [
        ("c.example.com", 443, "c.example.com"),
        ("10.0.0.1", 6443, "10.0.0.1:6443"),
        ("fd00::1", 6443, "[fd00::1]:6443"),
        ("::1", 443, "[::1]"),
    ],
)
def test_a_clusters_authority_is_what_a_host_header_holds(host: str, port: int, authority: str) -> None:
    assert Cluster("c", host, port, Path("ca.crt"), TokenFile(Path("token"))).server_authority == authority
