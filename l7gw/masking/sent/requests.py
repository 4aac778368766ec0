"""What a caller sent, as it is recorded: the request's target, its headers and its body.

Policy sees the bytes as they were sent, and so does whoever holds a call; this is for the record alone. Masking is no cloak: a
caller must not be able to hide a command here. So verb, object, names and the program of an exec are never masked, and outside of
what is a secret by its place only values of a fixed shape are, the passwords of a few programs, and registered values that the
caller did not write. Each find says how many bytes were masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from l7gw.kube.objects.node import Node
from l7gw.masking.find import Find
from l7gw.masking.objects.hiding import Cut
from l7gw.masking.objects.object_kinds import Unit, kind_of, text_of, units
from l7gw.masking.objects.objects import ObjectMasker, apart, in_characters
from l7gw.masking.objects.structure import mask_structure
from l7gw.masking.placeholder import BEGINNING, Tagger
from l7gw.masking.sent.arguments import passwords
from l7gw.masking.sent.placed import placed
from l7gw.masking.users_hooks import CallHooks

Headers = tuple[tuple[str, str], ...]

ARGUMENT = "argument"  # the name of a password among the arguments of a command

# Parameters that steer a call, and what names objects
_NEVER = frozenset(
    """
    container stdin stdout stderr tty ports follow previous watch limit continue resourceVersion resourceVersionMatch
    timeout timeoutSeconds allowWatchBookmarks sendInitialEvents fieldManager fieldValidation dryRun force pretty
    """.split()
)
_SAFE = "!$&'()*+,;=:@~"  # as kube/requestinfo.py writes paths


class RecordedBody(NamedTuple):
    """What is recorded in the place of a body, and what was masked in it."""

    recorded: bytes
    finds: list[Find]


class RecordedText(NamedTuple):
    """What is recorded in the place of a text, and what was masked in it."""

    recorded: str
    finds: list[Find]


def recorded_body(masks: ObjectMasker, node: Node, *, is_json_patch: bool = False, hooks: CallHooks | None = None) -> RecordedBody:
    """A body that the caller sent. `node` is the body as it was read, strictly; `masks` know the sender. `hooks` are the users'
    own, and look at it behind our masks. Raises Unreadable, and Refusal 502 where a hook fails."""
    if not is_json_patch:
        done = (masks if hooks is None else hooks.objects(masks)).mask(node)
        return RecordedBody(node.render("recorded"), done.finds)
    hiding = masks.hiding()
    raw = node.render("recorded")
    brought: list[Unit] = []
    for operation in node.items():
        value = operation.member("value")
        if value is not None:
            whole = placed(text_of(operation.member("path")), value)
            for unit in units(whole, kind_of(masks.act), masks.act.namespace):
                mask_structure(unit, hiding)
                brought.append(unit)
    if masks.looks_held(raw):
        for operation in node.items():
            steering = frozenset(("op", "path", "from"))
            masks.scan(Unit(node=operation, kinds=("",), namespace=masks.act.namespace, apart=steering), hiding)
    if hooks is not None:
        for unit in brought:
            hooks.look(unit, hiding)
    return RecordedBody(node.render("recorded"), hiding.done.finds)


def recorded_target(masks: ObjectMasker, target: str) -> RecordedText:
    """The request target. `where` of a find is `target:OFFSET`, in bytes of what is recorded."""
    path, question, query = target.partition("?")
    written = _Written(masks, "target")
    if masks.act.subresource == "proxy" and "/proxy/" in path:
        # What an application calls its pages may hold a token; what stands before names the object
        named, word, behind = path.partition("/proxy/")
        written.add(named + word)
        for number, segment in enumerate(behind.split("/")):
            written.add("/" if number else "")
            plain = unquote(segment, errors="surrogateescape")
            written.add_value(segment, plain, written.cuts(plain), _quoted_segment)
    else:
        written.add(path)
    if question:
        written.add("?")
        _query(written, query, is_exec=masks.act.subresource == "exec")
    return RecordedText("".join(written.pieces), written.finds)


def _query(written: _Written, query: str, *, is_exec: bool) -> None:
    pairs = [pair.partition("=") for pair in query.split("&")]
    arguments = [index for index, (key, _, _) in enumerate(pairs) if is_exec and unquote_plus(key) == "command"]
    argv = [unquote_plus(pairs[index][2], errors="surrogateescape") for index in arguments]
    asked = {arguments[index]: start for index, start in passwords(argv)}
    for index, (key, equals, value) in enumerate(pairs):
        written.add(("&" if index else "") + key + equals)
        if index in arguments[:1] or unquote_plus(key) in _NEVER:  # the program, and what steers the call
            written.add(value)
            continue
        plain = unquote_plus(value, errors="surrogateescape")
        cuts = written.cuts(plain)
        if index in asked:
            cuts = apart([Cut(start=asked[index], end=len(plain), detector=ARGUMENT), *cuts])
        written.add_value(value, plain, cuts, _quoted_value)


def recorded_headers(masks: ObjectMasker, headers: Headers) -> tuple[Headers, list[Find]]:
    """The headers of a request, out of which the recording has taken the credentials already, or those of an answer. `where` of a
    find is `NAME:OFFSET`."""
    if not masks.looks_held("\n".join(value for _, value in headers).encode("utf-8", "surrogateescape")):
        return headers, []
    finds: list[Find] = []
    recorded: list[tuple[str, str]] = []
    for name, value in headers:
        written = _Written(masks, name)
        written.add_value(value, value, written.cuts(value), str)
        recorded.append((name, "".join(written.pieces)))
        finds += written.finds
    return tuple(recorded), finds


class _Written:
    """A text, as it is recorded."""

    def __init__(self, masks: ObjectMasker, channel: str) -> None:
        self._masks = masks
        self._channel = channel
        self._tagger = Tagger(masks.key, masks.cluster, masks.act.namespace)
        self._size = 0  # bytes in `pieces`
        self.pieces: list[str] = []
        self.finds: list[Find] = []

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self._size += len(text.encode("utf-8", "surrogateescape"))

    def cuts(self, text: str) -> list[Cut]:
        """What is masked in a text, in characters."""
        data = text.encode("utf-8", "surrogateescape")
        return in_characters(data, self._masks.cuts(data, self._masks.act.namespace))

    def add_value(self, encoded: str, plain: str, cuts: Sequence[Cut], quoted: Callable[[str], str]) -> None:
        """Add a value, which stands for `plain`: as it came, where nothing is cut out of it."""
        if not cuts:
            self.add(encoded)
            return
        at = 0
        for cut in cuts:
            self.add(quoted(plain[at : cut.start]))
            value = plain[cut.start : cut.end].encode("utf-8", "surrogateescape")
            tag = cut.tag or self._tagger.tag(value)
            where = f"{self._channel}:{self._size}"
            self.finds.append(Find(detector=cut.detector, where=where, length=len(value), tag=tag, others=cut.others))
            self.add(f"{BEGINNING}{cut.detector}-{tag}")
            at = cut.end
        self.add(quoted(plain[at:]))


def _quoted_segment(text: str) -> str:
    return quote(text, safe=_SAFE, errors="surrogateescape")


def _quoted_value(text: str) -> str:
    return quote_plus(text, safe="~", errors="surrogateescape")
