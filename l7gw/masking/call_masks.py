"""What masking does for one call. The exchange makes one where a call is allowed, and asks it for the masks of the call's bodies
and streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import msgspec

from l7gw.config.settings import MaskingField
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.bodies.answers import Choice
from l7gw.masking.bodies.bodies import BodyMask, Budget, ObjectBody, ObjectMasks
from l7gw.masking.bodies.log_bodies import LOG, LogBody
from l7gw.masking.bodies.streams import StreamRules
from l7gw.masking.bodies.text_bodies import TextBody
from l7gw.masking.bodies.texts import TextMasks
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.find import Find
from l7gw.masking.objects.objects import ObjectMasker
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.masking.sent.requests import Headers, recorded_headers
from l7gw.masking.users_hooks import CallHooks, Hooks
from l7gw.obligations import Obligations


class CallMasks(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as masking knows it. `principal` is who asks, and `obligations` are those of the rule that allowed it. `scanner`
    has the detectors that are on for this call."""

    key: bytes
    cluster: str  # its name in the configuration
    act: Act
    principal: Principal
    obligations: Obligations
    scanner: Scanner
    fields: tuple[MaskingField, ...]  # that the configuration names
    registry: Registry | None
    budget: Budget
    hooks: Hooks | None = None

    def tagger(self, namespace: str) -> Tagger:
        """Makes the tags of a namespace; "" is for objects of the cluster."""
        return Tagger(self.key, self.cluster, namespace)

    def texts(self, *, sender: str = "") -> TextMasks:
        """The masks of texts. `sender` is who sends them, "" where the cluster does."""
        return TextMasks(
            tagger=self.tagger(self.act.namespace),
            obligations=self.obligations,
            scanner=self.scanner,
            registry=self.registry,
            sender=sender,
        )

    def streams(self) -> StreamRules:
        """How the streams of the call are masked: those of the client as what the principal sends."""
        return StreamRules(
            tagger=self.tagger(self.act.namespace),
            scanner=self.scanner,
            registry=self.registry,
            obligations=self.obligations,
            sender=self.principal.user,
            tty=self.act.tty,
        )

    def log(self, now: Callable[[], float], *, packed: bool) -> LogBody:
        """The mask of a container's log. `now` gives monotonic seconds; `packed`: it comes in gzip."""
        hooks = self.call_hooks()
        return LogBody(self.streams(), now, hooks.channel(LOG, up=False) if hooks is not None else None, packed=packed)

    def ends(self, *detectors: str) -> str:
        """Why the rule ends a stream in which these found something; "" where it goes on."""
        hidden = self.obligations.hidden(detectors)
        if not hidden or not self.obligations.ends_on_mask:
            return ""
        return f"a value was masked ({', '.join(hidden)}), and the rule for this call ends such a stream"

    def objects(self, *, sender: str = "") -> ObjectMasker:
        """The masks of objects. `sender` is who sends them, "" where the cluster does."""
        return ObjectMasker(
            key=self.key,
            cluster=self.cluster,
            act=self.act,
            obligations=self.obligations,
            scanner=self.scanner,
            registry=self.registry,
            sender=sender,
            fields=self.fields,
        )

    def headers(self, headers: Headers) -> tuple[Headers, Headers, list[Find]]:
        """The header fields of an answer as the client gets them, as they are recorded, and what was masked."""
        recorded, finds = recorded_headers(self.objects(), headers)
        hidden = any(self.obligations.hidden(find.names) for find in finds)
        return recorded if hidden else headers, recorded, finds

    def call_hooks(self) -> CallHooks | None:
        """The users' hooks of this call; None where there are none for objects or frames."""
        if self.hooks is None:
            return None
        sent = self.objects(sender=self.principal.user)
        return self.hooks.of_call(self.principal, self.cluster, self.act, sent)

    def shown(self) -> ObjectMasks:
        """The masks of the objects that the cluster sends, with the users' hooks behind them."""
        masks, hooks = self.objects(), self.call_hooks()
        return masks if hooks is None else hooks.objects(masks)

    def answer(self, chosen: Choice) -> BodyMask | None:
        """The mask of an answer's body; None where the body passes as it comes. That of a container's log is made by `log`."""
        match chosen.sort:
            case "object" | "watch":
                live = chosen.sort == "watch"
                return ObjectBody(self.shown(), self.budget, protobuf=chosen.protobuf, packed=chosen.packed, live=live)
            case "text":
                return TextBody(self.texts(), self.budget, packed=chosen.packed)
            case "as-it-came" | "unmasked" | "log":
                return None
            case _:
                assert_never(chosen.sort)
