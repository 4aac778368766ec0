"""A verdict is spelled in one way."""

from __future__ import annotations

from l7gw.policy.verdict import Verdict


def test_a_verdict_is_spelled_as_in_rules_and_records() -> None:
    assert Verdict(True, "r", "").decision == "allow"
    assert Verdict(False, "", "no rule allows it").decision == "deny"
