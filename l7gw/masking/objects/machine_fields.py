"""Which texts of an object are looked into for what looks like a secret, and which are a machine's.

A machine's are keys, names and references, versions, times, digests: text by which programs find and compare things. A placeholder
there would break them, and what looks like a token there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from l7gw.kube.objects.node import Node
from l7gw.steps import spent

# Members whose values nobody looks into, wherever they stand in an object that is Kubernetes' own or a custom one
_MACHINE = frozenset(
    """
    apiVersion kind name generateName namespace uid resourceVersion selfLink continue remainingItemCount generation
    creationTimestamp deletionTimestamp ownerReferences managedFields finalizers
    image imageID containerID nodeName hostname serviceAccountName serviceAccount schedulerName runtimeClassName priorityClassName
    storageClassName volumeName claimName secretName configMapName secretKeyRef configMapKeyRef fieldRef resourceFieldRef fieldPath
    involvedObject regarding related reportingController reportingComponent reportingInstance
    podIP podIPs hostIP hostIPs clusterIP clusterIPs phase reason lastTransitionTime lastProbeTime lastUpdateTime lastHeartbeatTime
    startTime startedAt finishedAt firstTimestamp lastTimestamp eventTime caBundle columnDefinitions
    """.split()
)
# Those of them that are objects or lists in Kubernetes. The others are single words: where a custom resource has an object there,
# as in `image: {url: https://user:password@host}`, it is looked into
_MACHINES_OBJECTS = frozenset(
    """
    ownerReferences managedFields finalizers secretKeyRef configMapKeyRef fieldRef resourceFieldRef involvedObject regarding related
    podIPs hostIPs clusterIPs columnDefinitions
    """.split()
)
# Members whose keys are the users': what stands in them is looked into, whatever its key
_MAPS = frozenset(("annotations", "labels", "data", "stringData", "binaryData", "matchLabels", "nodeSelector", "parameters"))


def is_machine(names: Sequence[str | int]) -> bool:
    """Whether a value is a machine's, by the names and indexes that lead to it."""
    before = ""
    for name in names:
        if isinstance(name, str):
            if name in _MACHINE and before not in _MAPS:
                return True
            before = name
    return False


class Text(NamedTuple):
    """A text that is looked into. `encoded`: it is a field of bytes, in base64 where the encoding is JSON."""

    node: Node
    encoded: bool
    fixed: bool = False  # its length must stay: a field of protobuf of which only the number is known
    name: str = ""  # of the member that it is, where that says something of it; "" in a map whose keys are the users'


def _is_unknown(name: str) -> bool:
    """Whether protobuf gives this name to bytes of which nobody knows what they are (kube/objects/protobuf_nodes.py)."""
    return name == "raw" or name.startswith("#")


class _Level(NamedTuple):
    node: Node
    name: str = ""
    users: bool = False  # the names of its members are the users'
    all: bool = False  # and so are those of everything below: JSON inside a text that is no manifest
    encoded: bool = False  # it is a field of bytes, or its members are
    fixed: bool = False  # its length must stay


def texts(
    root: Node, apart: frozenset[str] = frozenset(), holds: Callable[[bytes], bool] | None = None, *, sent: bool = False
) -> Iterator[Text]:
    """The texts of an object that are no machine's and were not edited yet, in their order. JSON inside a text is walked through.

    `apart` are members of the object itself that are left out. `holds` tells of the bytes of an object or list whether anything in
    it may be of interest; where not, it is not read. With `sent` the program of a container's command is left out too: nobody hides
    which program they run. Raises Unreadable for an object that is nested too deep.
    """
    waiting = [_Level(root)]
    while waiting:
        spent()
        level = waiting.pop()
        node = level.node
        shape = node.shape
        if shape in ("object", "list"):
            if holds is None or node is root or node.edited or level.encoded or holds(node.render("recorded")):
                waiting += reversed(_inside(level, apart if node is root else frozenset(), sent=sent))
        elif shape == "octets":
            if not node.edited:
                yield Text(node, encoded=True, fixed=level.fixed)
        elif shape == "text":
            document = node.document() if not level.encoded else None
            if document is not None:
                free = document.member("kind") is None
                waiting.append(_Level(document, users=free, all=free))
            elif not node.edited:
                yield Text(node, encoded=level.encoded, name=level.name)


def _inside(level: _Level, apart: frozenset[str], *, sent: bool) -> list[_Level]:
    """What stands in an object or list, and is looked into."""
    if level.node.shape == "list":
        items = level.node.items()
        return [level._replace(node=item) for item in (items[1:] if sent and level.name == "command" else items)]
    return [
        _Level(
            member,
            name=name if level.all or not level.users else "",
            users=level.all or name in _MAPS,
            all=level.all,
            encoded=name == "binaryData" or level.encoded,
            fixed=_is_unknown(name),
        )
        for name, member in level.node.members()
        if (level.users or not _is_of_machine(name, member)) and name not in apart
    ]


def _is_of_machine(name: str, node: Node) -> bool:
    return name in _MACHINE and (name in _MACHINES_OBJECTS or node.shape not in ("object", "list"))
