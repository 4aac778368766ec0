"""Which hosts are this machine itself: no proxy is asked about them, and what goes there leaves no network."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets, is this machine by its loopback address or by the name of that."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def leads_to_loopback(url: str) -> bool:
    """Whether a URL leads to this machine itself; one without a host does not. Raises ValueError where it is malformed."""
    return is_loopback(urlsplit(url).hostname or "")
