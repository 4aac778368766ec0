"""One user's hook in force: called, timed, and counted as failing where it raises, gives what it must not, or takes too long.

A hook runs in the event loop, and all calls wait for it. So a hook that is slow again and again is called no more for a while: it
counts as failing, and nothing passes that it was to look at.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

from l7gw import name_rules
from l7gw.config.settings import HookPart
from l7gw.hooking.plain_values import steps
from l7gw.hooks import Act, End, Mask, Stream, Tripwire, View
from l7gw.log import CountedLog

SLOW = 0.005  # seconds for one call, beyond which the log says so; our own masking of an object takes less than one
TOO_SLOW = 0.1  # seconds for one call, for which every other call waits
MOST_TOO_SLOW = 5  # calls beyond TOO_SLOW within WINDOW, from which on the hook counts as failing
WINDOW = 60.0  # seconds
MOST_GIVEN = 10_000  # masks of one object or of the bytes of one frame
LONGEST_WORDS = 300  # characters of a reason: a refused upgrade has 900 bytes for all of its words

T = TypeVar("T")


class HookFailed(Exception):
    """A hook failed at one call. The words name the hook and quote nothing that it saw."""


class Hooked:
    """A hook, as the gateway calls it. Every method but `of_log` raises HookFailed."""

    __slots__ = ("_folder", "_instance", "_log", "_now", "_too_slow", "name", "parts", "raw")

    def __init__(
        self,
        name: str,
        instance: Any,
        parts: Sequence[HookPart],
        *,
        folder: Path,
        raw: bool,
        log: CountedLog | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`instance` has the methods for `parts`. `now` is a monotonic clock in seconds."""
        self.name = name
        self.parts = frozenset(parts)
        self.raw = raw
        self._instance = instance
        self._folder = folder
        self._now = now
        self._log = log or CountedLog(logging.getLogger(__name__), now)
        self._too_slow: deque[float] = deque(maxlen=MOST_TOO_SLOW)  # when the last calls beyond TOO_SLOW ended

    @property
    def detector(self) -> str:
        """The name of its finds."""
        return f"hook-{self.name}"

    def denial(self, act: Act) -> str | None:
        """The reason for which the hook denies a call; None where it does not."""
        given = self._called("act", self._instance.act, act, _as_it_is)
        if given is None:
            return None
        if not isinstance(given, str):
            raise self._wrong("act", "a text or None", given)
        return _one_line(given) or "it gives no reason"

    def masks(self, view: View) -> list[str]:
        """The paths of the values of an object that are to be masked."""
        given = self._called("object", self._instance.object, view, _listed)
        for mask in given:
            if not isinstance(mask, Mask) or not isinstance(mask.path, str) or steps(mask.path) is None:
                raise self._wrong("object", 'Mask(PATH), a path such as data.key or metadata.labels."example.com/owner"', mask)
        return [mask.path for mask in given]

    def tripwire(self, stream: Stream) -> Tripwire | None:
        """What looks at the bytes of a channel, by way of `fed`; None where the hook does not want to."""
        given: Tripwire | None = self._called("frame", self._instance.frames, stream, _as_it_is)
        if given is not None and not callable(getattr(given, "feed", None)):
            raise self._wrong("frame", "an object with a method feed", given)
        return given

    def fed(self, tripwire: Tripwire, data: bytes) -> list[tuple[int, int]] | str:
        """Show a tripwire the next bytes of its channel. Gives the places to mask in them, sorted and joined where they overlap; or
        the words with which the stream is to end."""
        given = self._called("frame", tripwire.feed, data, _listed)
        places: list[tuple[int, int]] = []
        for one in given:
            if isinstance(one, End) and isinstance(one.words, str):
                return _one_line(one.words) or "it gives no reason"
            if not isinstance(one, Mask) or one.path or not _within(one, len(data)):
                raise self._wrong("frame", f"End(WORDS) or Mask(START, END) within {len(data)} bytes", one)
            places.append((one.start, one.end))
        return _joined(places) if len(places) > 1 else places

    def _called(self, part: HookPart, method: Callable[[Any], Any], argument: object, take: Callable[[Any], T]) -> T:
        """What a method of the hook gives. `take` gets that out of it, in the hook's own time."""
        began = self._now()
        if len(self._too_slow) == MOST_TOO_SLOW and began - self._too_slow[0] < WINDOW:
            raise self._failing()
        failed: HookFailed | None = None
        try:
            given = take(method(argument))
        except BaseException as error:  # also what asyncio means for its tasks: it would end the connection, or the gateway
            failed = self._raised(part, error)
        if failed is not None:  # raised out here, it holds no reference to the hook's exception, which holds what the hook saw
            raise failed
        ended = self._now()
        if ended - began > SLOW:
            self._was_slow(part, ended - began, ended)
        return given

    def _was_slow(self, part: HookPart, took: float, ended: float) -> None:
        self._log.warning(f"hook {self.name}", "took %.0f ms for one %s, and all calls waited", took * 1000, part)
        if took <= TOO_SLOW:
            return
        self._too_slow.append(ended)
        if len(self._too_slow) == MOST_TOO_SLOW and ended - self._too_slow[0] < WINDOW:
            raise self._failing()

    def _failing(self) -> HookFailed:
        milliseconds = TOO_SLOW * 1000
        self._log.error(
            f"hook {self.name}",
            "took more than %.0f ms %d times within %.0f s: until they are over, nothing passes that it is for",
            milliseconds,
            MOST_TOO_SLOW,
            WINDOW,
        )
        return HookFailed(f"the hook {self.name} is too slow, and nothing passes without it; tell whoever runs l7gw")

    def _raised(self, part: HookPart, error: BaseException) -> HookFailed:
        """Its words may hold what the hook saw. Of a hook that sees data before masking they are not logged."""
        words = "" if self.raw else f": {name_rules.quoted(words_of(error))}"
        frames = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(self._folder)]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown line"
        self._log.error(f"hook {self.name}", "failed at one %s: %s at %s%s", part, type(error).__name__, place, words)
        return self._failed()

    def _wrong(self, part: HookPart, wanted: str, given: object) -> HookFailed:
        self._log.error(f"hook {self.name}", "failed at one %s: it must give %s, not %s", part, wanted, type(given).__name__)
        return self._failed()

    def _failed(self) -> HookFailed:
        return HookFailed(f"the hook {self.name} failed, and nothing passes without it; tell whoever runs l7gw")

    def tick(self) -> None:
        """Once a second: write the counts of repeated lines."""
        self._log.tick()


def words_of(error: BaseException) -> str:
    """What an exception of a hook's code says; "" where it cannot say it."""
    try:
        return str(error)
    except Exception:  # its own __str__ failed
        return ""


def _as_it_is(given: Any) -> Any:
    return given


def _listed(given: Any) -> list[Any]:
    """What an iterable gives. Raises ValueError beyond MOST_GIVEN, TypeError where it is no iterable."""
    found = list(islice(given, MOST_GIVEN + 1))
    if len(found) > MOST_GIVEN:
        raise ValueError(f"more than {MOST_GIVEN} masks at once")
    return found


def _within(mask: Mask, size: int) -> bool:
    start, end = mask.start, mask.end
    return isinstance(start, int) and isinstance(end, int) and bool not in (type(start), type(end)) and 0 <= start < end <= size


def _joined(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same bytes as sorted places that neither overlap nor repeat."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _one_line(words: str) -> str:
    """A reason as one line of at most LONGEST_WORDS characters, without anything that a terminal would obey."""
    return name_rules.visible(" ".join(words[: LONGEST_WORDS * 2].split()))[:LONGEST_WORDS]
