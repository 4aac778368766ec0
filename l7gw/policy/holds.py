"""What a rule, or `defaults`, says of holding: `reviewers`, `wait`, `ttl`, `use-within` and `message`."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from l7gw import name_rules
from l7gw.config.document import Reader, lasting, plain, shown
from l7gw.config.settings import DAY, Kind
from l7gw.hold_terms import LONGEST_MESSAGE, WAITS, HoldTerms, Reviewers, RuleTerms, Wait
from l7gw.policy.patterns import BadPattern, glob
from l7gw.policy.value_lists import compiled
from l7gw.quantities import many

DEFAULT_KEYS = ("reviewers", "wait", "ttl", "use-within")
KEYS = (*DEFAULT_KEYS, "message")
REVIEWERS_KEYS = ("users", "groups", "owner", "minimum", "emergency")

TTL = 600  # seconds that a hold is pending
USE_WITHIN = 600  # seconds after its approval in which a call may come back
LEAST_TIME = 10  # seconds; nobody reads a diff in less
MOST_TIME = DAY  # seconds; what somebody approved a day ago is not what he would see now
MOST_APPROVALS = 10  # of one rule; more people do not look at one call
MOST_REVIEWERS = 100  # patterns in one list; more people should be a group of the identity provider

EXAMPLE = "reviewers: {groups: [sre]}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What one rule says of its holds. `wait` is None where the kind of the caller decides."""

    reviewers: Reviewers
    wait: Wait | None = None
    ttl: int = TTL
    use_within: int = USE_WITHIN
    message: str = ""

    def terms(self, rule: str, kind: Kind) -> HoldTerms:
        """The terms of a hold by the rule of this name. An agent or a workload comes back: nobody watches it wait."""
        wait: Wait = self.wait or ("wait" if kind == "human" else "come-back")
        return HoldTerms((RuleTerms(rule, self.reviewers),), wait, self.ttl, self.use_within, self.message)


NO_HOLDING = Holding(Reviewers())


def holding(reader: Reader, defaults: Holding) -> Holding:
    """What a mapping says of holding. What it does not say is as in `defaults`. Mistakes are reported."""
    return Holding(
        reviewers=reviewed(reader, defaults.reviewers),
        wait=reader.choice("wait", defaults.wait, WAITS),
        ttl=reader.duration("ttl", defaults.ttl, least=LEAST_TIME, most=MOST_TIME),
        use_within=reader.duration("use-within", defaults.use_within, least=LEAST_TIME, most=MOST_TIME),
        message=reader.prose("message", longest=LONGEST_MESSAGE),
    )


def check_reviewed(reader: Reader, held: Holding) -> None:
    """Report a hold that nobody could ever approve."""
    check_somebody(reader, held.reviewers, "the call")


def check_somebody(reader: Reader, reviewers: Reviewers, what: str) -> None:
    """Report where nobody could ever approve `what`. A mapping that names nobody is reported where it is read."""
    if not (reader.has("reviewers") or reviewers.users or reviewers.groups or reviewers.owner):
        reader.missing("reviewers", f"somebody must be able to approve {what}: {EXAMPLE}, here or in `defaults`")


def refuse(reader: Reader) -> None:
    """Report what a rule that does not hold says of holding."""
    for key in KEYS:
        if reader.has(key):
            reader.wrong(key, f"`{key}` is for a rule that holds", "verdict: hold")


def document(terms: HoldTerms) -> dict[str, object]:
    """The terms as JSON. Times are in seconds."""
    rules = [{"rule": one.rule, "reviewers": _document(one.reviewers)} for one in terms.rules]
    times = {"ttl": terms.ttl, "use-within": terms.use_within}
    return {"rules": rules, "wait": terms.wait, **times, "message": terms.message}


def _document(reviewers: Reviewers) -> dict[str, object]:
    return {
        "users": list(reviewers.users),
        "groups": list(reviewers.groups),
        "owner": reviewers.owner,
        "minimum": reviewers.minimum,
        "emergency": {"groups": list(reviewers.emergency)},
    }


def in_words(terms: HoldTerms) -> list[str]:
    """What the hold asks for, as lines: for each rule who approves, then how the caller waits."""
    lines = [f"rule {one.rule!r} needs {who(one.reviewers)}" for one in terms.rules]
    if terms.wait == "wait":
        lines.append(f"the call waits up to {lasting(terms.ttl)} for that")
    else:
        within = lasting(terms.use_within)
        lines.append(
            f"the call is refused, and passes when it is made again within {within} of the approval; pending {lasting(terms.ttl)}"
        )
    return lines


def who(reviewers: Reviewers) -> str:
    """Who approves, in words: `2 approvals by user lea or groups sre, dba`."""
    asked = (("user", reviewers.users), ("group", reviewers.groups))
    named = [f"{one}{'s' if len(texts) > 1 else ''} {', '.join(texts)}" for one, texts in asked if texts]
    if reviewers.owner:
        named.append("the person for whom the agent acts")
    forced = f"; {', '.join(reviewers.emergency)} may force it" if reviewers.emergency else ""
    count = "an approval" if reviewers.minimum == 1 else many(reviewers.minimum, "approval")
    return f"{count} by {' or '.join(named)}{forced}"


# ---------------------------------------------------------------------- reviewers


def reviewed(reader: Reader, default: Reviewers) -> Reviewers:
    """Who approves, as `reviewers` of a mapping says; `default` where it says nothing. Mistakes are reported."""
    if not reader.has("reviewers"):
        return default
    inner = reader.inner("reviewers", REVIEWERS_KEYS)
    emergency = inner.inner("emergency", ("groups",))
    if inner.has("emergency") and not emergency.has("groups"):
        inner.wrong("emergency", "`emergency` names no groups", "emergency: {groups: [oncall]}")
    found = Reviewers(
        users=_names(inner, "users"),
        groups=_names(inner, "groups"),
        owner=inner.flag("owner"),
        minimum=_minimum(inner),
        emergency=_names(emergency, "groups"),
    )
    names_somebody = inner.has("users") or inner.has("groups") or found.owner
    if not names_somebody and isinstance(inner.node, yaml.MappingNode):
        reader.wrong("reviewers", "`reviewers` names nobody who could approve", EXAMPLE)
    return found


def _minimum(reader: Reader) -> int:
    node = reader.node_of("minimum")
    value = 1 if node is None else plain(node)
    if type(value) is int and 1 <= value <= MOST_APPROVALS:
        return value
    reader.wrong("minimum", f"`minimum` must be a number from 1 to {MOST_APPROVALS}", "so many reviewers must approve")
    return 1


def _names(reader: Reader, key: str) -> tuple[str, ...]:
    """Globs over names of users or groups. Those that nobody can have are reported and left out."""
    return compiled(reader, key, _name, MOST_REVIEWERS) or ()


def _name(text: str) -> str:
    if fault := name_rules.fault(text):
        raise BadPattern(f"{shown(text)} {fault}")
    glob(text)
    return text
