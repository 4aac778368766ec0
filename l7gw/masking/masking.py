"""Masking as the configuration says it: an immutable snapshot that all calls of a worker share."""

from __future__ import annotations

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.configured import Configured, ordinary
from l7gw.obligations import Obligations


class Masking:
    """What masks share: the key of the tags, which has KEY_SIZE bytes, and what the configuration says."""

    __slots__ = ("configured", "key")

    def __init__(self, key: bytes, configured: Configured | None = None) -> None:
        """`configured` None: as without a word in the configuration."""
        self.key = key
        self.configured = configured or ordinary()

    def of_call(self, cluster: str, act: Act, principal: Principal, obligations: Obligations) -> CallMasks:
        """What masking does for one call. `cluster` is its name in the configuration."""
        return CallMasks(key=self.key, cluster=cluster, act=act, principal=principal, obligations=obligations)
