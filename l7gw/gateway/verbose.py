"""What a log of level debug says of a denial: each rule that was compared with the call, and why it did not match, as
`l7gw policy explain` does. Names are masked as in the access log."""

from __future__ import annotations

import logging
from typing import Protocol

from l7gw.gateway.call_services import CallServices
from l7gw.gateway.far_side import FarSide
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.sent.sent_masks import SentMasks
from l7gw.policy.looked import Looked
from l7gw.policy.rules import in_words

log = logging.getLogger(__name__)

MOST_RULES = 100  # that have a line; the lines of one call then have 200 KiB at most


class DeniedCall(Protocol):
    """What is asked of the call."""

    audit_id: str
    principal: Principal | None
    far: FarSide | None
    act: Act | None

    @property
    def worker(self) -> CallServices: ...

    @property
    def sent(self) -> SentMasks: ...


def tell_denied(call: DeniedCall, looked: Looked | None) -> None:
    """Log why each rule let the call be denied. `looked` is what was read of the call, None where nothing was. It costs nothing
    where the level of the log is another."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    assert call.principal is not None and call.far is not None and call.act is not None
    who = call.worker.acting(call.principal, call.far.name)[0]
    considered = call.worker.policy.explain(who, call.far.name, call.act, looked).considered
    groups = ", ".join(who.groups) or "no groups"
    asked = call.sent.text(in_words(call.act))
    log.debug("%s: %s (%s; %s) at cluster %s: %s", call.audit_id, who.user, who.kind, groups, call.far.name, asked)
    for one in considered[:MOST_RULES]:
        outcome = f"no: {call.sent.text(one.why)}" if one.why else f"yes, and it says {one.verdict}"
        log.debug("%s: %s %r: %s", call.audit_id, "guardrail" if one.guardrail else "rule", one.name, outcome)
    if len(considered) > MOST_RULES:
        log.debug("%s: and %d more rules", call.audit_id, len(considered) - MOST_RULES)
