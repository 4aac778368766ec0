"""What a caller sent with one call, as it is recorded: the request line, the headers, the body (`masking/sent/requests.py`).

A body is read strictly before any of it goes up: what two readers could read in two ways is refused, and so is what nobody can
mask. It goes up as it came. What is refused is recorded too, masked, where it has one reading. Where it has none nobody can say
what in it is a secret: of that the record has the length alone.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, unquote_plus

import msgspec

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.objects.body_kinds import check_body, in_other_letters
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.find import Find
from l7gw.masking.placeholder import TAG_DIGITS
from l7gw.masking.sent.requests import Headers, recorded_body, recorded_headers, recorded_target
from l7gw.masking.sent.sent_body import FORMATS, format_of, read_as

NOBODY = "-"  # who sends, in attempts without a principal; no user's name


class SentMasks:
    """The masks of what is recorded of one request. `finds` grows; who takes finds takes them out. `refused` is, of a body that
    `body` refused, what is recorded of it; b"" where nothing may be."""

    __slots__ = ("_masks", "_objects", "finds", "refused")

    def __init__(self, masks: CallMasks) -> None:
        self._masks = masks
        self._objects = masks.objects(sender=masks.principal.user or NOBODY)
        self.finds: list[Find] = []
        self.refused = b""

    def needed(self, target: str, values: str) -> bool:
        """Whether something in the request's head may have to be masked: where this is false, nothing has. `values` are those of
        the headers, each in a line. It costs two searches, or two look-ups where the same line and values came before."""
        if "command=" in target:
            return True  # a password among the arguments of a command looks like nothing
        line = unquote_plus(target, errors="surrogateescape") if "%" in target or "+" in target else target
        return self._objects.looks_held_text(line) or self._objects.looks_held_text(values)

    def text(self, text: str) -> str:
        """A text of the caller's that has no place of its own: a client's name, a command. Its finds are told elsewhere."""
        return recorded_headers(self._objects, (("", text),))[0][0][1]

    def line(self, target: str, act: Act | None) -> tuple[str, Act | None]:
        """The request's target, and what was read from it, as they are recorded."""
        found = recorded_target(self._objects, target)
        if not found.finds:
            return target, act
        self.finds += found.finds
        return found.recorded, None if act is None else _masked(act, found.recorded)

    def named(self, act: Act) -> Act:
        """What was asked for, as the log tells it: names and paths are masked there too, though the recording has them."""
        path = self.text(unquote(act.path, errors="surrogateescape"))
        return msgspec.structs.replace(act, path=path, namespace=self.text(act.namespace), name=self.text(act.name))

    def headers(self, headers: Headers) -> Headers:
        """The headers, out of which the recording has taken the credentials already."""
        recorded, finds = recorded_headers(self._objects, headers)
        self.finds += finds
        return recorded

    def body(self, body: bytes, content_type: str) -> bytes:
        """The body as it is recorded. Raises Refusal: 415 for a type that nobody can read, 400 for a body with two readings, or of
        a kind that the URL does not take."""
        act = self._masks.act
        if not act.is_resource or act.subresource == "proxy":
            return self._plain(body)
        kind = format_of(content_type)
        if kind is None:
            taken = ", ".join(name for name in FORMATS if name)
            raise Refusal(415, "UnsupportedMediaType", f"a body of this type cannot be masked; send one of {taken}")
        try:
            node = read_as(kind, body)
            refusal = _not_taken(act, node) if kind != "json-patch" else None
            hooks = self._masks.call_hooks()
            sent = recorded_body(self._objects, node, is_json_patch=kind == "json-patch", hooks=hooks)
        except Unreadable as error:
            if kind == "apply" and body.lstrip()[:1] != b"{":
                raise Refusal(415, "UnsupportedMediaType", "YAML is not taken; send the object as JSON") from error
            raise Refusal(400, "BadRequest", f"the body cannot be read: {error}") from error
        if refusal is not None:
            if not _says_kinds_oddly(node):
                self.finds += sent.finds
                self.refused = sent.recorded
            raise refusal
        self.finds += sent.finds
        return sent.recorded

    def _plain(self, body: bytes) -> bytes:
        """A body of an application's, whatever it is."""
        texts = self._masks.texts(sender=self._objects.sender)
        recorded: list[bytes] = []
        at = size = 0
        for cut in texts.cuts(body):
            value, before = body[cut.start : cut.end], body[at : cut.start]
            placeholder = texts.placeholder(value, cut).encode()
            size += len(before)
            where = f"body:{size}"
            self.finds.append(Find(detector=cut.detector, where=where, length=len(value), tag=placeholder[-TAG_DIGITS:].decode()))
            size += len(placeholder)
            recorded += before, placeholder
            at = cut.end
        return b"".join((*recorded, body[at:])) if recorded else body


def _not_taken(act: Act, node: Node) -> Refusal | None:
    """Why the act's URL does not take an object of this kind; None where it does. Raises Unreadable."""
    try:
        check_body(act, node)
    except Refusal as refusal:
        return refusal
    return None


def _says_kinds_oddly(node: Node) -> bool:
    """Whether any object in a body names its kind in other letters: by it, nobody can say which of its values are secrets."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node.shape == "object":
            for name, child in node.members():
                if in_other_letters(name):
                    return True
                waiting.append(child)
        elif node.shape == "list":
            waiting += node.items()
    return False


def _masked(act: Act, target: str) -> Act:
    """What the recorded target says of the act."""
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    one = dict(reversed(pairs))
    return msgspec.structs.replace(
        act,
        argv=None if act.argv is None else tuple(value for key, value in pairs if key == "command"),
        label_selector=None if act.label_selector is None else one.get("labelSelector"),
        field_selector=None if act.field_selector is None else one.get("fieldSelector"),
    )
