"""What `policy explain` found, as text and as JSON, of calls that are made as somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.cli.policy.explained import document, show_all
from l7gw.identity.principal import Principal
from l7gw.policy.cases import typed_calls, worst
from l7gw.policy.judge import Policy

ANN = Principal("ann")
RULES = "rules:\n- {name: r, effects: [read, impersonate], as: {users: [jane]}, verdict: allow}\n"


def test_a_call_as_somebody_else_says_so_in_both_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text(RULES)
    policy = Policy.load(tmp_path / "policy.yaml")
    text = "kubectl exec web-0 --as=jane --as-group=team -- ls"
    calls = typed_calls(text, "", tmp_path)
    explained = [policy.explain(ANN, "c", call.act) for call in calls]
    show_all(text, calls, explained, worst([each.verdict for each in explained]))
    out = capsys.readouterr().out
    assert f"{text}: denied, as its worst of 2 calls is: exec pods/exec web-0 in namespace default as jane (groups team)" in out
    assert "as: the call is made as jane (groups team), and the rule names another" in out
    asked = document(explained[0], ANN, "c", calls[0])["request"]
    assert (asked["as"], asked["effects"]) == ({"user": "jane", "groups": ["team"]}, ["impersonate", "read"])
