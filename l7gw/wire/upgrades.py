"""The `Upgrade` tokens that a request may carry. Where they may be used, `kube/requestinfo.py` says."""

from __future__ import annotations

# by the token in lower case: as it is written on, and the methods that it may come with (threats A13)
UPGRADES = {"websocket": ("websocket", ("GET",)), "spdy/3.1": ("SPDY/3.1", ("GET", "POST"))}
