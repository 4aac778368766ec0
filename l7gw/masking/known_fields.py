"""Whether a path of `masking.fields` leads to a field, for the kinds that Kubernetes itself has."""

from __future__ import annotations

from collections.abc import Sequence

from l7gw.config.field_paths import Item, Member
from l7gw.config.settings import MaskingField
from l7gw.kube.objects.protobuf_table import EMBEDDED, Field, Message, kinds, message

Step = Member | Item


def names_a_field(field: MaskingField) -> bool:
    """Whether an object of the kind, in any of its versions, may have the field. True for kinds that are not known here."""
    known = [
        name
        for (api_version, kind), name in kinds().items()
        if kind == field.kind and field.group in ("", api_version.rpartition("/")[0])
    ]
    return not known or any(_within(message(name), field.path.steps) for name in known)


def _within(table: Message, steps: Sequence[Step]) -> bool:
    """Whether the steps lead to something in a message."""
    if not steps or table.form != "object":
        return True
    step = steps[0]
    if not isinstance(step, Member):
        return False
    return any(_at(_plain(table, name), steps[1:]) for name in table.names if step.name.fullmatch(name) is not None)


def _plain(table: Message, name: str) -> Field:
    """The field of a name, which may stand in an embedded struct."""
    field = table.names[name]
    while field.name == EMBEDDED:
        field = field.table.names[name]
    return field


def _at(field: Field, steps: Sequence[Step]) -> bool:
    """Whether the steps lead on from a field."""
    if not steps:
        return True
    if field.mapped or field.repeated:
        if isinstance(steps[0], Item) is field.mapped:
            return False
        steps = steps[1:]
    return not steps or (field.kind == "message" and _within(field.table, steps)) or field.kind == "unknown"
