"""Which hosts and URLs are this machine itself."""

from __future__ import annotations

import pytest

from l7gw.loopback import is_loopback, leads_to_loopback


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1", 1), ("127.9.9.9", 1), ("::1", 1), ("localhost", 1), ("10.0.0.1", 0), ("a", 0), ("", 0)]
)
def test_only_the_loopback_is_this_machine(host: str, here: int) -> None:
    assert is_loopback(host) is bool(here)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("https://127.0.0.1:8443/a", 1),
        ("https://[::1]:1", 1),
        ("https://localhost", 1),
        ("https://127.0.0.1.example.com", 0),
        ("", 0),
    ],
)
def test_a_url_leads_to_this_machine_by_its_host_alone(url: str, here: int) -> None:
    assert leads_to_loopback(url) is bool(here)
