"""The step `impersonate` of a call that is made as somebody else (`--as`): the cluster's RBAC must let its caller do that.

The policy has allowed or held the call by then. What goes up names whom the caller asked for, so kube-apiserver asks whether the
gateway may impersonate them, and never whether the caller may. Therefore the gateway asks, as itself: a SubjectAccessReview for the
identity that the caller has in the cluster, for the user and for each group. Nothing is remembered: a right that was taken away
counts from the next call on, and a held call is asked about again when it is released. A stream that runs is not asked about again.
"""

from __future__ import annotations

from typing import Protocol

from l7gw.cluster.impersonation import impersonated
from l7gw.errors import Refusal
from l7gw.gateway.denial import groups_in_words
from l7gw.gateway.guard import Step
from l7gw.gateway.side_calls import Asked, AskingCall, Judging, SideAnswer, SideCall
from l7gw.kube import access_reviews
from l7gw.name_rules import visible
from l7gw.timeouts import Timeouts
from l7gw.wire.events import Headers

WHY = "to let you act as somebody else, the gateway asks the cluster whether you may"
LARGEST = 64 * 1024  # bytes of an answer, which repeats the question and has a sentence more


class Services(Judging, Protocol):
    """What the step asks of the worker."""

    timeouts: Timeouts


class ImpersonatingCall(AskingCall, Protocol):
    """What the step asks of the call."""

    @property
    def worker(self) -> Services: ...

    def own_identity(self) -> Headers:
        """The header fields that name the caller himself to the cluster."""

    def warn_of_cluster(self, line: str, *values: object) -> None:
        """Log a line about the call's cluster. Repeated lines are counted instead."""


def rbac_lets(call: ImpersonatingCall, then: Step) -> Step | None:
    """The step `then`, where the call is made as the caller himself, or once the cluster says yes to each name. Raises Refusal."""
    assert call.act is not None
    return then if call.act.acts_as is None else Impersonating(call, then).begin()


class Impersonating:
    """The questions about one call, one after the other. `then` is the call's next step where the cluster says yes to each."""

    __slots__ = ("_call", "_left", "_subject", "_then")

    def __init__(self, call: ImpersonatingCall, then: Step) -> None:
        assert call.act is not None and call.act.acts_as is not None
        self._call = call
        self._then = then
        self._subject = impersonated(call.own_identity())
        self._left = list(access_reviews.asked_of(call.act.acts_as))

    def begin(self) -> Step | None:
        """Ask the next question."""
        asked = Asked(
            method="POST",
            target=access_reviews.PATH,
            why=WHY,
            largest=LARGEST,
            within=self._call.worker.timeouts.dry_run,
            body=access_reviews.review(*self._subject, self._left[0]),
            own=True,
        )
        SideCall(self._call, asked, self._said).begin()
        return None

    def _said(self, said: SideAnswer | Refusal) -> Step | None:
        if isinstance(said, Refusal):
            raise said
        call, asked = self._call, self._left.pop(0)
        assert call.far is not None and call.call_record is not None
        if said.status == 403:
            words = f"cluster {call.far.name} does not let the gateway create subjectaccessreviews.authorization.k8s.io"
            call.warn_of_cluster("%s: calls with --as are answered with 502", words)
            raise Refusal(502, "BadGateway", f"{words}: RBAC there lacks this permission, which --as needs; tell whoever runs l7gw")
        try:
            if said.status not in (200, 201) or not said.is_json:
                raise ValueError
            allowed, reason = access_reviews.answered(said.body)
        except ValueError:
            raise Refusal(502, "BadGateway", f"{WHY}, and its answer cannot be read (status {said.status})") from None
        user, groups, _ = self._subject
        who = f"{user} ({groups_in_words(groups)})" if groups else user
        if not allowed:
            told = f": {visible(reason)}" if reason else ""
            raise Refusal(
                403, "Forbidden", f"the cluster's RBAC does not let {who}, as which you are known there, impersonate {asked}{told}"
            )
        call.call_record.verdict("allow", reason=f"the cluster lets {who} impersonate {asked}", own=True)
        return self.begin if self._left else self._then
