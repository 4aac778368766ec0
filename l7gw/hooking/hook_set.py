"""All hooks in force, by what they are for; what they say of a call; the copies that they are given."""

from __future__ import annotations

from collections.abc import Sequence

from l7gw import hooks
from l7gw.hooking.call_texts import AsRecorded, AsSent, Texts
from l7gw.hooking.frame_hooks import ChannelHooks
from l7gw.hooking.hooked import Hooked, HookFailed
from l7gw.hooking.object_hooks import HookedMasks, look
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.bodies.bodies import ObjectMasks
from l7gw.masking.objects.hiding import Hiding
from l7gw.masking.objects.object_kinds import Unit
from l7gw.masking.objects.objects import ObjectMasker
from l7gw.masking.users_hooks import Watch
from l7gw.policy.verdict import Verdict

_AS_SENT = AsSent()


class HookSet:
    """The hooks of a configuration, in its order. The order is that in which they are called."""

    __slots__ = ("acts", "all", "frames", "objects")

    def __init__(self, loaded: Sequence[Hooked] = ()) -> None:
        self.all = tuple(loaded)
        self.acts = tuple(hook for hook in loaded if "act" in hook.parts)
        self.objects = tuple(hook for hook in loaded if "object" in hook.parts)
        self.frames = tuple(hook for hook in loaded if "frame" in hook.parts)

    def judge(self, verdict: Verdict, principal: Principal, cluster: str, act: Act, masked: Texts) -> Verdict:
        """The policy's verdict on a call that it allows or, where a hook denies the call or fails, a denial by the hook. `masked`
        gives the texts of the call as they are recorded."""
        for hook in self.acts:
            try:
                why = hook.denial(act_of(principal, cluster, act, _AS_SENT if hook.raw else masked))
            except HookFailed as error:
                return Verdict(allowed=False, rule=hook.detector, reason=str(error))
            if why is not None:
                return Verdict(allowed=False, rule=hook.detector, reason=f"denied by hook {hook.name!r}: {masked.text(why)}")
        return verdict

    def of_call(self, principal: Principal, cluster: str, act: Act, masks: ObjectMasker) -> HooksOfCall | None:
        """The hooks of one call; None where no hook is for objects or frames. `masks` mask what the caller sends."""
        if not self.objects and not self.frames:
            return None
        return HooksOfCall(self, principal, cluster, act, AsRecorded(masks))

    def tick(self) -> None:
        """Once a second: write the counts of repeated lines in the log."""
        for hook in self.all:
            hook.tick()


class HooksOfCall:
    """The hooks of one call, as masking asks them."""

    __slots__ = ("_act", "_hooks", "_raw_act", "_texts")

    def __init__(self, loaded: HookSet, principal: Principal, cluster: str, act: Act, texts: Texts) -> None:
        self._hooks = loaded
        self._texts = texts
        self._act = act_of(principal, cluster, act, texts)
        self._raw_act = act_of(principal, cluster, act, _AS_SENT)

    def objects(self, masks: ObjectMasker) -> ObjectMasks:
        """The masks of objects, with the hooks behind them."""
        return HookedMasks(masks, self._hooks.objects, act=self._act, raw_act=self._raw_act) if self._hooks.objects else masks

    def look(self, unit: Unit, hiding: Hiding) -> None:
        """Show an object, or what a patch brings, to the hooks, and mask what they name. Raises Refusal 502 where one fails."""
        look(self._hooks.objects, unit, hiding, act=self._act, raw_act=self._raw_act)

    def channel(self, name: str, *, up: bool) -> Watch | None:
        """The hooks at a channel that opens, in one direction; None where none looks at it."""
        if not self._hooks.frames:
            return None
        stream, raw_stream = hooks.Stream(self._act, name, up), hooks.Stream(self._raw_act, name, up)
        found = ChannelHooks(self._hooks.frames, stream, raw_stream, self._texts)
        return None if found.is_idle else found


def act_of(principal: Principal, cluster: str, act: Act, texts: Texts) -> hooks.Act:
    """The copy of a call that hooks are given: neither headers nor the query are in it, which may hold credentials."""
    return hooks.Act(
        caller=hooks.Caller(
            user=principal.user,
            groups=tuple(principal.groups),
            kind=principal.kind,
            issuer=principal.issuer,
            actor=principal.actor,
            address=principal.address,
        ),
        cluster=cluster,
        verb=act.verb,
        path=act.path if act.is_resource and act.subresource != "proxy" else texts.text(act.path),
        group=act.group,
        resource=act.resource,
        subresource=act.subresource,
        namespace=act.namespace,
        name=act.name,
        effects=frozenset(act.effects),
        argv=None if act.argv is None else texts.argv(act.argv),
        container=act.container,
        tty=act.tty,
        stdin=act.stdin,
        port=act.port,
        ports=act.ports,
        label_selector=act.label_selector and texts.text(act.label_selector),
        field_selector=act.field_selector and texts.text(act.field_selector),
        as_user=None if act.acts_as is None else act.acts_as.user,
        as_groups=() if act.acts_as is None else act.acts_as.groups,
    )
