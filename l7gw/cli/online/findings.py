"""What was found: a line that is green, yellow or red, and what to do where it is not green."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from l7gw.cluster.trial import Outcome, Step

State = Literal[
    "green",
    "yellow",  # it works, and probably not as it is meant, or not for long; or it cannot be known
    "red",  # it does not work
]
_STATES: dict[Outcome, State] = {"ok": "green", "warning": "yellow", "failed": "red", "not asked": "yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `check` names what was looked at: a thing, and behind a colon a part of it. `hint` is what to type or to change, ""
    where the state is green."""

    check: str
    state: State
    text: str
    hint: str = ""


def of_step(head: str, step: Step, otherwise: str) -> Finding | None:
    """A step of a trial as a finding; None where it was not tried, as the step that failed before says why. `otherwise` is the hint
    of one that has no remedy."""
    state = _STATES.get(step.outcome)
    if state is None:
        return None
    return Finding(f"{head}: {step.name}", state, step.said or "yes", "" if state == "green" else step.remedy or otherwise)


def of_sentence(check: str, sentence: str, otherwise: str) -> Finding:
    """A yellow one of a doubt, whose last part says what to do: `X; did you mean Y?`. `otherwise` is the hint of one that has no
    such part."""
    text, mark, hint = sentence.rpartition("; ")
    return Finding(check, "yellow", text, hint) if mark else Finding(check, "yellow", sentence, otherwise)
