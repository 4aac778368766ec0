"""Findings of steps and of sentences: each that is not green says what to do."""

from __future__ import annotations

import pytest

from l7gw.cli.online.findings import Finding, State, of_sentence, of_step
from l7gw.cluster.trial import Outcome, Step


@pytest.mark.parametrize(("outcome", "state"), [("ok", "green"), ("warning", "yellow"), ("failed", "red"), ("not asked", "yellow")])
def test_a_step_has_the_state_of_its_outcome_and_a_hint_where_it_is_not_green(outcome: Outcome, state: State) -> None:
    hint = "" if state == "green" else "do"
    assert of_step("c", Step("DNS", outcome, "said", hint), "o") == Finding("c: DNS", state, "said", hint)
    assert of_step("c", Step("DNS", outcome), "o") == Finding("c: DNS", state, "yes", hint and "o")


def test_what_was_not_tried_is_no_finding() -> None:
    assert of_step("cluster prod", Step("TLS", "not tried"), "o") is None


def test_the_last_part_of_a_doubt_is_its_hint() -> None:
    assert of_sentence("policy", "rule 'r' names x; y; did you mean z?", "o") == Finding(
        "policy", "yellow", "rule 'r' names x; y", "did you mean z?"
    )
    assert of_sentence("policy", "rule 'r' is odd", "o").hint == "o"
