"""What the rules of a held call ask for: who may approve it, how often, and for how long it waits."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Wait = Literal[
    "wait",  # the call stays open until somebody has looked at it
    "come-back",  # the call is refused at once, and made again after the approval
]
WAITS: tuple[Wait, ...] = get_args(Wait)

LONGEST_MESSAGE = 300  # characters; message, rule, hold and session must fit into the 900 bytes of a refused upgrade


class Reviewers(msgspec.Struct, frozen=True):
    """Who may approve for one rule. `users`, `groups` and `emergency` are globs, as a rule's own `users` and `groups` are.

    A reviewer counts where one of the globs names him. `owner`: the person for whom an agent acts counts too. `minimum` is how
    many of them must approve. Members of the groups in `emergency` may force an approval with a reason.
    """

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    owner: bool = False
    minimum: int = 1
    emergency: tuple[str, ...] = ()


class RuleTerms(msgspec.Struct, frozen=True):
    """What one of the rules that hold a call asks for. `rule` is its name."""

    rule: str
    reviewers: Reviewers


class HoldTerms(msgspec.Struct, frozen=True):
    """What all the rules that hold a call ask for together: each one's reviewers, and its minimum of them.

    `rules` has one entry at least, guardrails first. `ttl` is how many seconds the hold is pending at most, `use_within` how many
    seconds an approval may be used. `message` is what the rules say to whoever waits, "" for nothing, LONGEST_MESSAGE at most.
    """

    rules: tuple[RuleTerms, ...]
    wait: Wait
    ttl: int
    use_within: int
    message: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the rules that hold the call."""
        return tuple(one.rule for one in self.rules)


def together(terms: list[HoldTerms]) -> HoldTerms:
    """One hold for several rules. It has each rule's reviewers, the shortest times, and the first message that is one. It comes
    back where one of the rules says so: nobody's patience may end it then."""
    first = terms[0]
    if len(terms) == 1:
        return first
    return HoldTerms(
        rules=tuple(one for each in terms for one in each.rules),
        wait="come-back" if any(each.wait == "come-back" for each in terms) else "wait",
        ttl=min(each.ttl for each in terms),
        use_within=min(each.use_within for each in terms),
        message=next((each.message for each in terms if each.message), ""),
    )
