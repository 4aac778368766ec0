"""Walks through an object, for those who look at every text of it: scanners, and the search for placeholders."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from l7gw.kube.objects.node import Node

Enters = Callable[[str, Node], bool]  # a member's name and the member: whether the walk goes into it


def leaves(node: Node, *, documents: bool = False, enters: Enters | None = None) -> Iterator[Node]:
    """Every text and every value of bytes in `node`, itself too, in their order.

    With `documents`, a text that holds a JSON object or list is walked through in its place. A text that was edited is not given;
    what stands within an object that was replaced or taken out is. `enters` is asked for each member of an object, before anything
    of it is read. The walk holds an iterator for each level, of which there are DEEPEST at most. Raises Unreadable.
    """
    stack: list[Iterator[tuple[str, Node]]] = [iter((("", node),))]
    while stack:
        for _, found in stack[-1]:
            shape = found.shape
            if shape == "object":
                inside = found.members()
                stack.append(iter(inside) if enters is None else iter([each for each in inside if enters(*each)]))
                break
            if shape == "list":
                stack.append(("", item) for item in found.items())
                break
            if shape not in ("text", "octets"):
                continue
            document = found.document() if documents else None
            if document is not None:
                stack.append(iter((("", document),)))
                break
            if not found.edited:
                yield found
        else:
            stack.pop()


def strings(node: Node, *, documents: bool = False, enters: Enters | None = None) -> Iterator[tuple[str, Node]]:
    """Every text in `node` with the node of it, as `leaves` walks. Bytes that are no UTF-8 are left out."""
    for leaf in leaves(node, documents=documents, enters=enters):
        text = leaf.text()
        if text is not None:
            yield text, leaf
