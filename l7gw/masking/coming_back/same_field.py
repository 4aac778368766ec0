"""Which field of the stored object is the field that a caller sent.

Members of an object or map are the same by their name. Items of a list are the same by Kubernetes' merge key where the list has one
and the key stands once on either side; else by their index, where every scalar beside the value is equal too. A Secret's
`stringData.k` and `data.k` are one field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from l7gw.kube.objects.node import Node, Scalar
from l7gw.masking.sent.sent_body import text_at

# A list's name -> the members by one of which its items are told apart: the patchMergeKey of k8s.io/api v0.36, all of them lists
# with the patchStrategy `merge`
MERGE_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "matchConditions": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "variables": ("name",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "webhooks": ("name",),
}
STRING_DATA = "stringData"
DOCUMENT: Final = None  # a step into the JSON that a text holds

Step = str | int | None  # the name of a member, the index of an item, or DOCUMENT
Steps = tuple[Step, ...]
Holds = Callable[[Node], bool]  # whether a value holds a placeholder


class Field(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One field of the stored object, in two readings: as it is stored, and as masking shows it."""

    stored: Node
    masked: Node
    steps: Steps = ()  # from the object to the field
    encoded: bool = False  # the caller writes the text itself (`stringData`), and the object holds it in base64 (`data`)
    secret: bool = False  # this is a Secret, or the copy of one in an annotation

    def member(self, name: str) -> list[Field]:
        """The field of this name: none or one, or two, where a Secret's `stringData` was meant."""
        found = []
        stored, masked = self.stored.member(name), self.masked.member(name)
        if stored is not None and masked is not None:
            found.append(Field(stored=stored, masked=masked, steps=(*self.steps, name), encoded=self.encoded))
        if self.secret and name == STRING_DATA:
            found += [msgspec.structs.replace(data, encoded=True) for data in self.member("data")]
        return found

    def document(self) -> list[Field]:
        """The JSON inside this text, where it holds some."""
        stored, masked = self.stored.document(), self.masked.document()
        if stored is None or masked is None:
            return []
        return [Field(stored=stored, masked=masked, steps=(*self.steps, DOCUMENT), secret=text_at(stored, "kind") == "Secret")]

    def item(self, index: int) -> Field:
        """An item of this list."""
        return Field(stored=self.stored.items()[index], masked=self.masked.items()[index], steps=(*self.steps, index))


class Items:
    """Finds for the items of a sent list the items of a stored one. Each list is read once, so that the cost is linear."""

    __slots__ = ("_at", "_by_key", "_differing", "_field", "_holds", "_keys", "_masked", "_same_length", "_sent")

    def __init__(self, name: str, sent: Sequence[Node], field: Field, holds: Holds, *, at: int = 0) -> None:
        """`at` is the index of the first sent item, where only a part of the list was sent."""
        self._field = field
        self._at = at
        self._sent = sent
        self._masked = field.masked.items()
        self._holds = holds
        self._keys = [merge_key(name, item) for item in sent]
        self._by_key = _once([merge_key(name, item) for item in self._masked])
        unique = _once(self._keys)
        self._keys = [key if key in unique else None for key in self._keys]
        self._same_length = len(sent) == len(self._masked) or at > 0
        pairs = zip(sent, self._masked[at:], strict=False)
        self._differing = [i for i, (one, other) in enumerate(pairs) if one.scalar() != other.scalar()]

    def has_key(self, index: int) -> bool:
        """Whether this sent item has a merge key: Kubernetes then merges it into the stored item."""
        return self._keys[index] is not None

    def of(self, index: int) -> Field | None:
        """The stored item that the sent item of this index is; None where there is none."""
        key = self._keys[index]
        if key is not None:
            at = self._by_key.get(key)
            return self._field.item(at) if at is not None else None
        place = index + self._at
        if place >= len(self._masked) or place >= len(self._field.stored.items()):
            return None
        sent, masked = self._sent[index], self._masked[place]
        if sent.shape == "object":
            alike = _neighbours_alike(sent, masked, self._holds)
        elif sent.shape == "list":
            alike = True  # it has no scalar of its own beside it
        else:
            alike = self._same_length and all(differing == index for differing in self._differing)
        return self._field.item(place) if alike else None


def merge_key(list_name: str, item: Node) -> tuple[str, Scalar] | None:
    """What tells this item of a list from its neighbours; None where nothing does."""
    for name in MERGE_KEYS.get(list_name, ()):
        member = item.member(name)
        if member is not None and (value := member.scalar()) is not None:
            return name, value
    return None


def locate(node: Node, steps: Steps) -> Node | None:
    """The value to which these steps lead; None where there is none."""
    found: Node | None = node
    for step in steps:
        if found is None:
            return None
        if isinstance(step, str):
            found = found.member(step)
        elif step is DOCUMENT:
            found = found.document()
        else:
            items = found.items()
            found = items[step] if step < len(items) else None
    return found


def _once(keys: Sequence[tuple[str, Scalar] | None]) -> dict[tuple[str, Scalar], int]:
    """Each key that stands once, and where."""
    places: dict[tuple[str, Scalar], int] = {}
    twice = set()
    for index, key in enumerate(keys):
        if key is not None:
            if key in places:
                twice.add(key)
            places[key] = index
    return {key: index for key, index in places.items() if key not in twice}


def _neighbours_alike(sent: Node, masked: Node, holds: Holds) -> bool:
    """Whether the scalar members of two items are equal, but for those that hold a placeholder. An empty one counts as absent,
    since protobuf cannot tell these apart."""
    ours = dict(sent.members())
    held = {name for name, node in ours.items() if node.shape in ("text", "octets") and holds(node)}
    said = {name: node.scalar() for name, node in ours.items() if name not in held}
    there = {name: node.scalar() for name, node in masked.members() if name not in held}
    return {name: value for name, value in said.items() if value} == {name: value for name, value in there.items() if value}
