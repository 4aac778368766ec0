"""Which parts of the cluster's answer the client gets."""

from __future__ import annotations

import pytest

from l7gw.gateway.answer import shown_headers


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
def test_a_page_of_a_cluster_has_no_origin(content_type: str, sandboxed: bool) -> None:
    """A page that is served from the gateway's host name must not act as the gateway's user (threats D7)."""
    headers = (("content-type", content_type), ("content-security-policy", "default-src *"))
    shown = shown_headers(headers, "A", "S", "", 200, proxied=False)
    assert (("content-security-policy", "sandbox") in shown) is sandboxed


TYPES = ["text/html", "application/json", "text/plain", "application/javascript", "text/x-unheard-of", ""]


@pytest.mark.parametrize("content_type", TYPES)
def test_an_answer_behind_a_proxy_has_no_origin_whatever_its_type(content_type: str) -> None:
    """A pod may name any type for its page, and a browser may guess another (threats D7)."""
    options = (("x-content-type-options", "none"), ("content-security-policy", "default-src *"))
    headers = (("content-type", content_type), *options) if content_type else options
    shown = shown_headers(headers, "A", "S", "", 200, proxied=True)
    assert ("content-security-policy", "sandbox") in shown
    assert [value for name, value in shown if name == "x-content-type-options"] == ["nosniff"]
