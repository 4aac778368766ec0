"""Members that tell that what stands beside them is masked: the name of a variable, the kind of a Secret inside another object.

Whoever may patch could change one of them, leave the value alone, and read the value in the echo (threats E6). No patch may.
"""

from __future__ import annotations

from collections.abc import Sequence

from l7gw.errors import Refusal
from l7gw.kube.objects.body_kinds import KINDS
from l7gw.kube.objects.node import Node
from l7gw.masking.coming_back.same_field import Field
from l7gw.masking.sent.sent_body import Sent, text_at

_OF_SECRETS = frozenset(("kind", "type", "metadata"))


def told_by(tokens: Sequence[str]) -> Sequence[str] | None:
    """Where that stands of which a member tells: a variable of an environment, or a Secret inside another object. None where the
    member tells nothing."""
    if not tokens:
        return None
    if tokens[-1] == "name" and len(tokens) > 2 and tokens[-3] == "env":
        return tokens[:-1]
    if tokens[-1] == "name" and len(tokens) > 2 and tokens[-2] == "metadata":
        return tokens[:-2]
    return tokens[:-1] if tokens[-1] in _OF_SECRETS and len(tokens) > 1 else None


def is_told(field: Field, member: str) -> bool:
    """Whether something in this field is masked because of a member of this name."""
    if field.stored.shape != "object" or not hides(field):
        return False
    return member == "name" or text_at(field.stored, "kind") == "Secret"


def hides(field: Field) -> bool:
    """Whether anything in a field is masked."""
    return field.stored.render("recorded") != field.masked.render("recorded")


def refusal(place: str) -> Refusal:
    return Refusal(403, "Forbidden", f"a patch may not change {place}: by it a value that stands beside it is masked")


def may_retell(sent: Sent) -> bool:
    """Whether a merge patch, or what is applied, has a member that tells of a Secret inside a custom resource. Kubernetes' own
    kinds have none inside, and a strategic patch is for them alone."""
    if sent.format not in ("merge-patch", "apply") or (sent.act.group, sent.act.resource) in KINDS:
        return False
    if not any(word in sent.body for word in (b'"kind"', b'"type"', b'"metadata"', b"\\u")):
        return False
    waiting = [node for name, node in sent.read().members() if name != "metadata"]
    while waiting:
        node = waiting.pop()
        if node.shape == "object":
            members = node.members()
            if any(name in _OF_SECRETS for name, _ in members):
                return True
            waiting += (child for _, child in members)
        elif node.shape == "list":
            waiting += node.items()
    return False


def refuse_retelling(body: Node, root: Field, *, applied: bool) -> None:
    """Raise Refusal 403 where a merge patch, or what is applied, changes what tells of a Secret inside the stored object. An item
    of a list that is applied may be any item; a merge patch replaces lists."""
    waiting = [(node, root.member(name)) for name, node in body.members() if name != "metadata"]
    while waiting:
        node, fields = waiting.pop()
        if not fields:
            continue
        if node.shape == "object":
            for name, child in node.members():
                if name in _OF_SECRETS and any(is_told(field, name) and _differs(child, field, name) for field in fields):
                    raise refusal(child.path)
                waiting.append((child, [inner for field in fields for inner in field.member(name)]))
        elif node.shape == "list" and applied:
            items = [field.item(index) for field in fields for index in range(len(field.stored.items()))]
            waiting += ((item, items) for item in node.items())


def _differs(sent: Node, field: Field, name: str) -> bool:
    if name == "metadata":
        there = text_at(field.stored, "metadata", "name")
        return sent.shape != "object" or (sent.member("name") is not None and text_at(sent, "name") != there)
    stored = field.stored.member(name)
    return stored is None or sent.scalar() != stored.scalar() or sent.shape != stored.shape
