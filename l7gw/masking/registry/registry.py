"""Values of Secrets that were read through the gateway in the last hour, recognised elsewhere in their cluster and namespace.

Values are not kept. Of each form of a value the registry keeps its first bytes (HEAD of them behind what is no secret), keyed
digests of a few longer beginnings and of the whole, and its length. A text is searched for the heads with one automaton; only what
stands behind a head is digested. What this protects against is a value that lies in a core dump, in swap or in the log of digests;
whoever reads the memory of the gateway and its key can guess a short value byte by byte.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable

from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.escape_triggers import may_be_of, prepare, special_of, triggers
from l7gw.masking.registry.head_index import Aside, HeadIndex, Hits, in_thread
from l7gw.masking.registry.registered_forms import forms, pieces, worth_registering
from l7gw.masking.registry.registered_values import BEGIN_SIZE, CHECKED, Look, Namespace, Recognised, Value, look_through, stands_in
from l7gw.masking.registry.registry_log import Entry, Form, Log, RecentLog, Written

REMEMBERED = 3600.0  # seconds from the last reading of a value
SWEEP_EVERY = 60.0  # seconds
SWEPT = 1000  # forms that are forgotten in one tick, of values read long ago, 6 us each; those of one value may be 960 more
AUTHORS_SWEPT = 10_000  # in one tick; 0.3 us each
AUTHORS_REMEMBERED = 24 * 3600.0  # seconds from a principal's last writing of a value
MOST_AUTHORS = 50_000  # pairs of a principal and a value; 200 bytes each
MOST_MEMORY = 64 * 1024 * 1024  # bytes, as `registered_values` estimates them


class Registry:
    """The registered values of all clusters. `key` is the masking key; `now` gives monotonic seconds.

    What one process registers, another learns from the log: `follow` takes what others have written there.
    """

    def __init__(
        self, key: bytes, now: Callable[[], float], shared: Log | None = None, most: int = MOST_MEMORY, *, aside: Aside = in_thread
    ) -> None:
        """`aside` is as in `HeadIndex`."""
        prepare()
        self._masking_key = key
        own = hashlib.blake2b(b"registry", key=key, digest_size=32).digest()  # nothing compares these digests with tags
        self._keyed = hashlib.blake2b(key=own, digest_size=16)  # copied, it is a third quicker than one that is keyed anew
        self._now = now
        self._log = shared if shared is not None else RecentLog()
        self._at = self._log.end
        self._most = most
        self._aside = aside
        self.spent = 0  # bytes, estimated
        self._numbers = 0
        self._next_sweep = 0.0
        self._scopes: dict[tuple[str, str], Namespace] = {}
        self._known: dict[str, set[str]] = {}  # the namespaces of each cluster
        self._indexes: dict[str, HeadIndex] = {}  # of the namespaces of each cluster that have few values
        self._spent: dict[tuple[str, str], int] = {}  # by each of them
        self._oldest: OrderedDict[tuple[str, str, bytes], Value] = OrderedDict()  # in the order of their last reading
        self._authors: OrderedDict[bytes, float] = OrderedDict()  # digest of principal and value -> when it was written

    # ------------------------------------------------------------------ what is registered

    @property
    def changes(self) -> int:
        """A number that grows with each value that is registered, here or by another process."""
        return self._log.end

    def register(self, cluster: str, namespace: str, value: bytes, *, principal: str = "") -> None:
        """A Secret of this namespace holds the value. `principal` is who wrote it; "" where it was read."""
        value = value.strip()
        if not worth_registering(value):
            return
        digest = self._digest(value)
        now = self._now()
        if principal:
            self._log.append(Written(self._author(cluster, namespace, digest, principal)))
        known = self._oldest.get((cluster, namespace, digest))
        if known is not None:
            known.read = now
            self._oldest.move_to_end((cluster, namespace, digest))
            if now - known.told > REMEMBERED / 4:  # another process must not forget what is read here alone
                known.told = now
                self._log.append(known.entry)
        else:
            self._log.append(self._entry(cluster, namespace, digest, value))
        self._follow()

    def _follow(self) -> None:
        """Take what was registered, here or by another process."""
        entries, self._at = self._log.since(self._at)
        now = self._now()
        for entry in entries:
            if isinstance(entry, Written):
                self._authors[entry.author] = now
                self._authors.move_to_end(entry.author)
                if len(self._authors) > MOST_AUTHORS:
                    self._authors.popitem(last=False)
                continue
            place = entry.cluster, entry.namespace, entry.digest
            if (known := self._oldest.get(place)) is None:
                self._add(entry, now)
            else:
                known.read = now
                self._oldest.move_to_end(place)

    def tick(self) -> None:
        """Once a second: forget what was read long ago."""
        self._follow()
        now = self._now()
        if now < self._next_sweep:
            return
        if self._forget_old(now):
            self._next_sweep = now + SWEEP_EVERY

    def _forget_old(self, now: float) -> bool:
        """Whether all is forgotten that was read long ago; the rest is for the next tick."""
        left = SWEPT
        while self._oldest:
            place, value = next(iter(self._oldest.items()))
            if now - value.read <= REMEMBERED:
                break
            if left <= 0:
                return False
            left -= len(value.entry.forms)
            self._forget(place)
        for _ in range(AUTHORS_SWEPT):
            if not self._authors or now - next(iter(self._authors.values())) <= AUTHORS_REMEMBERED:
                return True
            self._authors.popitem(last=False)
        return False

    def _add(self, entry: Entry, now: float) -> None:
        self._numbers += 1
        value = Value(entry, self._numbers, now)
        self._oldest[entry.cluster, entry.namespace, entry.digest] = value
        place = entry.cluster, entry.namespace
        scope = self._scopes.get(place)
        if scope is None:
            scope = self._scopes[place] = Namespace(self._index(entry.cluster))
            self._known.setdefault(entry.cluster, set()).add(entry.namespace)
        scope.add(entry.digest, value)
        self.spent += value.cost
        self._spent[place] = self._spent.get(place, 0) + value.cost
        if self.spent > self._most:
            self._make_room(self._most - self._most // 32)  # to find the oldest that may go costs as much for many as for one

    def _make_room(self, most: int) -> None:
        """Forget the oldest values of the namespaces that take most, until all together take `most` bytes. So whoever fills a
        namespace with values drives out none of another's."""
        share, left = 0, most  # bytes that one namespace may take, and what those leave that take less than their share
        taken = sorted(self._spent.values())
        for number, size in enumerate(taken):
            share = left // (len(taken) - number)
            if size > share:
                break
            left -= size
        for place in list(self._oldest):
            if self._spent[place[:2]] > share:
                self._forget(place)
                if self.spent <= most:
                    break

    def _forget(self, place: tuple[str, str, bytes]) -> None:
        """Forget a value."""
        scope = place[:2]
        cost = self._oldest.pop(place).cost
        self.spent -= cost
        self._spent[scope] -= cost
        self._scopes[scope].remove(place[2])
        if not self._scopes[scope].values:
            del self._scopes[scope], self._spent[scope]
            self._known[scope[0]].discard(scope[1])

    def _index(self, cluster: str) -> HeadIndex:
        index = self._indexes.get(cluster)
        if index is None:
            index = self._indexes[cluster] = HeadIndex(self._aside)
        return index

    def _entry(self, cluster: str, namespace: str, digest: bytes, value: bytes) -> Entry:
        found: list[Form] = []
        for piece in pieces(value):
            for form, head in forms(piece):
                begins = tuple(self._digest(form[: head + more])[:BEGIN_SIZE] for more in CHECKED if head + more <= len(form))
                found.append(Form(form[:head], begins, len(form), self._digest(form)))
        tag = Tagger(self._masking_key, cluster, namespace).tag(value)
        return Entry(cluster, namespace, digest, tag, special_of(value), tuple(found))

    def _digest(self, data: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(data)
        return keyed.digest()

    def _author(self, cluster: str, namespace: str, digest: bytes, principal: str) -> bytes:
        return self._digest(b"\0".join((cluster.encode(), namespace.encode(), digest, principal.encode("utf-8", "replace"))))

    # ------------------------------------------------------------------ what is recognised

    def namespaces(self, cluster: str) -> Collection[str]:
        """The namespaces of a cluster of which values are known."""
        if self._at != self._log.end:
            self._follow()
        return self._known.get(cluster, ())

    def may_hold(self, data: bytes, cluster: str, *namespaces: str) -> bool:
        """Whether `scan` could find a value in these bytes, or in a text of which they are the JSON. It costs two searches."""
        if self._at != self._log.end:
            self._follow()
        scopes = [scope for namespace in namespaces if (scope := self._scopes.get((cluster, namespace))) is not None]
        seen = triggers(data) if scopes else set()
        if any(may_be_of(seen, scope.special.keys.keys()) for scope in scopes):
            return True
        hits: dict[HeadIndex, Hits] = {}
        for scope in scopes:
            if scope.index not in hits:
                hits[scope.index] = scope.index.find(data)
            if stands_in(self._digest, scope, data, hits[scope.index]):
                return True
        return False

    def scan(self, data: bytes, cluster: str, *namespaces: str, sender: str = "") -> list[Recognised]:
        """The registered values in these bytes, sorted and disjoint. `sender` is the principal who sends them, "" where the bytes
        go to a client. A value that the sender wrote himself is left out: nobody hides a command behind a Secret of his own."""
        return self.look(data, cluster, *namespaces, sender=sender).found

    def open_from(self, data: bytes, cluster: str, *namespaces: str) -> int:
        """Where a value begins that the next bytes may complete; the length of the bytes where there is none."""
        return self.look(data, cluster, *namespaces).open

    def look(self, data: bytes, cluster: str, *namespaces: str, sender: str = "") -> Look:
        """What these bytes hold of the values of the namespaces."""
        if self._at != self._log.end:
            self._follow()
        looks = [
            look
            for namespace in namespaces
            if (scope := self._scopes.get((cluster, namespace))) is not None
            and (look := look_through(self._digest, scope, data)) is not None
        ]
        if not looks:
            return Look([], len(data))
        found = [one for look in looks for one in look.found]
        tail = next((look.tail for look in looks if look.tail is not None), None)
        if sender and (found or tail):
            own = {value.number for namespace in namespaces for value in self._own(cluster, namespace, found, tail, sender)}
            found = [one for one in found if one.value not in own]
            tail = tail if tail is not None and tail.value not in own else None
        return Look(_disjoint(found), min(look.open for look in looks), tail)

    def _own(self, cluster: str, namespace: str, found: list[Recognised], tail: Recognised | None, sender: str) -> Iterable[Value]:
        """The values among those found that the sender wrote."""
        numbers = {one.value for one in found} | ({tail.value} if tail else set())
        scope = self._scopes.get((cluster, namespace))
        for digest, value in scope.values.items() if scope is not None else ():
            if value.number in numbers and self._author(cluster, namespace, digest, sender) in self._authors:
                yield value


def _disjoint(found: list[Recognised]) -> list[Recognised]:
    """Of what overlaps, the first and longest. Pieces of one value that touch, as in base64 but for a character, are one."""
    if len(found) < 2:
        return found
    kept: list[Recognised] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        last = kept[-1] if kept else None
        if last is not None and one.value == last.value and one.start <= last.end + 3 and one.end - one.start > 900:
            kept[-1] = Recognised(last.start, max(last.end, one.end), last.tag, last.value)
        elif last is None or one.start >= last.end:
            kept.append(one)
        elif one.end > last.end:
            kept.append(Recognised(last.end, one.end, one.tag, one.value))
    return kept
