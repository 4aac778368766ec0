"""Masking as the configuration says it: an immutable snapshot that all calls of a worker share."""

from __future__ import annotations

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.call_masks import CallMasks
from l7gw.obligations import Obligations


class Masking:
    """What masks share: the key of the tags. `key` has KEY_SIZE bytes."""

    __slots__ = ("key",)

    def __init__(self, key: bytes) -> None:
        self.key = key

    def of_call(self, cluster: str, act: Act, principal: Principal, obligations: Obligations) -> CallMasks:
        """What masking does for one call. `cluster` is its name in the configuration."""
        return CallMasks(key=self.key, cluster=cluster, act=act, principal=principal, obligations=obligations)
