"""Replays execs through a terminal of our own (`recording.terminal`). The auditor's terminal gets cells and colours, never the
bytes of the recording: these may hold escape sequences that attack it (threats H7). What a replay leaves out is counted and
told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from l7gw.clock import local_time
from l7gw.quantities import many
from l7gw.recording import events as e
from l7gw.recording.copied_files import CopiedFiles, runs_tar
from l7gw.recording.drawing import rows_in_colour
from l7gw.recording.execs import Exec
from l7gw.recording.shown_lines import Line, Player, TerminalLines, Written
from l7gw.recording.terminal.unseen import safe

OURS = "=="  # how a line begins that is said about a recording


@dataclass
class LeftOut:
    """Counts what the recording has and a replay did not show."""

    lines: int = 0  # lines of text that left the screen before it was drawn, or had no room on it
    strings: int = 0  # control strings: window titles, clipboards, pictures
    characters: int = 0  # in these control strings
    messages: int = 0  # messages without bytes, where the whole exec was recorded without bytes (`record: metadata`)
    copied: int = 0  # bytes in files of a tar stream
    unshown: int = 0  # bytes that were sent to tar and are no archive
    parts: int = 0  # lines that were printed in several, because they are longer than LONGEST_LINE

    def add_strings(self, player: Player) -> None:
        """Add what the emulator skipped."""
        self.strings += player.emulator.strings
        self.characters += player.emulator.characters_in_strings

    def sentence(self) -> str:
        """The counts in words; "" where all are 0."""
        parts = []
        if self.lines:
            parts.append(f"{many(self.lines, 'line')} of text that passed before the screen was drawn or had no room on it")
        if self.strings:
            parts.append(
                f"{many(self.strings, 'control string')} that are no text, such as window titles and pictures"
                f" ({self.characters:,} characters)"
            )
        if self.messages:
            parts.append(f"the bytes of {self.messages:,} messages, which were not recorded (`record: metadata`)")
        if self.copied:
            parts.append(f"the content of files that were copied ({self.copied:,} bytes)")
        if self.unshown:
            parts.append(f"{self.unshown:,} bytes that were sent to tar and are no archive")
        return " and ".join(parts)


def title(one: Exec, user: str, cluster: str, outcome: str) -> str:
    """Time, who and where, how it ended, and the call as it was made, with its argv last: `call 7, 2026-01-01 10:00:00, ann on
    prod, exit 0: exec -n dev web-0 -c app -- ls -l`. The text is as it was recorded."""
    when = local_time(one.started)
    words = ["attach" if one.argv is None else "exec", *(("-n", one.namespace) if one.namespace else ()), one.name]
    words += ("-c", one.container) if one.container else ()
    if one.argv is not None:
        words += "--", shlex.join(one.argv)
    ended = outcome if one.exit_status is None else f"exit {one.exit_status}"
    return f"call {one.exchange}, {when}, {user} on {cluster}, {ended}: {' '.join(words)}"


class FramesOf:
    """All frames of an exec, anew at each iteration. Where none has bytes, their number is told to `left_out`. A single frame
    without bytes does not count: kube-apiserver begins with an empty message over WebSocket."""

    def __init__(self, one: Exec, left_out: LeftOut) -> None:
        self._one, self._left_out = one, left_out

    def __iter__(self) -> Iterator[e.Frame]:
        messages, recorded = 0, False
        for frame in self._one.frames:
            recorded = recorded or bool(frame.data)
            messages += not frame.final
            yield frame
        if not recorded and messages > 1:
            self._left_out.messages = messages


def final_screen(one: Exec, left_out: LeftOut, *, colour: bool = False) -> list[str]:
    """The rows that stood on the terminal at the end. `left_out` counts the lines that had left it."""

    def count(text: str, *, goes_on: bool, replaced: bool, time: int) -> None:
        left_out.lines += not goes_on

    player = Player(one.size, count, tty=one.tty)
    for frame in FramesOf(one, left_out):
        player.take(frame)
    player.finish()
    left_out.add_strings(player)
    player.screen.seen()
    player.screen.tell_all()
    return rows_in_colour(player.screen, None) if colour else player.screen.lines()


def text(one: Exec, left_out: LeftOut) -> Iterator[str]:
    """All text that was shown, as lines that can be printed, with what was overwritten, erased or scrolled away. Of an exec without
    a terminal, the lines are those that the command wrote; where it ran tar, they name the files."""
    for line in shown(one, left_out):
        left_out.parts += line.goes_on
        yield printed(line).rstrip() if one.tty else printed(line)


def printed(line: Line) -> str:
    """A line that can be printed. What is ours begins with OURS, and nothing that was recorded does."""
    written = safe(line.text)
    if line.ours:
        return f"{OURS} {written}"
    return f"\\u{ord(OURS[0]):04x}{written[1:]}" if written.startswith(OURS) else written


def shown(one: Exec, left_out: LeftOut) -> Iterator[Line]:
    """The same lines with their times, as they were recorded."""
    frames = FramesOf(one, left_out)
    if one.tty:
        lines = TerminalLines(one.size)
        for frame in frames:
            yield from lines.take(frame)
        yield from lines.finish()
        left_out.add_strings(lines.player)
    elif runs_tar(one.argv):
        copied = CopiedFiles()
        yield from copied.lines(frames)
        left_out.copied += copied.content
        left_out.unshown += copied.unshown
    else:
        written = Written()
        for frame in frames:
            yield from written.take(frame)
        yield from written.finish()
