"""Prints what a test measured beside what is promised. Where a run asks for it, the figures are kept for docs/conformance.md."""

from __future__ import annotations

import json
import os
from pathlib import Path

KEPT = "L7GW_FIGURES"  # environment variable: the file that gets the figures, one JSON object a line


def figure(threat: str, what: str, promised: str, measured: str) -> None:
    """Print and keep one figure. `threat` is a code of docs/threats.md."""
    print(f"{threat}, {what}: {measured} (promised: {promised})")
    if kept := os.environ.get(KEPT):
        with Path(kept).open("a") as file:
            print(json.dumps({"threat": threat, "what": what, "promised": promised, "measured": measured}), file=file)
