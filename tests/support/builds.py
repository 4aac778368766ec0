"""Which of both builds the tests run on: the plain one, or that of `deploy/compiled.py`."""

from __future__ import annotations

from pathlib import Path

from l7gw.wire import http1


def is_compiled() -> bool:
    """Whether the modules that carry calls are compiled here."""
    return Path(http1.__file__).suffix == ".so"
