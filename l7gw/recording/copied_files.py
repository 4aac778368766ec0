"""What `kubectl cp` copied: its tar streams as lists of files, in place of the bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import structs

from l7gw.quantities import many
from l7gw.recording import events as e
from l7gw.recording.shown_lines import Line, Written
from l7gw.recording.tar_listing import BLOCK, Entry, TarListing, is_header

_TAR = re.compile(r"(?:^|[/\s;|&(])tar(?:\s|$)")
WAYS = {"stdin": "to the pod", "stdout": "from the pod"}


def runs_tar(argv: tuple[str, ...] | None) -> bool:
    """Whether a command is tar, or a shell that runs it, as `kubectl cp --retries` has it."""
    return any(_TAR.search(word) for word in argv or ())


class _Stream:
    """A channel that may be a tar stream: its first block decides."""

    def __init__(self, channel: str) -> None:
        self._way = WAYS[channel]
        self._head = b""
        self._listing: TarListing | None = None
        self._other = False
        self._told = False
        self.rest = 0  # bytes that are no part of an archive
        self.time = 0

    @property
    def size(self) -> int:
        """Bytes of the files that were listed."""
        return self._listing.size if self._listing is not None else 0

    def take(self, frame: e.Frame) -> tuple[list[Line], bytes]:
        """What is to be said about the bytes, and those that are no part of an archive."""
        self.time = frame.time
        if self._other:
            return [], frame.data
        data = frame.data
        if self._listing is None:
            self._head += data
            if len(self._head) < BLOCK:
                return [], b""
            data, self._head = self._head, b""
            self._other = not (is_header(data[:BLOCK]) or data[:BLOCK] == bytes(BLOCK))
            if self._other:
                return [], data
            self._listing = TarListing()
        entries, rest = self._listing.feed(data)
        lines = [self._line(_said(entry)) for entry in entries]
        if self._listing.fault:
            lines += self._end(self._listing.fault)
        self.rest += len(rest)
        return lines, rest

    def finish(self) -> tuple[list[Line], bytes]:
        if self._listing is None:
            return [], self._head
        fault, rest = self._listing.finish()
        self.rest += len(rest)
        return self._end(fault), rest

    def _end(self, fault: str) -> list[Line]:
        listing = self._listing
        if self._told or listing is None:
            return []
        self._told = True
        whole = f"the archive is torn after {many(listing.offset, 'byte')}: {fault}" if fault else "the archive is whole"
        return [self._line(f"{many(listing.files, 'file')}, {many(listing.size, 'byte')}; {whole}")]

    def _line(self, words: str) -> Line:
        return Line(self.time, f"{self._way}: {words}", ours=True)


def _said(entry: Entry) -> str:
    what = many(entry.size, "byte") if entry.kind == "file" else entry.kind
    return f"{what}  {entry.name}" + (f" -> {entry.target}" if entry.target else "")


class CopiedFiles:
    """The lines of an exec that ran tar: the files that went either way, and what else was written."""

    def __init__(self) -> None:
        self.content = 0  # bytes in files, which are not shown
        self.unshown = 0  # bytes to the pod that are no part of an archive, and not shown

    def lines(self, frames: Iterable[e.Frame]) -> Iterator[Line]:
        streams = {channel: _Stream(channel) for channel in WAYS}
        written = Written()
        for frame in frames:
            stream = streams.get(frame.channel)
            if stream is None:
                yield from written.take(frame)
                continue
            lines, rest = stream.take(frame)
            yield from lines
            yield from written.take(structs.replace(frame, data=rest))
        for channel, stream in streams.items():
            lines, rest = stream.finish()
            yield from lines
            yield from written.take(e.Frame(stream.time, 0, channel, up=False, stream=0, data=rest))
        yield from written.finish()
        self.content = sum(stream.size for stream in streams.values())
        self.unshown = streams["stdin"].rest
