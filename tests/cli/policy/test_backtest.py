"""`l7gw policy backtest` says which recorded calls a new policy would judge otherwise, to people and to programs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from l7gw.cli.policy.backtest import IN_WORDS
from l7gw.identity.principal import Principal
from l7gw.policy.judge import Policy
from l7gw.recording import reader
from l7gw.recording.backtest import Why
from tests.support.journals import cli_run
from tests.support.judged_calls import Asked, journal

ANN, EVE = Principal("ann", ("engineers",)), Principal("[red]eve\x1b]0;x\x07\u202e", ("engineers",))
FORMER = 'rules:\n- {name: all, effects: ["*"], verdict: allow}\n'
NEW = """
rules:
  - {name: read, effects: [read], verdict: allow}
  - {name: change, effects: [write, workload], verdict: hold, reviewers: {groups: [sre]}}
"""
SCALE = "/apis/apps/v1/namespaces/dev/deployments/web/scale"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("former", FORMER), ("new", NEW)):
        (tmp_path / f"{name}.yaml").write_text(text)
    made = [Asked(ANN, "PATCH", SCALE, b'{"spec":{"replicas":2}}')] * 5
    made += [Asked(EVE, "DELETE", "/api/v1/namespaces/prod/pods/web-0"), Asked(ANN, "GET", "/api/v1/pods")]
    journal(tmp_path / "state", Policy.load(tmp_path / "former.yaml"), made)
    return tmp_path


def test_json_has_the_documented_keys_and_what_is_denied_now_comes_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "policy", "backtest", folder / "new.yaml", "--state", folder / "state", "-o", "json")
    said = json.loads(out)
    assert (status, err) == (1, "")
    assert {key: said[key] for key in said if key != "changes"} == {
        "calls": 7, "unknown": 0, "unknown_because": {}, "other_rule": 1, "unreadable_blocks": 0,
    }  # fmt: skip
    first, second = said["changes"]
    assert list(first) == ["before", "after", "rule_before", "rule_after", "count", "example"]
    assert [first[key] for key in ("before", "after", "rule_before", "rule_after", "count")] == ["allow", "deny", "all", "", 1]
    assert [second[key] for key in ("before", "after", "rule_before", "rule_after", "count")] == [
        "allow",
        "hold",
        "all",
        "change",
        5,
    ]
    assert second["example"]["exchange"] == 5 and second["example"]["command"].startswith("kubectl patch --subresource=scale")
    status, out, _ = cli_run(
        capsys, "export", f"{second['example']['session']}/5", "--format", "jsonl", "--state", folder / "state"
    )
    assert status == 0 and SCALE in out


def test_the_table_tells_people_the_same_and_names_a_call_to_look_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = cli_run(capsys, "policy", "backtest", folder / "new.yaml", "--state", folder / "state")
    rows = [re.sub(r"  +", " | ", line.strip()) for line in out.splitlines() if line.strip()]
    assert (status, rows[0]) == (1, "calls | was | would be | the last one")
    assert re.fullmatch(
        r"1 \| allow \(all\) \| deny \(no rule\) \| [0-9a-f-]{36}/1 \| .* on prod: kubectl delete pods web-0 -n prod", rows[2]
    )
    assert re.fullmatch(r"5 \| allow \(all\) \| hold \(change\) \| [0-9a-f-]{36}/5 \| ann on prod: kubectl patch .*", rows[3])
    assert "[red]eve\\u001b]0;x\\u0007\\u202e" in rows[2]
    assert rows[-1] == "7 calls, 6 would change, 0 unknown; 1 stay as they are by another rule"


def test_the_policy_in_force_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "policy", "backtest", folder / "former.yaml", "--state", folder / "state", "--since", "1d")
    assert (status, out, err) == (0, "7 calls, 0 would change, 0 unknown\n", "")


@pytest.mark.parametrize(
    ("arguments", "status", "calls"),
    [(["--user", "ann"], 1, 6), (["--cluster", "stage"], 0, 0), (["--since", "0m"], 0, 0), (["--until", "1h"], 0, 0)],
)  # fmt: skip
def test_the_calls_can_be_narrowed(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, calls: int
) -> None:
    found, out, err = cli_run(
        capsys, "policy", "backtest", folder / "new.yaml", "--state", folder / "state", "-o", "json", *arguments
    )
    assert (found, json.loads(out)["calls"]) == (status, calls)
    assert ("no calls are recorded there" in err) is (calls == 0)


def test_where_only_unknown_ones_are_left_the_exit_status_is_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = folder / "when.yaml"
    policy.write_text(
        "guardrails:\n- {name: g, resources: [pods], verbs: [create], when: 'object.a == 1', verdict: deny}\n" + FORMER
    )
    everything = Policy.load(folder / "former.yaml")
    masked = Asked(ANN, "POST", "/api/v1/namespaces/d/pods", b'{"a":"l7gw-masked-x"}', masked=("a",))
    journal(folder / "other", everything, [masked])
    status, out, err = cli_run(capsys, "policy", "backtest", policy, "--state", folder / "other", "-o", "json")
    assert (status, json.loads(out)["unknown"], json.loads(out)["changes"]) == (3, 1, [])
    assert err == "l7gw: unknown of 1 call: what a condition reads of the object is masked\n"


def test_what_cannot_be_read_is_told_and_makes_no_yes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = reader.segments(folder / "state")
    place = next(place for place in reader.places(path) if not place.header.flags and place.header.session != bytes(16))
    data = bytearray(path.read_bytes())
    data[place.offset + 200] ^= 1
    path.write_bytes(data)
    status, _, err = cli_run(capsys, "policy", "backtest", folder / "former.yaml", "--state", folder / "state")
    assert status == 3 and "1 block of the recordings is changed, missing, or of a session whose beginning is gone" in err


@pytest.mark.parametrize(
    "wrong", ["rules: [{name: a}]\n", FORMER + "tests:\n- {as: {user: a}, call: kubectl get pods, verdict: deny}\n"]
)
def test_a_policy_with_a_mistake_or_a_failing_test_is_exit_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    (folder / "bad.yaml").write_text(wrong)
    assert cli_run(capsys, "policy", "backtest", folder / "bad.yaml", "--state", folder / "state")[0] == 2


def test_wrong_usage_is_exit_status_2_and_a_missing_state_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = folder / "new.yaml"
    assert cli_run(capsys, "policy", "backtest", "--state", folder / "state")[0] == 2
    assert cli_run(capsys, "policy", "backtest", new, "--state", folder / "state", "--since", "soon")[0] == 2
    assert cli_run(capsys, "policy", "backtest", folder / "none.yaml", "--state", folder / "state")[0] == 2
    assert cli_run(capsys, "policy", "backtest", new, "--state", folder / "nowhere")[0] == 3


def test_each_reason_for_unknown_has_its_words() -> None:
    assert tuple(IN_WORDS) == get_args(Why)
