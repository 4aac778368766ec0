"""Heads of answers by their shape. A cluster's answers differ in the values of Audit-Id, Date and Content-Length, and hardly in
anything else. So a head that was parsed once is kept as a regular expression for those values, and a head that is the same around
them is not parsed again.

What is read here is what `http1_message.parse_response` reads from the same bytes, or nothing.
"""

from __future__ import annotations

import re
from typing import Any

from l7gw.wire.events import NO_BODY, Response

MOST_SHAPES = 16  # shapes of one cluster; before a head of none of them is parsed, each of them costs 0.1 us
LARGEST_SHAPE = 4096  # bytes of a head that is kept; kube-apiserver's have 300 to 500

# The values that may differ. kube-apiserver's Audit-Id is the one that the gateway has sent, a UUID.
_GRAMMAR = {
    "audit-id": rb"[A-Za-z0-9-]{1,64}",
    "date": rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
    rb" [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
    "content-length": rb"0|[1-9][0-9]{0,17}",
}


_DATE = re.compile(_GRAMMAR["date"])
_DATE_AT_A_GLANCE = rb"[A-Za-z0-9:, ]{29}"  # it changes once a second, and only then is looked at closely


class AnswerShape:
    """What heads have in common that differ in those values alone. In `meaning` whoever takes the answers keeps what it remembers
    of them; it goes with the shape."""

    __slots__ = (
        "meaning", "size",
        "_audit_at", "_audit_group", "_date", "_date_at", "_date_group", "_date_text", "_keep_alive", "_length", "_length_group",
        "_match", "_pairs", "_status",
    )  # fmt: skip

    def __init__(self, head: bytes, values: dict[str, tuple[int, int]], answer: Response) -> None:
        """`values` are the beginnings and ends of the values in `head` that may differ, by their names and in their order."""
        self.meaning: Any = None
        self.size = len(head)
        self._status, self._length, self._keep_alive = answer.status, answer.length, answer.keep_alive
        self._pairs = list(answer.headers)
        places = {name: at for at, (name, _) in enumerate(answer.headers)}
        groups = {name: group for group, name in enumerate(values)}
        self._audit_at, self._audit_group = places.get("audit-id", -1), groups.get("audit-id", -1)
        self._date_at, self._date_group = places["date"], groups["date"]
        self._length_group = groups.get("content-length", -1)
        self._date, self._date_text = b"", ""  # the last value of Date, which is in `_pairs`
        pattern, at = b"", 0
        for name, (start, stop) in values.items():
            pattern += re.escape(head[at:start]) + b"(" + (_GRAMMAR[name] if name != "date" else _DATE_AT_A_GLANCE) + b")"
            at = stop
        self._match = re.compile(pattern + re.escape(head[at:])).fullmatch

    def read(self, head: bytes) -> Response | None:
        """The answer in a head of this shape, None where it is of another one."""
        match = self._match(head)
        if match is None:
            return None
        values = match.groups()
        pairs = self._pairs
        date = values[self._date_group]
        if date != self._date:
            if _DATE.fullmatch(date) is None:
                return None
            self._date, self._date_text = date, date.decode()
            pairs[self._date_at] = "date", self._date_text
        if self._audit_group >= 0:
            pairs[self._audit_at] = "audit-id", values[self._audit_group].decode()
        length = int(values[self._length_group]) if self._length_group >= 0 else self._length
        return Response(self._status, tuple(pairs), length, self._keep_alive, "", self, self._date_text)


class AnswerShapes:
    """The last shapes of one cluster's answers over HTTP/1.1, for all its connections. `remembered` is how many bytes of heads are
    kept; with 0 there are no shapes."""

    __slots__ = ("_remembered", "_shapes", "_size")

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._shapes: list[AnswerShape] = []  # the one that was seen last comes first
        self._size = 0

    def read(self, head: bytes) -> Response | None:
        """The answer in a head, None where it must be parsed. `head` ends before the empty line."""
        shapes = self._shapes
        for shape in shapes:
            answer = shape.read(head)
            if answer is not None:
                if shape is not shapes[0]:
                    shapes.remove(shape)
                    shapes.insert(0, shape)
                return answer
        return None

    def remember(self, head: bytes, answer: Response) -> Response:
        """Keep the shape of a head that was parsed, and give the answer with it. An answer to HEAD that says no length, and one
        that has no body, are read by other rules, and are not kept."""
        if len(head) > min(LARGEST_SHAPE, self._remembered) or answer.length == NO_BODY or answer.status in (101, 204):
            return answer
        values = _values(head, [name for name, _ in answer.headers])
        if values is None:
            return answer
        shape = AnswerShape(head, values, answer)
        shapes = self._shapes
        shapes.insert(0, shape)
        self._size += shape.size
        while len(shapes) > MOST_SHAPES or self._size > self._remembered:
            self._size -= shapes.pop().size
        return shape.read(head) or answer


def _values(head: bytes, names: list[str]) -> dict[str, tuple[int, int]] | None:
    """Where the values that may differ begin and end in a head with headers of these names. None where Date is missing, or one
    stands twice, or is of another form."""
    values: dict[str, tuple[int, int]] = {}
    at = 0
    for line in head.split(b"\r\n"):
        spelled, _, value = line.partition(b": ")
        name = spelled.decode("latin-1").lower()
        if name in _GRAMMAR:
            if re.fullmatch(_GRAMMAR[name], value) is None or (name != "content-length" and names.count(name) != 1):
                return None
            values[name] = at + len(spelled) + 2, at + len(line)
        at += len(line) + 2
    return values if "date" in values else None
