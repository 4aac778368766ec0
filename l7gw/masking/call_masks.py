"""What masking does for one call. The exchange makes one where a call is allowed, and asks it for the masks of the call's bodies
and streams."""

from __future__ import annotations

import msgspec

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.placeholder import Tagger
from l7gw.obligations import Obligations


class CallMasks(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as masking knows it. `principal` is who asks, and `obligations` are those of the rule that allowed it."""

    key: bytes
    cluster: str  # its name in the configuration
    act: Act
    principal: Principal
    obligations: Obligations

    def tagger(self, namespace: str) -> Tagger:
        """Makes the tags of a namespace; "" is for objects of the cluster."""
        return Tagger(self.key, self.cluster, namespace)
