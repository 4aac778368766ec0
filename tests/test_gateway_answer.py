"""What the client is shown of the cluster's answer."""

from __future__ import annotations

import pytest

from l7gw.gateway.answer import shown_headers
from l7gw.wire.events import Response


@pytest.mark.parametrize(
    ("content_type", "sandboxed"),
    [
        ("text/html", True),
        ("Text/HTML; charset=utf-8", True),
        ("image/svg+xml", True),
        ("application/xml", True),
        ("application/json", False),
        ("application/vnd.kubernetes.protobuf", False),
        ("text/plain; charset=utf-8", False),
    ],
)
def test_a_page_behind_a_proxy_has_no_origin(content_type: str, sandboxed: bool) -> None:
    """A pod's page is served from the gateway's name, and must not act as its user (threats D7)."""
    headers = (("content-type", content_type), ("content-security-policy", "default-src *"))
    shown = shown_headers(Response(200, headers, 2, True), "A", "S", "")
    assert (("content-security-policy", "sandbox") in shown) is sandboxed
