"""Masking as the configuration says it: an immutable snapshot that all calls of a worker share."""

from __future__ import annotations

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.bodies.bodies import Budget
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.configured import Configured, ordinary
from l7gw.masking.objects.structure_hints import hints
from l7gw.masking.placeholder_search import may_hold
from l7gw.masking.registry.registry import Registry
from l7gw.masking.users_hooks import Hooks
from l7gw.obligations import Obligations


class Masking:
    """What masks share: the key of the tags, which has KEY_SIZE bytes, what the configuration says, the registered values, and the
    room for bodies that are held. Registry and room outlive a reload of the configuration."""

    __slots__ = ("budget", "configured", "hooks", "key", "registry")

    def __init__(
        self,
        key: bytes,
        configured: Configured | None = None,
        *,
        registry: Registry | None = None,
        budget: Budget | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        """`configured` None: as without a word in the configuration."""
        self.key = key
        self.configured = configured or ordinary()
        self.registry = registry if self.configured.registry else None
        self.hooks = hooks
        self.budget = budget if budget is not None else Budget()
        may_hold(b"")  # compiles what it looks for, a tenth of a second, before the first call
        hints()

    def warm(self) -> None:
        """Compile what the first call would compile: two tenths of a second. May run in a thread of its own."""
        self.configured.scanners.default.warm()

    def of_call(self, cluster: str, act: Act, principal: Principal, obligations: Obligations) -> CallMasks:
        """What masking does for one call. `cluster` is its name in the configuration."""
        scanners = self.configured.scanners
        return CallMasks(
            key=self.key,
            cluster=cluster,
            act=act,
            principal=principal,
            obligations=obligations,
            scanner=scanners.with_(obligations.mask) if obligations.mask else scanners.default,
            fields=self.configured.fields,
            registry=self.registry,
            budget=self.budget,
            hooks=self.hooks,
        )
