"""Messages of protobuf that JSON writes as a text: times, durations and quantities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from l7gw.kube.objects.node import Scalar, Shape, Unreadable
from l7gw.kube.objects.protobuf_table import DURATION, MICRO_TIME, QUANTITY
from l7gw.kube.objects.protobuf_values import Unwritable, number
from l7gw.kube.objects.protobuf_wire import VARINT, Fields, scan, zero

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT, _NUMBERS = {0x0A}, {0x08, 0x10}  # tags of a quantity; of a time or duration


class Spoken(Unwritable):
    """A message that JSON writes as a text: a time, a duration or a quantity. A masked one has zeros for its numbers and digits."""

    __slots__ = ()

    @property
    def shape(self) -> Shape:
        return "null" if self.scalar() is None else "text"

    def scalar(self) -> Scalar:
        data = self.source.data
        name = self.field.message
        fields = scan(data, self.span[1], self.span[2])
        if name == QUANTITY:
            self._only(fields, _TEXT)
            return b"".join(data[start:end] for _, start, end in fields.get(0x0A, ())).decode(errors="replace")
        self._only(fields, _NUMBERS)
        numbers = {tag: number(data, spans[0], "integer") for tag, spans in fields.items()}
        if name == DURATION:
            return duration(int(numbers.get(0x08, 0)))
        # Go writes the zero time as an empty message; 1970 has its seconds written.
        if not numbers:
            return None
        return moment(int(numbers.get(0x08, 0)), int(numbers.get(0x10, 0)), micro=name == MICRO_TIME)

    def _only(self, fields: Fields, tags: set[int]) -> None:
        """Raises Unreadable where there is more than JSON says of it."""
        if not fields.keys() <= tags or any(len(spans) > 1 for spans in fields.values()):
            raise Unreadable("a time or quantity in protobuf has more fields than Kubernetes gives it")

    def zeros(self) -> bytes:
        _, at, stop = self.span
        out = bytearray(self.source.data[at:stop])
        for tag, spans in scan(self.source.data, at, stop).items():
            for _, start, end in spans:
                out[start - at : end - at] = zero(end - start) if tag & 7 == VARINT else b"0" * (end - start)
        return bytes(out)


def moment(seconds: int, nanoseconds: int, *, micro: bool) -> str:
    """A time as JSON writes it, `2026-01-02T03:04:05Z`: AM `pkg/apis/meta/v1/time.go`, `micro_time.go`."""
    try:
        at = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise Unreadable("a time is out of range") from None
    return at.strftime(f"{at.year:04}-%m-%dT%H:%M:%S") + (f".{nanoseconds // 1000:06}Z" if micro else "Z")


def duration(nanoseconds: int) -> str:
    """A duration as Go writes it: `1h2m3.5s`, `20ms`, `0s`."""
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if left < 1_000_000_000:
        for size, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns")):
            if left >= size:
                return f"{sign}{_decimal(left, size)}{unit}"
        return "0s"
    minutes, left = divmod(left, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{before}{_decimal(left, 1_000_000_000)}s"


def _decimal(value: int, unit: int) -> str:
    """`value / unit`, without zeros at the end. `unit` is a power of ten."""
    whole, rest = divmod(value, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}}".rstrip("0") if rest else str(whole)
