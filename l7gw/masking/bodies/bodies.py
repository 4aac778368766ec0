"""The masks of one body: what comes from the cluster goes in, what the client gets and what the recording gets come out.

Bytes in which nothing had to be masked travel as they came, packed or not. An answer is held until it is whole, or has HELD_WHOLE
bytes: most of them need not be read. A longer list goes on item by item, a watch event by event.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from l7gw.errors import Refusal
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.kube.objects.parts import Part, Splitter
from l7gw.masking.bodies.gzip_bodies import Packer, Unpacker
from l7gw.masking.bodies.readings import begins, read, read_protobuf, seems_whole, splitter
from l7gw.masking.find import Find
from l7gw.masking.objects.object_kinds import MOST_TOGETHER
from l7gw.plainjson import PAUSES_GC

MIB = 1024 * 1024
LARGEST_HELD = 64 * MIB  # bytes of one body that are held, of an object, an item or an event (threats I9)
SMALL = 4 * 1024  # bytes; what comes in smaller pieces is kept in larger ones, as a piece takes 50 bytes beside its own
MOST_HELD = 512 * MIB  # bytes that all bodies hold together; beyond them, answers are refused (threats I9)
MUCH = 16 * 1024  # bytes of text; one value in 100 of them is masked in 15 ms
MUCH_OF_OBJECT = 4 * 1024  # bytes; a Secret of so many may have 100 values, which are masked and registered in 25 ms
MOST_UNPACKED = 32  # times its size; what a body unpacks to, as far as it is guessed before
ASKED_HERE = 256 * 1024  # bytes of a plain body that is asked about before steps begin: their thread took 28 us of 315 for 30 kB
HELD_WHOLE = 2 * MIB  # bytes of a body that is asked about as a whole: that costs a third of splitting it


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Bytes that go on. They are one object where both views are the same."""

    shown: bytes | memoryview  # to the client
    recorded: bytes | memoryview  # to the journal


class Budget:
    """The bytes that all bodies of a worker hold."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0

    def take(self, more: int) -> None:
        """Hold so many bytes more; fewer, where it is negative. Raises Refusal 503 where there is no room for them."""
        if more > 0 and self.held + more > MOST_HELD:
            raise Refusal(503, "ServiceUnavailable", "too many large answers are being masked at once; run the command again")
        self.held += more


class Masked(Protocol):
    """What the masks of an object did to it."""

    @property
    def finds(self) -> list[Find]: ...
    @property
    def warnings(self) -> list[str]: ...
    @property
    def recorded(self) -> bytes | None: ...


class ObjectMasks(Protocol):
    """Masks the objects of one call."""

    @property
    def one_view(self) -> bool:
        """Whether the client is shown nothing that the recording has not."""

    def needs_reading(self, data: bytes, listed: str = "") -> bool:
        """Whether an object, or a part of a body, has to be read. `listed` is the kind of an item. Where it need not be, nothing
        in it is masked."""

    def mask(self, node: Node, *, where_prefix: str = "", listed: str = "", fixed: bool = False) -> Masked:
        """Mask an object, an item or an event. Raises Unreadable."""


class BodyMask(Protocol):
    """The mask of one body. `finds` and `warnings` grow; who takes finds takes them out."""

    finds: list[Find]
    warnings: list[str]
    edited: bool  # whether anything was masked so far

    def much(self, data: bytes | None) -> bool:
        """Whether to `feed` these bytes, or the `end`, may be much work: more than MUCH bytes, or MUCH_OF_OBJECT, are looked
        into. To begin work in steps costs 20 us. Before the end, one search may tell that little is left to do."""

    def glance(self, parts: Sequence[bytes | memoryview]) -> list[Piece] | None:
        """As `feed` of these bytes together, where that is little work though they are many: they are held, or one search tells
        that nothing in them is masked. None where it is more; nothing is taken then. Raises Refusal 503."""

    def feed(self, data: bytes) -> list[Piece]:
        """Take the next bytes as they came. Raises Unreadable, and Refusal 503."""

    def end(self) -> list[Piece]:
        """The body is whole. Raises Unreadable."""

    def close(self) -> None:
        """The call is over, also where the body never came to its end."""


def passes(masks: ObjectMasks, data: bytes, *, protobuf: bool) -> bool:
    """Whether a whole body passes as it came, because nothing in it may have to be masked. Raises Unreadable for bytes that nobody
    reads, and that are no object."""
    if masks.needs_reading(data):
        return False
    begins(data, 0, protobuf=protobuf)
    _check(Part(data=data, role="object"), protobuf=protobuf)
    return True


def _check(part: Part, *, protobuf: bool) -> None:
    """Raises Unreadable for a part that nobody reads, and that is no object."""
    if part.data and not seems_whole(part, protobuf=protobuf):
        raise Unreadable("it is no object")


class ObjectBody:
    """The body of an answer that is an object, a list or a watch."""

    __slots__ = (
        "_as_came", "_begun", "_budget", "_fed", "_given", "_held", "_joined", "_live", "_masks", "_noticed",
        "_packer", "_protobuf", "_read", "_splitter", "_taken", "_unpacker", "_whole", "edited", "finds", "warnings",
    )  # fmt: skip

    def __init__(
        self,
        masks: ObjectMasks,
        budget: Budget,
        *,
        protobuf: bool = False,
        packed: Literal["", "gzip", "gzip-unasked"] = "",
        live: bool = False,
    ) -> None:
        """`packed` says how the body comes: `gzip` goes on packed, `gzip-unasked` goes on plain. `live`: it is a watch, each
        part of which goes on at once."""
        self._splitter: Splitter | None = splitter(protobuf=protobuf, watch=True) if live else None  # made where it is needed
        self._read = read_protobuf if protobuf else read
        self._protobuf = protobuf
        self._masks = masks
        self._budget = budget
        self._unpacker = Unpacker() if packed else None
        self._packer = Packer() if packed == "gzip" else None
        self._live = live
        self._begun = live  # whether an object has begun; the splitter of a watch looks at each event
        # The packed bytes; None where they are not kept
        self._as_came: list[bytes | memoryview] | None = [] if packed == "gzip" and not live else None
        self._taken = 0  # bytes in it
        self._whole: list[bytes | memoryview] = []  # the plain body, as long as it is asked about as a whole
        self._joined = b""  # the same in one piece, once it was asked about
        self._noticed: bool | None = None  # whether it has to be read; None: it was not asked about
        self._fed = self._given = 0  # bytes of the plain body that went in, and that came out
        self._held = 0  # bytes of the budget
        self.finds: list[Find] = []
        self.warnings: list[str] = []
        self.edited = False

    def much(self, data: bytes | None) -> bool:
        more = len(data or b"") * (MOST_UNPACKED if self._unpacker is not None else 1)
        held = self._fed - self._given + more
        if data is not None:
            return held > (HELD_WHOLE if self._splitter is None else MUCH_OF_OBJECT)
        asked_here = held <= ASKED_HERE and self._unpacker is None and self._splitter is None
        return held > MUCH_OF_OBJECT and not (asked_here and not self._must_be_read())

    def glance(self, parts: Sequence[bytes | memoryview]) -> list[Piece] | None:
        size = sum(map(len, parts))
        if self._unpacker is not None or self._splitter is not None or not self._begun or self._fed + size > HELD_WHOLE:
            return None
        self._fed += size
        for part in parts:
            _keep(self._whole, part)
        self._hold(self._fed)
        return []

    def feed(self, data: bytes) -> list[Piece]:
        if self._unpacker is None:
            pieces = self._feed(data)
        else:
            if self._as_came is not None:
                _keep(self._as_came, data)
                self._taken += len(data)
            pieces = [piece for plain in self._unpacker.feed(data) for piece in self._feed(plain)]
            if pieces:
                self._as_came = None  # it goes on while it comes: it is packed anew
                self._taken = 0
                pieces = self._packed(pieces)
            if self._taken > LARGEST_HELD:  # a member's head may go on without end, and members may be empty
                raise Unreadable(f"a piece of it has more than {LARGEST_HELD // MIB} MiB")
        self._hold(self._fed - self._given + self._taken)
        return pieces

    def at_once(self, data: bytes) -> list[Piece]:
        """Take a body that came whole, and end it: `feed` and `end` in one, for less. Raises Unreadable, and Refusal 503."""
        if self._unpacker is None and self._splitter is None and passes(self._masks, data, protobuf=self._protobuf):
            return [Piece(data, data)]
        return self.feed(data) + self.end()

    def _feed(self, plain: bytes) -> list[Piece]:
        if not self._begun:
            self._begun = begins(plain, self._fed, protobuf=self._protobuf)
        self._fed += len(plain)
        if self._splitter is not None:
            if self._fed - self._given > LARGEST_HELD + len(plain):
                raise Unreadable(f"a piece of it has more than {LARGEST_HELD // MIB} MiB")
            return self._masked(self._splitter.feed(plain))
        _keep(self._whole, plain)
        return self._split() if self._fed > HELD_WHOLE else []

    def _split(self) -> list[Piece]:
        """Split what was held."""
        whole, self._whole = self._whole, []
        self._splitter = splitter(protobuf=self._protobuf, watch=False)
        return [piece for plain in whole for piece in self._masked(self._splitter.feed(bytes(plain)))]

    def end(self) -> list[Piece]:
        if self._unpacker is not None:
            self._unpacker.end()
        pieces = self._end()
        if self._as_came is not None and not self.edited:
            return [Piece(data, data) for data in self._as_came]
        if self._packer is not None:
            pieces = self._packed(pieces)
            pieces.append(Piece(*self._packer.end()))
        return pieces

    def _end(self) -> list[Piece]:
        before: list[Piece] = []
        if self._splitter is None:
            if not self._must_be_read():
                _check(Part(data=self._joined, role="object"), protobuf=self._protobuf)
                # As they came: a list of 1 MB that goes on as one took a fifth more than in four pieces, which caches hold
                return [Piece(plain, plain) for plain in self._whole]
            before = self._split()
        assert self._splitter is not None
        return before + self._masked(self._splitter.end())

    def _must_be_read(self) -> bool:
        """Whether the body, all of which is held, has to be read. It is searched once."""
        if self._noticed is None:
            self._joined = b"".join(self._whole)
            self._noticed = self._masks.needs_reading(self._joined)
        return self._noticed

    def last(self, data: bytes) -> list[Piece]:
        """End the body with bytes of ours, in the encoding in which it goes on."""
        pieces = self._packed([Piece(data, data)])
        return pieces if self._packer is None else [*pieces, Piece(*self._packer.end())]

    def close(self) -> None:
        self._hold(0)

    def _hold(self, size: int) -> None:
        if size != self._held:
            self._budget.take(size - self._held)
            self._held = size

    def _masked(self, parts: list[Part]) -> list[Piece]:
        if len(parts) > 1:
            return self._masked_together(parts)
        pieces: list[Piece] = []
        for part in parts:
            data = part.data
            self._given += len(data)
            if part.role == "between" or not data:
                pieces.append(Piece(data, data))
            elif not self._masks.needs_reading(data, part.kind):
                _check(part, protobuf=self._protobuf)
                pieces.append(Piece(data, data))
            else:
                pieces.append(self._mask(part))
        return pieces

    def _masked_together(self, parts: list[Part]) -> list[Piece]:
        """Ask of several parts at once whether they have to be read: mostly none has to be, and one question costs a tenth."""
        pieces: list[Piece] = []
        for at in range(0, len(parts), MOST_TOGETHER):
            some = parts[at : at + MOST_TOGETHER]
            data = b"".join(part.data for part in some)
            kind = next((part.kind for part in some if part.kind), "")  # what stands between items has none
            if any(part.role == "object" for part in some) or self._masks.needs_reading(data, kind):
                for part in some:
                    pieces += self._masked([part])
            else:
                self._given += len(data)
                pieces.append(Piece(data, data))
        return pieces

    def _mask(self, part: Part) -> Piece:
        if len(part.data) < PAUSES_GC or not gc.isenabled():
            return self._mask_read(part)
        gc.disable()
        try:
            return self._mask_read(part)
        finally:
            gc.enable()

    def _mask_read(self, part: Part) -> Piece:
        node = self._read(part)
        prefix = f"items[{part.index}]" if part.role == "item" else ""
        done = self._masks.mask(node, where_prefix=prefix, listed=part.kind, fixed=part.fixed)
        self.finds += done.finds
        self.warnings += (words for words in done.warnings if words not in self.warnings)
        if not node.edited:
            return Piece(part.data, part.data)
        self.edited = True
        recorded = done.recorded if done.recorded is not None else node.render("recorded")
        return Piece(recorded if self._masks.one_view else node.render("shown"), recorded)

    def _packed(self, pieces: list[Piece]) -> list[Piece]:
        if self._packer is None:
            return pieces
        last = len(pieces) - 1
        packed = [
            Piece(*self._packer.pack(piece.shown, piece.recorded, flush=self._live and number == last))
            for number, piece in enumerate(pieces)
        ]
        return [piece for piece in packed if piece.shown or piece.recorded]


def _keep(pieces: list[bytes | memoryview], data: bytes | memoryview) -> None:
    """Keep the next bytes of a body."""
    if pieces and len(data) < SMALL and len(pieces[-1]) < SMALL:
        pieces[-1] = b"".join((pieces[-1], data))
    else:
        pieces.append(data if len(data) >= SMALL else bytes(data))  # a small view would hold all of its read
