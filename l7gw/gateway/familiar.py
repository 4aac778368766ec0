"""What header fields meant on other connections, for a client whose every call is a connection of its own, as each kubectl command.

Such a client says the same each time: its name, its command, its credential, and the id of its process alone is new. What these
fields meant (`HeaderFields`, `KnownFields`) is kept for the worker's other connections, and a first call with such fields costs no
more than one with a new target on a connection that is known.

Nothing of it says who calls. The place of what is kept is all that the client sent and showed: its address, its certificate, the
version of HTTP and every header field, the whole credential among them, but for the id of its process. Who calls is asked anew by
each call, as are policy, grants, session, masks and what else `KnownFields.hold` looks at. Python finds a place by a keyed hash
over all of it, and compares bytes only where 64 bits of that are equal: how long a look-up takes tells no part of a credential.

Only calls that were proven, allowed and sent up put something here, and only the second with the same fields. So a stranger can
neither fill it nor push others out. Somebody with a credential can, by many different heads; the others then go the long way.
"""

from __future__ import annotations

from typing import Protocol

from l7gw.gateway.header_fields import RUN, SESSION, HeaderFields, Place
from l7gw.gateway.known_fields import Said
from l7gw.wire.events import Headers
from l7gw.wire.http2_huffman import LongStrings

MOST_PLACES = 1024  # one a person and command that are in use; one with 1.4 KiB of fields takes 7.4 KiB of memory
MOST_SIZE = 4 * 1024 * 1024  # bytes of header fields of all places
MOST_CAME = 4096  # places whose hash is kept, of which one call came
_ANY_RUN = SESSION, "\n"  # stands for each id of a process: no field has such a value


class Peer(Protocol):
    """A client's connection."""

    http: str
    address: str
    certificates: tuple[bytes, ...]


class Familiar:
    """The memory of one worker. With `remembered` 0 it keeps nothing."""

    def __init__(self, remembered: int, *, places: int = MOST_PLACES, size: int = MOST_SIZE, came: int = MOST_CAME) -> None:
        """`places`, `size` and `came` are the bounds that have these names above."""
        self._most, self._most_size, self._most_came = places, size, came
        self.strings = LongStrings() if remembered else None  # of HTTP/2, with the credentials of those who were proven
        self._largest = remembered // 4  # bytes of the header fields of one place
        self._places: dict[Place, HeaderFields] = {}
        self._size = 0
        self._came: dict[int, None] = {}
        self._under: tuple[object, ...] = ()  # the policy and the configuration under which all this was found

    def said(self, headers: Headers, peer: Peer) -> HeaderFields:
        """What these fields say, which came on this connection; with what is known of them where they came on others."""
        run = dict(headers).get(SESSION, "")
        alike = headers
        if run and RUN.fullmatch(run) is not None:
            alike = tuple([_ANY_RUN if pair[0] == SESSION else pair for pair in headers])
        else:
            run = ""
        place = alike, peer.address, peer.http, peer.certificates[:1]
        found = self._places.get(place)
        said = found.in_run(headers, run) if found is not None and found.known else HeaderFields(headers)
        said.place = place
        return said

    def came(self, said: HeaderFields) -> bool:
        """A call with these fields was proven and allowed, and is about to go up. Whether one had been before it."""
        if said.place is None:
            return False
        name = hash(said.place)
        if name in self._came:
            return True
        if len(self._came) >= self._most_came:
            del self._came[next(iter(self._came))]
        self._came[name] = None
        return False

    def keep(self, said: HeaderFields, worker: Said) -> None:
        """Keep what is known of these fields, of which a call is about to go up."""
        under = worker.policy, worker.masking, worker.settings
        if any(one is not other for one, other in zip(under, self._under or (None,) * 3, strict=True)):
            self.clear()
            self._under = under
        place, size = said.place, said.size
        if place is None or self._places.get(place) is said or size > self._largest or not said.lasts:
            return
        self._forget(place)
        while self._places and (len(self._places) >= self._most or self._size + size > self._most_size):
            self._forget(next(iter(self._places)))
        self._places[place] = said
        self._size += size

    def tick(self) -> None:
        """Forget the sessions that are over: each has the names of its runs."""
        for place in [place for place, said in self._places.items() if not any(one.session.takes_calls for one in said.known)]:
            self._forget(place)

    def clear(self) -> None:
        self._places.clear()
        self._size = 0

    def _forget(self, place: Place) -> None:
        if (said := self._places.pop(place, None)) is not None:
            self._size -= said.size
