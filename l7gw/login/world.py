"""What a login needs of the machine and the person: clocks, words, a browser."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from l7gw.clock import Clock

DEFERRED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class World:
    """`say` tells the person something. `browse` opens an address and says whether there is a browser. Times are in seconds."""

    clock: Clock
    say: Callable[[str], None]
    browse: Callable[[str], bool]
    sleep: Callable[[float], Awaitable[None]]
    login_within: float = 300.0  # for a person at the browser: a password, a second factor, a consent
    renewal_within: float = 90.0  # for the renewal of another process: three answers of an issuer, each 20 s at most


def browse(url: str) -> bool:
    """Open an address in the person's browser, and say whether there is one. A browser of the terminal is none: it would take it
    from kubectl."""
    graphical = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not graphical:
        return False
    # A process of its own, since some browsers hold who starts them; without our stdout, which is kubectl's.
    nothing = subprocess.DEVNULL
    command = [sys.executable, "-I", "-m", "webbrowser", url]
    subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    return True


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A block that no signal to end cuts: the issuer takes a refresh token once, and the answer has the next one. The signal counts
    once the block has ended. Ctrl-C at kubectl reaches its plugin too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def later(number: int, _: FrameType | None) -> None:
        came.append(number)

    former = {number: signal.signal(number, later) for number in DEFERRED}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        for one in dict.fromkeys(came):
            signal.raise_signal(one)
