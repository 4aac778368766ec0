"""What a test measured, beside what is promised: printed, and kept for docs/conformance.md where a run asks for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

KEPT = "L7GW_FIGURES"  # the file that a run wants them in, a JSON object a line


def figure(threat: str, what: str, promised: str, measured: str) -> None:
    """`threat` is its code in docs/threats.md."""
    print(f"{threat}, {what}: {measured} (promised: {promised})")
    if kept := os.environ.get(KEPT):
        with Path(kept).open("a") as file:
            print(json.dumps({"threat": threat, "what": what, "promised": promised, "measured": measured}), file=file)
