"""What lines of the access log have in common that are about calls which are alike."""

from __future__ import annotations

from typing import Literal

import msgspec

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act

AccessEvent = Literal["call", "open", "close", "refused"]

LONGEST = 512  # characters of one field of a line: a target may have 32 KiB, and a reason may quote it
KEPT = LONGEST + 1  # characters of a field that waits for its line, from which it is seen that there were more
LONGEST_ACT = 2048  # characters of an act's path and query; a longer one does not wait as it is


def brief(act: Act) -> Act:
    """An act of which no more waits for its line than that says: thousands of lines wait where nobody reads them."""
    if len(act.path) + len(act.query) <= LONGEST_ACT and act.acts_as is None:
        return act
    return Act(
        verb=act.verb[:KEPT],
        path=act.path[:KEPT],
        query="",
        effects=act.effects,
        is_resource=act.is_resource,
        group=act.group[:KEPT],
        resource=act.resource[:KEPT],
        subresource=act.subresource[:KEPT],
        namespace=act.namespace[:KEPT],
        name=act.name[:KEPT],
    )


class AccessForm(msgspec.Struct, gc=False):
    """What lines of the access log say of calls that are alike. Thousands of lines share one; it holds on to no call."""

    address: str
    principal: Principal | None
    session: str
    run: str
    cluster: str
    act: Act
    http: str
    verdict: str
    rule: str
    # Status and text of the last line about a `call` of this form: `access_lines.as_json` keeps them here.
    ends: tuple[int, str, str] = (-1, "", "")

    def about(self, act: Act) -> AccessForm:
        """The same of calls about this act."""
        return AccessForm(
            self.address, self.principal, self.session, self.run, self.cluster, brief(act), self.http, self.verdict, self.rule
        )

    def in_run(self, run: str) -> AccessForm:
        """The same of calls of another run."""
        return AccessForm(
            self.address, self.principal, self.session, run, self.cluster, self.act, self.http, self.verdict, self.rule
        )


class ShownForm(msgspec.Struct, gc=False):
    """What a form says in a line of JSON: the keys of docs/log.md from `event` to `rule`, in their order."""

    event: AccessEvent
    address: str
    user: str
    kind: str
    session: str
    run: str
    cluster: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    verdict: str
    rule: str
