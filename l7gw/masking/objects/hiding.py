"""The masks of one body: values are put out of sight here, and what was found is remembered.

A rule of the structure, or a scan of the content, says which value by which name. Whether the caller still sees the value is up to
the deciding rule of the policy (`Obligations.reveals`); the recording never has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from l7gw.config.settings import MaskingField
from l7gw.kube.objects.node import Node
from l7gw.masking.find import Find
from l7gw.masking.placeholder import PLACEHOLDER, TAG_DIGITS, Tagger, of_length
from l7gw.obligations import Obligations
from l7gw.steps import spent

MOST_LEARNED = 512  # KiB and values of one object that are recognised elsewhere; each takes 0.2 ms, and all calls wait
Learn = Callable[[str, bytes], None]  # takes the namespace and the value of a Secret that was masked


class Masked(msgspec.Struct, kw_only=True, gc=False):
    """What masking did to one body, or to a part of it."""

    finds: list[Find] = []
    warnings: list[str] = []  # each goes into a Warning header of the answer, without the prefix `l7gw: `
    recorded: bytes | None = None  # the recorded view, where it was made and nothing was masked since


class Cut(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place in a text or bytes whose value is masked: `text[start:end]`. `tag` is "" where the place itself is the value."""

    start: int
    end: int
    detector: str
    tag: str = ""
    others: tuple[str, ...] = ()  # the names of what else was found there: it is shown where each of them is revealed, too

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which the place is masked."""
        return (self.detector, *self.others)


class Hiding:
    """Masks values of one body. `namespace` is that of the object whose values are masked just now.

    `fixed` says that the body keeps its length: a placeholder is cut or filled to the length of its value. `sent` says that a
    caller sent the body: a placeholder in it is no value, and stays. `fields` are those that the configuration names.
    """

    __slots__ = (
        "_cluster",
        "_key",
        "_learn",
        "_learned",
        "_namespace",
        "_obligations",
        "_prefix",
        "_tagger",
        "done",
        "fields",
        "fixed",
        "sent",
    )

    def __init__(
        self,
        key: bytes,
        cluster: str,
        obligations: Obligations,
        *,
        prefix: str = "",
        fixed: bool = False,
        sent: bool = False,
        fields: Sequence[MaskingField] = (),
        learn: Learn | None = None,
    ) -> None:
        self._key = key
        self._cluster = cluster
        self._obligations = obligations
        self._prefix = prefix
        self._learn = learn
        self._learned = 0  # values of the object, and KiB of them
        self._namespace = ""
        self._tagger = Tagger(key, cluster, "")
        self.fixed = fixed
        self.sent = sent
        self.fields = fields
        self.done = Masked()

    @property
    def namespace(self) -> str:
        """The namespace of the object whose values are masked just now; "" for an object of the cluster."""
        return self._namespace

    @namespace.setter
    def namespace(self, namespace: str) -> None:
        if namespace != self._namespace:
            self._namespace = namespace
            self._tagger = Tagger(self._key, self._cluster, namespace)

    def reveals(self, *names: str) -> bool:
        """Whether the caller sees a value that goes by any of these names."""
        return self._obligations.reveals(*names)

    def warn(self, words: str) -> None:
        """Have the answer carry a warning, once."""
        if words not in self.done.warnings:
            self.done.warnings.append(words)

    def next_object(self) -> None:
        """Another object follows, of which values may be remembered. What it holds inside counts as its own."""
        self._learned = 0

    def learn(self, value: bytes) -> None:
        """Remember a value of a Secret, so that it is recognised elsewhere too: of one object MOST_LEARNED."""
        size = 1 + len(value) // 1024
        spent(4 * size)  # to register a value, or a KiB of a long one, costs as much as to mask four
        self._learned += size
        if self._learn is not None and self._learned <= MOST_LEARNED:
            self._learn(self._namespace, value)

    def hide(self, node: Node, detector: str, *also: str) -> None:
        """Mask a value whole. `also` are further names by which a rule may reveal it. Nothing is done to an empty value, to null,
        and to a value that is masked already. A value that is no text, where a text belongs, is masked as it is encoded."""
        text = node.text()
        if node.edited and node.shape in ("text", "octets"):
            return
        if text is None:
            if node.shape == "null" or not (value := node.octets() if node.shape == "octets" else node.render("recorded")):
                return
        elif not text or self._is_placeholder(text):
            return
        else:
            value = text.encode("utf-8", "surrogatepass")
        self._put(node, self._placeholder(detector, value, self._room(node, value)), detector, also, value)

    def hide_again(self, node: Node, detector: str, *, encoded: bool) -> None:
        """Mask a value whole of which a part was masked before. `encoded`: it is a field of bytes, which JSON has in base64."""
        octets = node.octets() if encoded or node.shape == "octets" else None
        value = (node.text() or "").encode("utf-8", "surrogatepass") if octets is None else octets
        placeholder = self._placeholder(detector, value, self._room(node, value))
        shown_too = not self.reveals(detector)
        if octets is None:
            node.replace(placeholder, shown_too=shown_too)
        else:
            node.replace_octets(placeholder.encode(), shown_too=shown_too)
        self._found(node.path, detector, value, placeholder)

    def hide_octets(self, node: Node, detector: str, *also: str) -> None:
        """Mask the value of a field of bytes, which JSON has in base64: the placeholder is encoded in the same way. A text that is
        no base64 is masked as a text."""
        value = node.octets()
        if node.edited and node.shape in ("text", "octets"):
            return
        if value is None:
            self.hide(node, detector, *also)
            return
        if not value or self._is_placeholder(value.decode("latin-1")):
            return
        placeholder = self._placeholder(detector, value, self._room(node, value))
        shown = self.reveals(detector, *also)
        node.replace_octets(placeholder.encode(), shown_too=not shown)
        self._found(node.path, detector, value, placeholder)

    def cut(self, node: Node, text: str, cuts: Sequence[Cut]) -> None:
        """Mask parts of a text. `text` is the node's text, and the cuts are in order and apart, in characters."""
        recorded: list[str] = []
        shown: list[str] = []
        at = 0
        for cut in cuts:
            value = text[cut.start : cut.end]
            placeholder, seen = self._of_cut(node, cut, value.encode("utf-8", "surrogatepass"))
            recorded += text[at : cut.start], placeholder
            shown += text[at : cut.start], value if seen else placeholder
            at = cut.end
        whole, seen_whole = "".join((*recorded, text[at:])), "".join((*shown, text[at:]))
        node.replace(seen_whole)
        if whole != seen_whole:
            node.replace(whole, shown_too=False)

    def cut_octets(self, node: Node, data: bytes, cuts: Sequence[Cut], *, fixed: bool = False) -> None:
        """Mask parts of a field of bytes. `data` is what it holds, and the cuts are in order and apart, in bytes. `fixed`: the
        field keeps its length."""
        recorded: list[bytes] = []
        shown: list[bytes] = []
        at = 0
        for cut in cuts:
            value = data[cut.start : cut.end]
            placeholder, seen = self._of_cut(node, cut, value, fixed=fixed)
            recorded += data[at : cut.start], placeholder.encode()
            shown += data[at : cut.start], value if seen else placeholder.encode()
            at = cut.end
        whole, seen_whole = b"".join((*recorded, data[at:])), b"".join((*shown, data[at:]))
        node.replace_octets(seen_whole)
        if whole != seen_whole:
            node.replace_octets(whole, shown_too=False)

    def _of_cut(self, node: Node, cut: Cut, value: bytes, *, fixed: bool = False) -> tuple[str, bool]:
        """The placeholder of a cut, and whether the caller sees the value instead."""
        placeholder = self._tagger.placeholder(cut.detector, value, cut.tag)
        if self.fixed or fixed:
            placeholder = of_length(placeholder, len(value)).decode()
        self._found(node.path, cut.detector, value, placeholder, cut.others)
        return placeholder, not self._obligations.hidden(cut.names)

    def _placeholder(self, detector: str, value: bytes, length: int | None) -> str:
        placeholder = self._tagger.placeholder(detector, value)
        return placeholder if length is None else of_length(placeholder, length).decode()

    def _room(self, node: Node, value: bytes) -> int | None:
        """How many bytes a placeholder has to have; None where its length is free."""
        if node.shape == "octets" and node.fixed_length is not None:
            return node.fixed_length  # bytes of protobuf of which nobody knows what they are
        return len(value) if self.fixed else None

    def _is_placeholder(self, text: str) -> bool:
        return self.sent and PLACEHOLDER.fullmatch(text) is not None

    def _put(self, node: Node, placeholder: str, detector: str, also: tuple[str, ...], value: bytes) -> None:
        node.replace(placeholder, shown_too=not self.reveals(detector, *also))
        self._found(node.path, detector, value, placeholder)

    def _found(self, path: str, detector: str, value: bytes, placeholder: str, others: tuple[str, ...] = ()) -> None:
        spent()
        where = self._prefix + ("." if self._prefix and path and not path.startswith("[") else "") + path
        tag = "" if placeholder.startswith("*") else placeholder.rstrip("*")[-TAG_DIGITS:]
        self.done.finds.append(Find(detector=detector, where=where, length=len(value), tag=tag, others=others))
