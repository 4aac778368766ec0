"""Random numbers and times that are the same in every run: what `os.urandom` gives, and the milliseconds in ids.

Each thread draws from a source of its own, because threads of the gateway (the journal's, the store's) run beside the loop."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from unittest import mock

from l7gw import identifiers
from tests.support.twins.turned_clock import TurnedClock


@contextlib.contextmanager
def drawn(seed: int, clock: TurnedClock) -> Iterator[None]:
    """Until the block ends, everything that this process draws follows from `seed` and `clock`."""
    sources: dict[str, random.Random] = {}
    here = threading.get_ident()

    def urandom(size: int) -> bytes:
        name = "" if threading.get_ident() == here else threading.current_thread().name
        source = sources.get(name)
        if source is None:
            source = sources[name] = random.Random(f"{seed} {name}")
        return source.randbytes(size)

    with mock.patch.object(os, "urandom", urandom), mock.patch.object(time, "time_ns", lambda: int(clock.wall() * 1e9)):
        identifiers._random.seed(seed)  # else it is seeded once, when the module is loaded
        yield
