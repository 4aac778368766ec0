"""The `Upgrade` tokens that a request may have. `kube/requestinfo.py` says on which paths they may be used."""

from __future__ import annotations

# a token in lower case: its spelling for the cluster, and the methods that may have it (threats A13)
UPGRADES = {"websocket": ("websocket", ("GET",)), "spdy/3.1": ("SPDY/3.1", ("GET", "POST"))}
