"""What happens in sessions, in lines for people, as it is recorded.

A call that is over at once is one line, when it ends; a stream has one when it begins and one when it ends, and between them the
text of its output. Nothing of a recording reaches the terminal but text: of what a command writes, control sequences are left out,
and characters that would move or hide text are written as in JSON (threats H7).
"""

from __future__ import annotations

import codecs
import datetime

import msgspec

from l7gw.kube.in_kubectl import in_kubectl
from l7gw.recording import events as e
from l7gw.recording.past_calls import act_of
from l7gw.recording.terminal.parser import Params, Parser
from l7gw.recording.terminal.unseen import safe

QUIET = 1.0  # seconds without output, after which a line without an end is shown: a prompt, or what somebody types
LONGEST_LINE = 4096  # characters of a line; a longer one is shown in parts
STREAMS = ("exec", "attach", "portforward", "log")


class _Text:
    """The text of one channel, without the control sequences in it."""

    def __init__(self) -> None:
        self._parser = Parser(self)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line: list[str] = []
        self._length = 0
        self.lines: list[str] = []
        self.since = 0.0  # monotonic second of the last output

    def feed(self, data: bytes, now: float) -> None:
        self._parser.feed(self._decoder.decode(data))
        self.since = now

    def end_line(self) -> None:
        """What stands there becomes a line, where there is something."""
        if self._line:
            self.lines.append("".join(self._line))
            self._line, self._length = [], 0

    # -- what the parser calls

    def draw(self, text: str) -> None:
        for at in range(0, len(text), LONGEST_LINE):
            part = text[at : at + LONGEST_LINE]
            self._line.append(safe(part))
            self._length += len(part)
            if self._length >= LONGEST_LINE:
                self.end_line()

    def control(self, character: str) -> None:
        if character == "\n":
            self._line = self._line or [""]
            self.end_line()
        elif character == "\t":
            self.draw(" ")
        elif character != "\r":
            self.draw(character)

    def escape(self, body: str) -> bool:
        return True

    def csi(self, prefix: str, params: Params, final: str) -> None:
        pass

    def string(self, length: int) -> None:
        self.draw(f"({length} characters of a control string)")


class _Call(msgspec.Struct):
    """A call under way."""

    words: str
    is_stream: bool
    verdict: str = ""
    status: int = 0
    texts: dict[str, _Text] = {}


class Tail:
    """The lines of one session or, with `named`, of many, each line with the name of its session.

    `exchange` is the number of the only call that is shown; None for all. `over` says that it has ended, or the session.
    """

    def __init__(self, *, exchange: int | None = None, named: bool = False) -> None:
        self.over = False
        self._exchange = exchange
        self._named = named
        self._who: dict[bytes, tuple[str, str]] = {}  # (name of the session for its lines, cluster)
        self._calls: dict[tuple[bytes, int], _Call] = {}

    def know(self, session: bytes, started: e.SessionStarted) -> None:
        """Whose the session is."""
        name = f"{started.id[:13]} {started.user or 'attempts'} on {started.cluster}" if self._named else ""
        self._who[session] = safe(name), started.cluster

    def knows(self, session: bytes) -> bool:
        return session in self._who

    def take(self, session: bytes, events: list[e.AnyEvent], now: float) -> list[str]:
        """The lines that these events make. `now` is in seconds, by the monotonic clock."""
        lines: list[str] = []
        for event in events:
            if isinstance(event, e.SessionStarted):
                self.know(session, event)
            elif isinstance(event, e.SessionEnded):
                self._ended(session, event, lines)
            elif self._exchange is None or getattr(event, "exchange", None) == self._exchange:
                self._event(session, event, lines, now)
        return lines

    def quiet(self, now: float) -> list[str]:
        """Lines that have no end and got nothing more for a while."""
        lines: list[str] = []
        for (session, number), call in self._calls.items():
            for channel, text in call.texts.items():
                if now - text.since >= QUIET:
                    text.end_line()
                    self._show_text(session, number, channel, text, lines)
        return lines

    # ------------------------------------------------------------------ events

    def _event(self, session: bytes, event: e.AnyEvent, lines: list[str], now: float) -> None:
        if isinstance(event, e.RequestRecorded):
            act = act_of(event, self._who.get(session, ("", ""))[1])
            stream = event.verb == "watch" or (event.subresource in STREAMS and (event.subresource != "log" or act.follows))
            words = in_kubectl(event.method, act) if event.verb else event.target
            self._calls[session, event.exchange] = _Call(f"{event.method} {words}" if not event.verb else words, stream)
            return
        number = getattr(event, "exchange", 0)
        call = self._calls.get((session, number))
        if isinstance(event, e.HoldRecorded):
            why = f": {event.why}" if event.why else ""
            lines.append(self._line(session, event, f"hold {event.hold} is {event.state}{why}"))
        elif isinstance(event, e.ReviewRecorded):
            note = f": {event.note}" if event.note else ""
            lines.append(self._line(session, event, f"{event.verdict} of hold {event.hold} by {event.user}{note}"))
        elif isinstance(event, e.GrantRecorded):
            by = f" by {event.user}" if event.user else ""
            lines.append(self._line(session, event, f"grant {event.grant} of {event.group}: {event.did}{by}, {event.state}"))
        elif isinstance(event, e.KillRecorded):
            why = f": {event.reason}" if event.reason else ""
            lines.append(self._line(session, event, f"{event.user} ends it{why}"))
        elif call is None:
            return
        elif isinstance(event, e.VerdictRecorded):
            self._verdict(session, event, call, lines)
        elif isinstance(event, e.ResponseRecorded):
            call.status = event.status
        elif isinstance(event, e.Frame):
            if event.channel in ("stdout", "stderr"):
                text = call.texts.setdefault(event.channel, _Text())
                text.feed(event.data, now)
                self._show_text(session, number, event.channel, text, lines)
        elif isinstance(event, e.ExchangeEnded):
            self._end(session, event, call, lines)

    def _verdict(self, session: bytes, event: e.VerdictRecorded, call: _Call, lines: list[str]) -> None:
        if event.own:  # about what the gateway itself asks for the call
            return
        said = event.verdict + (f" ({event.rule})" if event.rule else "")
        first = not call.verdict
        call.verdict = said
        if call.is_stream:
            words = call.words if first else ""
            lines.append(self._line(session, event, f"{words}  {said}" if words else f"{said}: {event.reason}"))

    def _end(self, session: bytes, event: e.ExchangeEnded, call: _Call, lines: list[str]) -> None:
        for channel, text in call.texts.items():
            text.end_line()
            self._show_text(session, event.exchange, channel, text, lines)
        del self._calls[session, event.exchange]
        ended = " ".join(str(part) for part in (call.status or "", event.outcome) if part)
        why = f": {event.reason}" if event.reason else ""
        said = f"{ended}{why}" if call.is_stream else f"{call.words}  {call.verdict}  {ended}{why}"
        lines.append(self._line(session, event, said))
        self.over = self.over or event.exchange == self._exchange

    def _ended(self, session: bytes, event: e.SessionEnded, lines: list[str]) -> None:
        self.over = True
        if self._exchange is None:
            lines.append(f"{_time(event.time)}  {self._name(session)}the session has ended: {safe(event.reason)}")
        for key in [key for key in self._calls if key[0] == session]:
            del self._calls[key]
        self._who.pop(session, None)

    # ------------------------------------------------------------------ lines

    def _line(self, session: bytes, event: e.Event, words: str) -> str:
        number = getattr(event, "exchange", 0)
        return f"{_time(event.time)}  {self._name(session)}{f'#{number}  ' if number else ''}{safe(words)}"

    def _show_text(self, session: bytes, number: int, channel: str, text: _Text, lines: list[str]) -> None:
        mark = "|" if channel == "stdout" else "!"
        lines += (f"{self._name(session)}#{number} {mark} {line}" for line in text.lines)
        text.lines.clear()

    def _name(self, session: bytes) -> str:
        name = self._who.get(session, ("", ""))[0]
        return f"{name}  " if name else ""


def _time(microseconds: int) -> str:
    return datetime.datetime.fromtimestamp(microseconds / 1e6).strftime("%H:%M:%S")
