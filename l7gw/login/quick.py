"""The answer to kubectl where a good token is kept: what most calls of the plugin are, and all that they load.

`tests/login/test_quick.py` holds which modules are imported on this path.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence

from l7gw.login import exec_credential, wanted
from l7gw.login.cache import Cache
from l7gw.login.failure import LoginFailed


def answer(arguments: Sequence[str]) -> str | None:
    """The ExecCredential for `l7gw login` with these arguments; None where more is to be done, or to be said."""
    asks = wanted.read(arguments)
    told = os.environ.get(exec_credential.VARIABLE)
    if asks is None or not told:
        return None
    with contextlib.suppress(LoginFailed, ValueError, OSError):
        asked = exec_credential.read(told)
        asks.gateway = asks.gateway or wanted.gateway_of(asked.server)
        cache = Cache(make=False)
        try:
            kept = cache.read(asks)
        finally:
            cache.close()
        good = kept.good_for(asks, time.time()) if kept is not None else None
        if good is not None:
            return exec_credential.written(asked.api_version, *good)
    return None
