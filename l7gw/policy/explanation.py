"""Why a call gets its verdict: what `policy explain` shows."""

from __future__ import annotations

from dataclasses import dataclass

from l7gw.policy.verdict import Decision, Verdict


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule that was compared with the call. `why` says why it did not match, "" for a rule that did. `saw` has what its
    condition names, each with its value as JSON; `note` says why a condition that could not be judged is a match, "" else."""

    name: str
    verdict: Decision
    guardrail: bool
    why: str
    saw: tuple[tuple[str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, and every rule that was compared with the call before it, in order."""

    verdict: Verdict
    considered: tuple[Considered, ...]
