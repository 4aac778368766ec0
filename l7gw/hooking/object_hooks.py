"""Hooks for objects, behind our own masks: what each is given of an object, and what is done with the paths that it gives."""

from __future__ import annotations

import binascii
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from l7gw import hooks
from l7gw.errors import Refusal
from l7gw.hooking import plain_values
from l7gw.hooking.hooked import Hooked, HookFailed
from l7gw.kube.objects.node import Node
from l7gw.masking.objects.hiding import Hiding, Masked
from l7gw.masking.objects.machine_fields import is_machine
from l7gw.masking.objects.object_kinds import Unit, kind_of, text_of, units
from l7gw.masking.objects.objects import ObjectMasker
from l7gw.masking.placeholder import FILLER, PLACEHOLDER

# What the cluster answers here is a credential. No hook sees it, whatever its configuration says.
CREDENTIALS = frozenset(("TokenRequest", "TokenReview"))


class HookedMasks:
    """Masks the objects of one call as `inner` does, then as the hooks say. `act` is the call as a hook without `raw: true` sees
    it, and `raw_act` as one with it does."""

    __slots__ = ("_act", "_hooks", "_inner", "_raw_act")

    def __init__(self, inner: ObjectMasker, loaded: Sequence[Hooked], *, act: hooks.Act, raw_act: hooks.Act) -> None:
        self._inner = inner
        self._hooks = loaded
        self._act = act
        self._raw_act = raw_act

    @property
    def one_view(self) -> bool:
        return self._inner.one_view

    def needs_reading(self, data: bytes, listed: str = "") -> bool:
        """Whether an object, or a part of a body, has to be read: always, since nobody knows what a hook looks for."""
        return True

    def mask(self, node: Node, *, where_prefix: str = "", listed: str = "", fixed: bool = False) -> Masked:
        """Mask an object, an item or an event. Raises Unreadable, and Refusal 502 where a hook fails."""
        inner = self._inner
        done = inner.mask(node, where_prefix=where_prefix, listed=listed, fixed=fixed)
        hiding = Hiding(inner.key, inner.cluster, inner.obligations, prefix=where_prefix, fixed=fixed, sent=bool(inner.sender))
        for unit in units(node, kind_of(inner.act), inner.act.namespace, listed=listed):
            look(self._hooks, unit, hiding, act=self._act, raw_act=self._raw_act)
        if hiding.done.finds:
            done.finds += hiding.done.finds
            done.recorded = None
        return done


def look(loaded: Sequence[Hooked], unit: Unit, hiding: Hiding, *, act: hooks.Act, raw_act: hooks.Act) -> None:
    """Show one object to hooks, and mask what they name. Raises Refusal 502 where one fails."""
    node = unit.node
    hiding.namespace = unit.namespace
    for hook in loaded:
        raw = hook.raw and CREDENTIALS.isdisjoint(unit.kinds)
        make: Any = plain_values.as_it_came if raw else plain_values.masked
        view = hooks.View(
            raw_act if hook.raw else act,
            sent=hiding.sent,
            api_version=text_of(node.member("apiVersion")),
            kind=unit.kinds[0],
            namespace=unit.namespace,
            name=text_of(node.at("metadata", "name")),
            make=partial(make, node, unit.apart),
        )
        try:
            paths = hook.masks(view)
        except HookFailed as error:
            raise Refusal(502, "BadGateway", str(error)) from None
        for path in paths:
            names = plain_values.steps(path)
            found = plain_values.at(node, names) if names and names[0] not in unit.apart else None
            if names and found is not None:
                _hide(found, names, hiding, hook.detector, encoded=_is_encoded(unit, names))


def _is_encoded(unit: Unit, names: Sequence[str | int]) -> bool:
    """Whether JSON has base64 there."""
    return names[0] == "binaryData" or (names[0] == "data" and "Secret" in unit.kinds)


def _hide(node: Node, names: Sequence[str | int], hiding: Hiding, detector: str, *, encoded: bool) -> None:
    """Mask a value; of an object or a list every value in it that is no machine's, so that its shape stays. `names` lead to it."""
    if is_machine(names):
        return
    if node.shape == "object":
        for name, member in node.members():
            _hide(member, (*names, name), hiding, detector, encoded=encoded)
    elif node.shape == "list":
        for index, item in enumerate(node.items()):
            _hide(item, (*names, index), hiding, detector, encoded=encoded)
    elif node.edited:
        if not _is_masked(node, encoded=encoded):
            hiding.hide_again(node, detector, encoded=encoded)
    elif encoded or node.shape == "octets":
        hiding.hide_octets(node, detector)
    else:
        hiding.hide(node, detector)


def _is_masked(node: Node, *, encoded: bool) -> bool:
    """Whether all of a value that was edited is masked: by the structure of the object, or by another hook."""
    text = plain_values.masked(node)
    if not isinstance(text, str):
        return True
    if encoded or node.shape == "octets":
        with contextlib.suppress(ValueError):
            text = binascii.a2b_base64(text, strict_mode=True).decode("latin-1")
    found = PLACEHOLDER.match(text)
    return not text[found.end() if found is not None else 0 :].strip(FILLER)
