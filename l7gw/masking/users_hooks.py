"""What masking asks of users' hooks (`hooking/`): a look at each object and at the bytes of each channel, behind its own masks."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.bodies.bodies import ObjectMasks
from l7gw.masking.objects.hiding import Hiding
from l7gw.masking.objects.object_kinds import Unit
from l7gw.masking.objects.objects import ObjectMasker


class Place(NamedTuple):
    """Bytes that a hook masks: `data[start:end]`."""

    start: int
    end: int
    detector: str


class Watch(Protocol):
    """The hooks at one channel, in one direction. `ended` says why the stream is to end; "" where it goes on."""

    @property
    def ended(self) -> str: ...

    @property
    def sees_masked(self) -> bool:
        """Whether `masked` has anybody to ask."""

    def raw(self, data: bytes) -> list[Place]:
        """Show the next bytes as they came. Gives what is to be masked in them."""

    def masked(self, data: bytes) -> list[Place]:
        """Show the next bytes that go on, masked. Gives what is to be masked in them too."""


class CallHooks(Protocol):
    """The hooks of one call."""

    def objects(self, masks: ObjectMasker) -> ObjectMasks:
        """The masks of objects, with the hooks behind them."""

    def look(self, unit: Unit, hiding: Hiding) -> None:
        """Show an object, or what a patch brings, to the hooks, and mask what they name. Raises Refusal 502 where one fails."""

    def channel(self, name: str, *, up: bool) -> Watch | None:
        """The hooks at a channel that opens, in one direction; None where none looks at it."""


class Hooks(Protocol):
    """All hooks in force."""

    def of_call(self, principal: Principal, cluster: str, act: Act, masks: ObjectMasker) -> CallHooks | None:
        """The hooks of one call; None where no hook is for objects or frames. `masks` mask what the caller sends."""
