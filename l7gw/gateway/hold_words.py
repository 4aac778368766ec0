"""What the requester of a held call is told: that he must come back, that it was denied, and who approved it."""

from __future__ import annotations

from l7gw.approval.messages import Hold
from l7gw.config.document import lasting
from l7gw.errors import Refusal
from l7gw.hold_terms import HoldTerms
from l7gw.name_rules import clipped
from l7gw.policy.holds import who
from l7gw.wire.events import Headers

LONGEST_NAMES = 200  # characters of the rules' names, and of whom they ask
# How the User-Agent of a client begins that bears `102 Processing`: those of Go do. Python's http.client takes it for the answer.
BEARS_PROCESSING = ("Go-http-client/", "kubectl", "helm", "kubernetes-mcp-server")


class ComeBack(Refusal):
    """A call is refused until it was approved. It is not denied."""


def come_back(hold: Hold, terms: HoldTerms) -> ComeBack:
    """The 403 of a call that must be made again after its approval. Clients that run in loops read on: what to do comes first."""
    names = clipped(", ".join(repr(name) for name in terms.names), LONGEST_NAMES)
    asks = clipped("; and ".join(dict.fromkeys(who(one.reviewers) for one in terms.rules)), LONGEST_NAMES)
    words = (
        f"nothing was done: this call needs {asks}, and waits for it as hold {hold.id}. After the approval, within "
        f"{lasting(terms.use_within)}, run the same command again; not before. A reviewer approves it with: l7gw holds approve "
        f"{hold.id} (held by rule {names} until {hold.expires[:19]}Z)"
    )
    words = f"{words}. {terms.message}" if terms.message else words
    return ComeBack(403, "Forbidden", words, rule=hold.rule, hold=hold.id)


def ended(hold: Hold) -> Refusal:
    """The 403 of a call whose hold was denied, expired, or is void."""
    match hold.state:
        case "denied":
            words = f"{hold.why or 'denied'}. Do not run it again unless the reviewer says so"
        case "expired":
            words = f"nobody approved it in time, so nothing was done: {hold.why}" if hold.why else "nobody approved it in time"
        case _:
            words = f"nothing was done: {hold.why or 'the hold is over'}"
    return _refusal(hold, f"{words} (hold {hold.id}, rule {hold.rule!r})")


def stopped(hold: Hold, why: str) -> Refusal:
    """The 503 of a waiting call that the gateway itself ends."""
    words = f"{why}; nothing was done, and hold {hold.id} is void"
    return Refusal(503, "ServiceUnavailable", words, rule=hold.rule, hold=hold.id)


def used(hold: Hold) -> Refusal:
    """The 409 of a call whose approval somebody else used, or which ended just now."""
    words = f"the approval of hold {hold.id} is used or over, so nothing was done; run the command again to ask anew"
    return Refusal(409, "Conflict", words, rule=hold.rule, hold=hold.id)


def warning(hold: Hold, waited: float) -> str:
    """What the answer of a call that waited says of it."""
    people = ", ".join(dict.fromkeys(review.user for review in hold.reviews if review.verdict == "approve"))
    after = f" after {waited:.0f} s" if hold.wait == "wait" else ""
    return f"held by rule {hold.rule!r}, approved by {people or 'a reviewer'}{after} (hold {hold.id})"


def bears_processing(headers: Headers) -> bool:
    """Whether a client of HTTP/1.1 takes interim answers, by what it says of itself."""
    agent = next((value for name, value in headers if name == "user-agent"), "")
    return agent.startswith(BEARS_PROCESSING) or " kubernetes/" in agent


def _refusal(hold: Hold, words: str) -> Refusal:
    return Refusal(403, "Forbidden", words, rule=hold.rule, hold=hold.id)
