"""The masks of byte streams: of each channel of an exec, attach or port-forward, and of a container's log.

A StreamMask has two outputs. The client's is held back only where a value has begun that the next bytes could complete, and for
CLIENT_WAITS at most, so that neither a prompt nor an echo is late. The record's waits RECORD_WAITS: where the client has already
seen the beginning of a value, the record has it masked as a whole. Bytes are looked through as they came, and as a terminal shows
them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from l7gw.masking.bodies.stream_cuts import Cut, apart, before_all, moved, placed
from l7gw.masking.detectors.scanner import KEPT, Scanner
from l7gw.masking.find import Find
from l7gw.masking.placeholder import BEGINNING, FILLER, Tagger, of_length
from l7gw.masking.registry.registered_values import Recognised
from l7gw.masking.registry.registry import Registry
from l7gw.masking.registry.text_views import View, shown
from l7gw.masking.users_hooks import Watch
from l7gw.obligations import Obligations

CLIENT_WAITS = 0.025  # seconds that a byte is held back from the client; a person notices an echo from about 50 ms on
RECORD_WAITS = 1.0  # seconds that a byte is held back from the record, which is on the disk a second later anyhow
MOST_HELD = 64 * 1024  # bytes that are held back; the longest registered value takes 6 KiB in its longest form
AT_ONCE = 0.001  # seconds within which bytes count as having come together, so that a second of single bytes takes little memory
LONGEST_WORD = 256  # bytes that are held back for hooks because a word may go on; the longest that a hook can count on
MOST_GUESSES = 20  # different registered values in one stream, beyond which somebody guesses or copies

_ESCAPE = b"\x1b"  # begins what a terminal does not show
_LAST_WORD = re.compile(rb"(?<=[\x00-\x20])[^\x00-\x20]+\Z|\A[^\x00-\x20]+\Z")


class StreamRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is masked in the streams of one call."""

    tagger: Tagger
    scanner: Scanner
    registry: Registry | None
    obligations: Obligations
    sender: str  # the principal, whose own values do not mask what he sends
    tty: bool  # with a terminal a placeholder has its own length, else that of the value


class StreamMask:
    """Masks one direction of one channel. `name` stands in the finds' `where`. `sent`: the client sends the bytes. They go up as
    they were typed, and only the record is masked."""

    __slots__ = (
        "finds", "name", "values", "_rules", "_sent", "_text", "_recorded", "_shown", "_covered", "_offset",
        "_base", "_came", "_client_waits", "_done", "_hidden", "_places", "_record_waits", "_watch",
    )  # fmt: skip

    def __init__(self, rules: StreamRules, name: str, *, sent: bool = False, watch: Watch | None = None) -> None:
        self.finds: list[Find] = []  # since the caller last took them
        self.values: set[int] = set()  # the numbers of the registered values that were found
        self._rules = rules
        self.name = name
        self._sent = sent
        self._text = b""  # KEPT bytes that were recorded, and what was not recorded yet
        self._recorded = 0  # where in `_text` that begins
        self._done = 0  # where in `_text` begins what values may begin in that were not found yet; never behind `_recorded`
        self._shown = 0  # where in `_text` begins what the client was not sent yet; never before `_recorded`
        # Where in `_text` the value begins whose placeholder the client was sent last; -1: other bytes were last
        self._covered = -1
        self._hidden: list[tuple[int, int]] = []  # the places in `_text` for which the client was sent a mask, in order
        self._offset = 0  # bytes that were recorded
        self._base = 0  # where in the stream `_text` begins
        self._came: deque[tuple[int, float]] = deque()  # of held bytes: where in the stream they end, and when they came
        self._client_waits = 0.0  # since when the client waits for a byte, in monotonic seconds; 0 where it does not
        self._record_waits = 0.0  # since when the record does
        self._watch = watch  # the users' hooks at this channel
        self._places: list[Cut] = []  # what they mask in `_text`

    # ------------------------------------------------------------------ what goes in and out

    def feed(self, data: bytes, now: float) -> tuple[bytes, bytes]:
        """Take the next bytes at `now` (monotonic seconds). Gives what the client and what the record gets of them and of those
        that were held."""
        before = len(self._text)
        text = self._text + data if before else data
        watch = self._watch
        if watch is not None:
            self._places += [self._hooked(text, before + at, before + end, by) for at, end, by in watch.raw(data)]
        opened, cuts = self._look(text)
        if watch is None and not cuts and opened >= len(text) and before == self._recorded == self._shown:
            self._pass(text, len(data))
            return data, data
        size = len(text)
        end = opened if size - self._recorded <= MOST_HELD else size
        if watch is not None:
            cuts = self._asked(text, cuts, end)
            if watch.ended:
                return self._stop(text, cuts, opened, now)
        came = self._came
        if came and now - came[-1][1] < AT_ONCE:
            came[-1] = self._base + size, came[-1][1]
        else:
            came.append((self._base + size, now))
        out = self._settle(text, cuts, end, opened)
        self._wait()
        return (data, out[1]) if self._sent else out

    def glance(self, parts: Sequence[bytes | memoryview], *, whole: bool = False) -> memoryview | None:
        """As `feed` of these bytes together, where one search tells that nothing is masked in them or held. Gives a view of
        them, which goes to both, and copies them once; None where more has to be looked at, and nothing is taken then.
        `whole`: the search may be long, as that for registered values; else None where it would be."""
        before, rules = len(self._text), self._rules
        if self._watch is not None or not before == self._recorded == self._shown:
            return None
        if not whole and rules.registry is not None and rules.tagger.namespace in rules.registry.namespaces(rules.tagger.cluster):
            return None
        text = b"".join((self._text, *parts))
        if whole:
            clear = self._look(text) == (len(text), [])
        else:
            clear = _ESCAPE not in text and rules.scanner.look(text) == (len(text), False)
        if not clear:
            return None
        self._pass(text, len(text) - before)
        return memoryview(text)[before:]

    def _pass(self, text: bytes, size: int) -> None:
        """The last `size` bytes of a text go on as they came."""
        self._offset += size
        self._text = text[-KEPT:]
        self._base += len(text) - len(self._text)
        self._done = self._recorded = self._shown = len(self._text)
        self._covered = -1
        self._hidden = []

    def flush(self, now: float) -> tuple[bytes, bytes]:
        """Give the bytes that have been held for too long at `now`. Those that came later wait on."""
        text = self._text
        opened, cuts = self._look(text)
        show = self._shown if self._sent else self._due_to(now, CLIENT_WAITS, self._shown, cuts)
        record = self._due_to(now, RECORD_WAITS, self._recorded, cuts)
        if self._watch is not None:
            cuts = self._asked(text, cuts, record if self._sent else show)
            if self._watch.ended:
                return self._stop(text, cuts, opened, now)
        shown, recorded = self._show(text, cuts, show), b""
        self._shown = max(self._shown, show)
        if record > self._recorded:
            more, recorded = self._settle(text, cuts, record, opened)
            shown += more
        self._wait()
        return (b"" if self._sent else shown), recorded

    def _due_to(self, now: float, waits: float, begin: int, cuts: list[Cut]) -> int:
        """Up to where in `_text` the bytes from `begin` have waited so long, and the values that stand there whole."""
        to = next((end for end, when in reversed(self._came) if when + waits <= now), 0) - self._base
        return max([begin, to, *(cut.end for cut in cuts if cut.start < to < cut.end)])

    def _wait(self) -> None:
        """Note since when the client and the record wait for a byte."""
        came, size = self._came, len(self._text)
        while came and came[0][0] <= self._base + self._recorded:
            came.popleft()
        self._record_waits = came[0][1] if self._recorded < size else 0.0
        shown = self._base + self._shown
        self._client_waits = next(when for end, when in came if end > shown) if self._shown < size else 0.0

    def end(self) -> tuple[bytes, bytes]:
        """The stream has ended: give what is held. The cut beginning of a registered value is masked (threats E12)."""
        text = self._text
        if self._recorded == len(text):
            return b"", b""
        opened, cuts = self._look(text, ended=True)
        if self._watch is not None and not self._watch.ended:
            cuts = self._asked(text, cuts, len(text))
        out = self._settle(text, cuts, len(text), opened)
        self._wait()
        return (b"", out[1]) if self._sent or self.ended else out

    @property
    def ended(self) -> str:
        """Why a hook ends the stream; "" where none does. What is given from then on is for the record alone."""
        return self._watch.ended if self._watch is not None else ""

    def _stop(self, text: bytes, cuts: list[Cut], opened: int, now: float) -> tuple[bytes, bytes]:
        """A hook ended the stream: give for the record what the client has. `end` gives the rest."""
        recorded = self._settle(text, cuts, self._recorded if self._sent else self._shown, opened)[1]
        self._client_waits, self._record_waits = 0.0, now
        return b"", recorded

    @property
    def due(self) -> float:
        """When `flush` has something to give, in monotonic seconds; 0 where nothing is held."""
        if self._client_waits and not self._sent:
            return self._client_waits + CLIENT_WAITS
        return self._record_waits + RECORD_WAITS if self._record_waits else 0.0

    # ------------------------------------------------------------------ what is found

    def _look(self, text: bytes, *, ended: bool = False) -> tuple[int, list[Cut]]:
        """Where a value begins that more bytes could complete, and what is masked of what was not recorded yet, in order and
        disjoint."""
        opened, cuts, other = self._look_at(text, None, ended=ended)
        view = shown(text)
        if view is not None:
            seen, more, more_other = self._look_at(bytes(view.text), view, ended=ended)
            if seen < len(view.text):
                opened = min(opened, view.start_of(seen))
            cuts += more
            other += more_other
        cuts += self._places
        if self._watch is not None and self._watch.sees_masked and not ended:
            opened = min(opened, _word(text))  # so that neither reads nor our own masks part a word before a hook sees it
        if cuts and self._recorded:
            cuts = [cut for cut in cuts if cut.end > self._recorded]
        if opened < len(text) and (cuts or other):
            opened = before_all(opened, [*other, *((cut.start, cut.end) for cut in cuts)])
        return opened, apart(cuts)

    def _look_at(self, text: bytes, view: View | None, *, ended: bool) -> tuple[int, list[Cut], list[tuple[int, int]]]:
        """What the bytes, or a view of them, hold, and the places of what only looks like a value. The offset is one in the view,
        the others are in the bytes."""
        rules = self._rules
        scanner = rules.scanner
        cuts: list[Cut] = []
        other: list[tuple[int, int]] = []
        opened, may_hold = scanner.look(text)
        if may_hold:
            done = self._done if view is None else view.place_of(self._done)
            spans, other = scanner.scan_from(text, done, sent=self._sent, cut=self._base > 0)
            for span in spans:
                tag = rules.tagger.tag(text[span.start : span.end])
                cuts.append(placed(view, span.start, span.end, span.detector, tag, others=span.others))
            if view is not None:
                other = [(view.start_of(start), view.end_of(end)) for start, end in other]
        if rules.registry is not None:
            tagger = rules.tagger
            look = rules.registry.look(text, tagger.cluster, tagger.namespace, sender=rules.sender if self._sent else "")
            opened = min(opened, look.open)
            found: Iterable[Recognised] = look.found
            if ended and look.tail is not None:
                found = [*found, look.tail]
            for one in found:
                cuts.append(placed(view, one.start, one.end, one.detector, one.tag, one.value))
        return opened, cuts, other

    def _asked(self, text: bytes, cuts: list[Cut], end: int) -> list[Cut]:
        """The cuts, with those of hooks that see the masked bytes. They are shown what goes on up to `end`: to the client or, of
        what the client sends, to the record."""
        watch, at = self._watch, self._recorded if self._sent else self._shown
        if watch is None or watch.ended or end <= at or not watch.sees_masked:
            return cuts
        parts: list[bytes] = []
        runs: list[tuple[int, int, int, bool]] = []  # where it begins in what the hooks see; its place in `text`; whether masked
        size = 0
        for cut in (*cuts, None):
            start, stop = (end, end) if cut is None else (min(max(cut.start, at), end), min(cut.end, end))
            if start > at:
                runs.append((size, at, start, False))
                parts.append(text[at:start])
                size += start - at
            if cut is not None and stop > start:
                runs.append((size, start, stop, True))
                parts.append(self._mask(cut, stop - start))
                size += len(parts[-1])
            at = max(at, stop)
        begins = [run[0] for run in runs]
        found: list[Cut] = []
        for first, last, detector in watch.masked(b"".join(parts)):
            where, start, stop, masked = runs[bisect_right(begins, first) - 1]
            begin = start if masked else start + first - where
            where, start, stop, masked = runs[bisect_right(begins, last - 1) - 1]
            found.append(self._hooked(text, begin, stop if masked else start + last - where, detector))
        self._places += found
        return apart([*cuts, *found])

    def _hooked(self, text: bytes, start: int, end: int, detector: str) -> Cut:
        """What a hook masks."""
        return Cut(start, end, detector, self._rules.tagger.tag(text[start:end]))

    # ------------------------------------------------------------------ what is given

    def _settle(self, text: bytes, cuts: list[Cut], end: int, opened: int) -> tuple[bytes, bytes]:
        """Give the bytes before `end`, masked. What follows `opened` is kept, if only as context."""
        end = max(end, self._recorded)
        before = 0 if self._sent else self._shown  # what stands before it has been sent to the client
        shown = self._show(text, cuts, max(end, self._shown))
        parts: list[bytes] = []
        at = self._recorded
        for cut in cuts:
            if cut.start >= end or at >= end:  # the rest of a cut whose beginning was recorded too early waits
                break
            start = max(cut.start, at)
            between = text[at:start]
            mask = self._mask(cut, cut.end - start)
            shown_too = not self._rules.obligations.hidden(cut.names)
            late = cut.start < before and not self._is_hidden(cut.start) and not shown_too
            self._tell(cut, cut.end - start, self._offset + len(between), late=late)
            self._offset += len(between) + len(mask)
            parts += between, mask
            at = cut.end
        rest = text[at:end]
        self._offset += len(rest)
        parts.append(rest)
        self._shown = max(end, self._shown)
        self._done = max(self._done, before_all(min(opened, end), [(cut.start, cut.end) for cut in cuts]))
        cut_off = max(0, min(end, max(self._done, end - MOST_HELD)) - KEPT)
        self._text = text[cut_off:]
        self._base += cut_off
        self._recorded = end - cut_off
        self._done = max(0, self._done - cut_off)
        self._shown -= cut_off
        self._covered = max(-1, self._covered - cut_off)
        if self._hidden:
            self._hidden = [(start - cut_off, end - cut_off) for start, end in self._hidden if end > cut_off]
        if self._places:
            self._places = [moved(place, cut_off) for place in self._places if place.end > end]
        return shown, b"".join(parts)

    def _show(self, text: bytes, cuts: list[Cut], end: int) -> bytes:
        """What the client gets of the bytes from `_shown` to `end`."""
        at = self._shown
        if at >= end:
            return b""
        parts: list[bytes] = []
        for cut in cuts:
            if cut.end <= at or cut.start >= end or not self._rules.obligations.hidden(cut.names):
                continue
            start = max(cut.start, at)
            parts.append(text[at:start])
            size = min(cut.end, end) - start
            if start > cut.start == self._covered:  # the rest of a value whose beginning has its placeholder
                parts.append(b"" if self._rules.tty else FILLER.encode() * size)
            else:
                parts.append(self._mask(cut, size))
            at = min(cut.end, end)
            self._hidden.append((start, at))
            self._covered = cut.start
        if at < end:
            parts.append(text[at:end])
            self._covered = -1
        return b"".join(parts)

    def _is_hidden(self, place: int) -> bool:
        """Whether the client was sent a mask for this byte of `_text`."""
        found = bisect_right(self._hidden, place, key=lambda hidden: hidden[0]) - 1
        return found >= 0 and place < self._hidden[found][1]

    def _mask(self, cut: Cut, size: int) -> bytes:
        placeholder = f"{BEGINNING}{cut.detector}-{cut.tag}"
        return placeholder.encode() if self._rules.tty else of_length(placeholder, size)

    def _tell(self, cut: Cut, size: int, offset: int, *, late: bool) -> None:
        whole = self._rules.tty or len(BEGINNING) + len(cut.detector) + 1 + len(cut.tag) <= size
        where = f"{self.name}:{offset}"
        tag = cut.tag if whole else ""
        self.finds.append(Find(detector=cut.detector, where=where, length=size, tag=tag, late=late, others=cut.others))
        if cut.value:
            self.values.add(cut.value)


def _word(text: bytes) -> int:
    """Where the last word of a text begins, as it may go on; the length of the text where there is none."""
    found = _LAST_WORD.search(text, max(0, len(text) - LONGEST_WORD))
    return found.start() if found is not None else len(text)
