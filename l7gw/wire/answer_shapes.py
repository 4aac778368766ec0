"""Heads of answers by their shape. A cluster's answers differ in the values of Audit-Id, Date and Content-Length, and hardly in
anything else. So a head that was parsed once is kept as a regular expression for those values, and a head that is the same around
them is not parsed again.

HTTP/2's blocks of the same fields differ from one answer to the next, as they share a table. There the fields are compared.

What is read here is what `http1_message.parse_response` and `http2_fields.parse_answer` read from the same, or nothing.
"""

from __future__ import annotations

import re
from typing import TypeVar

from l7gw.wire.events import NO_BODY, Response

MOST_SHAPES = 16  # shapes of one cluster; before a head of none of them is parsed, each of them costs 0.1 us
LARGEST_SHAPE = 4096  # bytes of a head that is kept; kube-apiserver's have 300 to 500

T = TypeVar("T")

# The values that may differ. kube-apiserver's Audit-Id is the one that the gateway has sent, a UUID.
_GRAMMAR = {
    "audit-id": rb"[A-Za-z0-9-]{1,64}",
    "date": rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
    rb" [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
    "content-length": rb"0|[1-9][0-9]{0,17}",
}


_DATE = re.compile(_GRAMMAR["date"])
_LENGTH = re.compile(_GRAMMAR["content-length"].decode())
_DATE_AT_A_GLANCE = rb"[A-Za-z0-9:, ]{29}"  # it changes once a second, and only then is looked at closely


class AnswerShape:
    """What heads have in common that differ in those values alone."""

    __slots__ = (
        "size",
        "_audit_at", "_audit_group", "_date", "_date_at", "_date_group", "_date_text", "_keep_alive", "_length", "_length_group",
        "_match", "_pairs", "_status",
    )  # fmt: skip

    def __init__(self, head: bytes, values: dict[str, tuple[int, int]], answer: Response) -> None:
        """`values` are the beginnings and ends of the values in `head` that may differ, by their names and in their order."""
        self.size = len(head)
        self._status, self._length, self._keep_alive = answer.status, answer.length, answer.keep_alive
        self._pairs = list(answer.headers)
        places = {name: at for at, (name, _) in enumerate(answer.headers)}
        groups = {name: group for group, name in enumerate(values)}
        self._audit_at, self._audit_group = places.get("audit-id", -1), groups.get("audit-id", -1)
        self._date_at, self._date_group = places["date"], groups["date"]
        self._length_group = groups.get("content-length", -1)
        self._date, self._date_text = b"", ""  # the last value of Date, which is in `_pairs`
        pattern: list[bytes] = []
        at = 0
        for name, (start, stop) in values.items():
            pattern += (re.escape(head[at:start]), b"(", _GRAMMAR[name] if name != "date" else _DATE_AT_A_GLANCE, b")")
            at = stop
        self._match = re.compile(b"".join((*pattern, re.escape(head[at:])))).fullmatch

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


class FieldsShape:
    """The same of HTTP/2's fields: all are the same but those of these names."""

    __slots__ = (
        "size",
        "_audit_at",
        "_date",
        "_date_at",
        "_length",
        "_length_at",
        "_pairs",
        "_places",
        "_same",
        "_status",
    )

    def __init__(self, fields: list[tuple[str, str]], answer: Response) -> None:
        self.size = sum([len(name) + len(value) + 32 for name, value in fields])
        self._status, self._length = answer.status, answer.length
        names, told = [name for name, _ in fields], [name for name, _ in answer.headers]
        at = {name: names.index(name) for name in _GRAMMAR if name in names}
        self._date_at, self._audit_at, self._length_at = at["date"], at.get("audit-id", -1), at.get("content-length", -1)
        self._places = told.index("date"), told.index("audit-id") if "audit-id" in told else -1
        self._date = ("", "")  # the last Date, which was checked
        self._pairs = list(answer.headers)
        self._same: list[tuple[str, str] | None] = [
            None if at.get(name) == place else fields[place] for place, name in enumerate(names)
        ]

    def read(self, fields: list[tuple[str, str]]) -> Response | None:
        """The answer in these fields, None where they are of another shape."""
        same: list[tuple[str, str] | None] = [*fields]
        if len(same) != len(self._same):
            return None
        date_at, audit_at, length_at = self._date_at, self._audit_at, self._length_at
        same[date_at] = None
        if audit_at >= 0:
            same[audit_at] = None
        if length_at >= 0:
            same[length_at] = None
        if same != self._same:
            return None
        date, pairs, length = fields[date_at], self._pairs, self._length
        if date != self._date:
            if date[0] != "date" or _DATE.fullmatch(date[1].encode("latin-1")) is None:
                return None
            self._date = pairs[self._places[0]] = date
        if audit_at >= 0:
            name, value = audit = fields[audit_at]
            if name != "audit-id" or not value.isascii() or not value.replace("-", "").isalnum() or len(value) > 64:
                return None
            pairs[self._places[1]] = audit
        if length_at >= 0:
            name, value = fields[length_at]
            if name != "content-length" or _LENGTH.fullmatch(value) is None:
                return None
            length = int(value)
        return Response(self._status, tuple(pairs), length, shape=self, date=date[1])


class AnswerShapes:
    """The last shapes of one cluster's answers, for all its connections. `remembered` is how many bytes of heads are kept of each
    version of HTTP; with 0 there are no shapes."""

    __slots__ = ("_fields", "_heads", "_remembered")

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._heads: list[AnswerShape] = []  # the one that was seen last comes first
        self._fields: list[FieldsShape] = []

    def read(self, head: bytes) -> Response | None:
        """The answer in a head of HTTP/1.1, None where it must be parsed. `head` ends before the empty line."""
        for shape in self._heads:
            answer = shape.read(head)
            if answer is not None:
                if shape is not self._heads[0]:
                    _use(self._heads, shape)
                return answer
        return None

    def read_fields(self, fields: list[tuple[str, str]]) -> Response | None:
        """The answer in HTTP/2's fields, None where they must be parsed. It is not to HEAD, and its body is still to come."""
        for shape in self._fields:
            answer = shape.read(fields)
            if answer is not None:
                if shape is not self._fields[0]:
                    _use(self._fields, shape)
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
        self._heads.insert(0, shape)
        self._bound(self._heads)
        return shape.read(head) or answer

    def remember_fields(self, fields: list[tuple[str, str]], answer: Response) -> Response:
        """Keep the shape of fields that were parsed, and give the answer with it. It is not to HEAD, and its body is to come."""
        if answer.status in (204, 304) or not _are_plain(fields):
            return answer
        shape = FieldsShape(fields, answer)
        if shape.size > min(LARGEST_SHAPE, self._remembered):
            return answer
        self._fields.insert(0, shape)
        self._bound(self._fields)
        return shape.read(fields) or answer

    def _bound(self, shapes: list[AnswerShape] | list[FieldsShape]) -> None:
        while len(shapes) > MOST_SHAPES or sum([shape.size for shape in shapes]) > self._remembered:
            shapes.pop()


def _use(shapes: list[T], shape: T) -> None:
    shapes.remove(shape)
    shapes.insert(0, shape)


def _are_plain(fields: list[tuple[str, str]]) -> bool:
    """Whether there is a Date, each of the names stands once at most, and its value has the usual form."""
    found = [(name, value) for name, value in fields if name in _GRAMMAR]
    names = [name for name, _ in found]
    plain = all(re.fullmatch(_GRAMMAR[name], value.encode("latin-1")) is not None for name, value in found)
    return plain and "date" in names and len(set(names)) == len(names)


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
