"""The policy as a worker reads it: what is probably not meant is logged, within a bound. `tests/faults/test_restart.py` has files with
mistakes, and changes of them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from l7gw.gateway.policy_file import MOST_TOLD, policy_of
from l7gw.masking.configured import configured
from tests.support.written_configuration import Written


@pytest.mark.parametrize("doubted", [0, 1, MOST_TOLD, MOST_TOLD + 5])
def test_doubts_are_logged_and_of_many_the_first_and_their_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, doubted: int
) -> None:
    settings = Written(tmp_path).load()
    rules = [f"- {{name: r{number}, clusters: [prod-{number}], effects: [read], verdict: deny}}\n" for number in range(doubted)]
    rules.append("- {name: last, kinds: [human], clusters: [prod], effects: [read], verdict: deny}\n")
    rules.append("- {name: allows, users: [ann], effects: [read], verdict: hold, reviewers: {users: ['l*']}}\n")
    settings.policy.write_text("rules:\n" + "".join(rules))
    with caplog.at_level(logging.WARNING, logger="l7gw.gateway.policy_file"):
        policy_of(settings, configured(settings.masking, settings.path))
    lines = [record.getMessage() for record in caplog.records]
    own = [line for line in lines if " is about clusters that are not configured: prod-" in line]
    assert all(line.startswith("probably not meant: ") for line in lines) and len(lines) <= MOST_TOLD + 1
    assert len(own) == min(doubted, MOST_TOLD)
    assert any(line.endswith("more; l7gw check lists them") for line in lines) is (doubted > MOST_TOLD)
