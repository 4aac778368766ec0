"""What a caller writes back: a placeholder in a body is restored to the value that it stands for, where it stands in the same
field of the same object and that field still holds this value. Everywhere else it is refused with 422 (threats E7).

The gateway reads the object anew, as the caller, and masks it as the answer was that the caller once read. What was restored is
masked once more: it must come out as it was sent, so that no edit around it shows a value that was hidden.

Where a patch leaves alone what it does not name (merge and strategic patches), the field is left out instead. A body with a
restored value gets the resourceVersion of the reading, so that a value that was changed meanwhile is a conflict, and is never
undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from l7gw.errors import Refusal
from l7gw.kube.objects import json_nodes, protobuf_nodes
from l7gw.kube.objects.node import Node
from l7gw.masking.coming_back import json_patch
from l7gw.masking.coming_back.restoring import Place, Reading, Walk, alike
from l7gw.masking.coming_back.same_field import Field, locate
from l7gw.masking.coming_back.telling import may_retell, refuse_retelling
from l7gw.masking.placeholder_search import may_hold
from l7gw.masking.sent.sent_body import Sent, bytes_of, find_in, invalid, lost, text_at

# Subresources whose body is the object itself; "" is the object
WHOLE_OBJECT: Final = frozenset(("", "status", "finalize", "ephemeralcontainers", "resize", "approval"))


def must_be_read(sent: Sent) -> bool:
    """Whether the stored object must be read before this body can go on: because a placeholder in it may be restored, or because a
    patch could read what may be masked. Raises Refusal 422 where it holds a placeholder that nothing can restore."""
    held = may_hold(sent.body)
    oracle = sent.format == "json-patch" and sent.act.subresource in WHOLE_OBJECT and json_patch.reads(sent.body)
    if not held:
        return oracle or _retells(sent)
    found = find_in(sent.read(), most=1)
    if not found:
        return oracle or _retells(sent)
    act = sent.act
    if act.verb not in ("update", "patch") or not act.name or act.subresource not in WHOLE_OBJECT:
        raise new_object(found[0].path)
    return True


def _retells(sent: Sent) -> bool:
    return sent.act.verb == "patch" and sent.act.subresource in WHOLE_OBJECT and may_retell(sent)


def new_object(path: str) -> Refusal:
    """The refusal of a placeholder in a body for which there is no stored object."""
    return invalid(
        f"{path or 'the body'} holds the placeholder of a masked value, and there is no stored value that could take its place; "
        "write the real value"
    )


def restore(sent: Sent, reading: Reading) -> bytes:
    """The body with the values for which the placeholders stood. Raises Refusal 422 where one of them cannot be restored, and 403
    for a JSON patch that tests, copies or moves what is masked."""
    root = reading.field(sent.act)
    version = text_at(root.stored, "metadata", "resourceVersion")
    if sent.format == "json-patch":
        body, walk = json_patch.restore(sent, root, reading, version)
        check_parts(reading, walk)
        return body
    node = sent.read()
    _same_object(node, root)
    if may_retell(sent):
        refuse_retelling(node, root, applied=sent.format == "apply")
    patch = sent.format in ("merge-patch", "strategic-patch")
    walk = Walk(root, reading, strategic=sent.format == "strategic-patch")
    walk.value(node, (), [root], leave_out=patch)
    body = node.render("recorded")
    if not walk.places:
        return body
    if patch:
        check_parts(reading, walk)
    else:
        _check_whole(sent, body, reading, walk.places)
    return with_version(sent, node, version)


def _same_object(body: Node, root: Field) -> None:
    said, there = text_at(body, "metadata", "uid"), text_at(root.stored, "metadata", "uid")
    if said and said != there:
        raise invalid("metadata.uid is of another object than the one of this name; read it again")


def with_version(sent: Sent, node: Node, version: str) -> bytes:
    """The body, with the resourceVersion of the reading where it names none."""
    if text_at(node, "metadata", "resourceVersion"):
        return node.render("recorded")
    there = node.at("metadata", "resourceVersion")
    if there is not None:
        there.replace(version)
        return node.render("recorded")
    if sent.format == "protobuf":
        raise invalid("without metadata.resourceVersion masked values cannot be restored; send that of the reading")
    return _with_member(node.render("recorded"), version)


def _with_member(body: bytes, version: str) -> bytes:
    """A JSON object with `metadata.resourceVersion`, which it lacks. The bytes of its members stay as they are."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(members.get("metadata", msgspec.Raw(b"{}")), type=dict[str, msgspec.Raw] | None) or {}
    metadata["resourceVersion"] = msgspec.Raw(msgspec.json.encode(version))
    return msgspec.json.encode({**members, "metadata": metadata})


def _check_whole(sent: Sent, restored: bytes, reading: Reading, places: Sequence[Place]) -> None:
    """Refuse a whole object in which a restored value would not be shown as it was sent."""
    if sent.format != "protobuf":
        _check(reading.masked(json_nodes.read(restored, strict=False)), [(place, place.inside) for place in places])
        return
    node: Node = protobuf_nodes.read(restored, strict=False)
    reading.mask(node)
    _check(protobuf_nodes.read(node.render("recorded"), strict=False), [(place, place.inside) for place in places])


def check_parts(reading: Reading, walk: Walk) -> None:
    """Refuse a patch that would put a restored value where it is not masked: the restored values are tried in the stored object,
    and the documents of annotations by themselves."""
    for document, places in walk.documents:
        masked = reading.masked(json_nodes.read(document.render("recorded"), strict=False))
        _check(masked, [(place, place.inside) for place in places])
    tried = [(place, place.field) for place in walk.places if place.field is not None]
    if not tried:
        return
    stored = json_nodes.read(reading.stored, strict=False)
    for place, field in tried:
        node = locate(stored, field)
        if node is None:
            lost(place.path)
        if place.encoded:
            node.replace_octets(place.value)
        else:
            node.replace(place.value.decode("utf-8", "surrogatepass"))
    _check(reading.masked(json_nodes.read(stored.render("recorded"), strict=False)), tried)


def _check(masked: Node, tried: Sequence[tuple[Place, tuple[str | int | None, ...]]]) -> None:
    for place, steps in tried:
        node = locate(masked, steps)
        if node is None or not shown_as_sent(node, place):
            lost(place.path)


def shown_as_sent(node: Node, place: Place) -> bool:
    """Whether masking shows a restored value as the caller sent it."""
    if alike(place.sent, bytes_of(node)):
        return True
    octets, sent = node.octets(), place.sent if place.encoded else place.octets
    return octets is not None and sent is not None and alike(sent, octets)
