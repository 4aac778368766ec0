"""Fields that the configuration names (`masking.fields`): their texts are masked whole."""

from __future__ import annotations

from collections.abc import Sequence

from l7gw.config.field_paths import Item, Member
from l7gw.config.settings import MaskingField
from l7gw.kube.objects.node import Node
from l7gw.kube.objects.walk import leaves
from l7gw.masking.objects.hiding import Hiding

FIELD = "field"  # the name by which these values are masked
_OF_BYTES = "binaryData"  # the one map of bytes that is not masked by itself


def mask_fields(root: Node, kinds: Sequence[str], group: str | None, fields: Sequence[MaskingField], hiding: Hiding) -> None:
    """Mask the fields of an object. `group` is that of its apiVersion; None, where it names none, is any group."""
    for field in fields:
        if field.kind not in kinds or (field.group and group is not None and field.group != group):
            continue
        for node, encoded in _found(root, field):
            if node.shape in ("text", "octets"):
                _hide(node, hiding, encoded=encoded)
            else:
                for leaf in list(leaves(node)):
                    _hide(leaf, hiding, encoded=encoded)


def _hide(node: Node, hiding: Hiding, *, encoded: bool) -> None:
    if encoded or node.shape == "octets":
        hiding.hide_octets(node, FIELD)
    else:
        hiding.hide(node, FIELD)


def _found(root: Node, field: MaskingField) -> list[tuple[Node, bool]]:
    """The values at a path, and of each whether it stands in a field of bytes."""
    found = [(root, False)]
    for step in field.path.steps:
        found = [pair for node, encoded in found for pair in _below(node, step, encoded=encoded)]
    return found


def _below(node: Node, step: Member | Item, *, encoded: bool) -> list[tuple[Node, bool]]:
    if isinstance(step, Member):
        members = node.members()
        return [(member, encoded or name == _OF_BYTES) for name, member in members if step.name.fullmatch(name) is not None]
    items = node.items()
    return [(item, encoded) for item in (items if step.index is None else items[step.index : step.index + 1])]
