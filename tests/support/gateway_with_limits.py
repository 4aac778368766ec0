"""A program that runs `l7gw serve` with other times and limits than the product's. `Gateway` starts it for tests that give some.

Its arguments are the path of l7gw.yaml, and a JSON object with the fields of `Timeouts` and of `Limits`. The product itself offers
no such way.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from l7gw.limits import Limits
from l7gw.supervisor.logs import to_stderr
from l7gw.supervisor.serve import serve
from l7gw.timeouts import Timeouts


def with_limits(config: Path, timeouts: Timeouts, limits: Limits) -> list[str | Path]:
    """The command that starts this program."""
    given = {"timeouts": dataclasses.asdict(timeouts), "limits": dataclasses.asdict(limits)}
    return [sys.executable, __file__, config, json.dumps(given)]


if __name__ == "__main__":
    gateway_log = to_stderr(verbose=False)
    given = json.loads(sys.argv[2])
    try:
        serve(
            Path(sys.argv[1]),
            lambda line: print(f"l7gw: {line}", flush=True),
            gateway_log,
            Timeouts(**given["timeouts"]),
            Limits(**given["limits"]),
        )
    finally:
        gateway_log.close()
