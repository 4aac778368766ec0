"""Loops of kubectl before the real API server: at their rule's budget they stop, are held, approved, and go on."""

from __future__ import annotations

import pytest

from tests.support.both_ways import Both
from tests.support.held_calls import Stage
from tests.support.reviewing_hand import Answering

NAMESPACE = "budgets"


@pytest.fixture(scope="module")
def stage(held_sides: Both) -> Stage:
    return Stage(held_sides, NAMESPACE)


def pods(stage: Stage) -> list[str]:
    """The pods of which nobody has asked for the end. The tests' cluster has no kubelet that would take them away."""
    items = stage.get("pods")[1]["items"]
    return sorted(pod["metadata"]["name"] for pod in items if "deletionTimestamp" not in pod["metadata"])


def make_pods(stage: Stage, *names: str) -> None:
    for name in names:
        stage.cluster.pod(name, NAMESPACE, wait=False)


def test_a_loop_that_deletes_pods_stops_at_five_is_held_and_goes_on_when_approved(stage: Stage) -> None:
    names = [f"loop-{number}" for number in range(8)]
    make_pods(stage, *names)
    delete = ("delete", "pod", "--wait=false", "--grace-period=0", "--force")
    found = stage.kubectl("loop-1", *delete, *names)
    assert found.returncode == 1 and pods(stage) == names[5:]
    hold = stage.hand.pending("loop-1")
    assert f"deletes per 2h is used up until {hold.message.partition('until ')[2]}" in found.stderr
    assert hold.id in found.stderr and "run the same command again" in found.stderr
    assert (hold.rule, hold.name) == ("five deletes, then a look", names[-1]) and hold.shown.inventory is not None
    stage.hand.approve(hold)
    assert stage.kubectl("loop-1", *delete, names[-1]).returncode == 0
    assert pods(stage) == names[5:7] and stage.hand.of(hold).state == "consumed"
    again = stage.kubectl("loop-1", *delete, names[5])  # an approval is for one call
    assert again.returncode == 1 and pods(stage) == names[5:7]
    assert stage.kubectl("loop-1", "get", "pods").returncode == 0


def test_a_loop_that_nobody_reviews_is_denied_until_its_window_ends(stage: Stage) -> None:
    names = [f"stop-{number}" for number in range(7)]
    make_pods(stage, *names)
    with Answering(stage.hand) as answering:
        found = stage.kubectl("stop-1", "delete", "pod", "--wait=false", "--grace-period=0", "--force", *names)
        assert found.returncode == 1
        for _ in range(3):
            assert stage.kubectl("stop-1", "delete", "pod", "--wait=false", names[-1]).returncode == 1
    assert answering.seen == []
    assert [name for name in pods(stage) if name.startswith("stop")] == names[5:]
    said = [line for line in found.stderr.splitlines() if "Forbidden" in line]
    assert len(said) == 2 and all(
        "l7gw: denied by rule 'five deletes': the budget of 5 deletes per 2h is used up" in line for line in said
    )
    assert all("Z. Nothing was done; the call is delete pods stop-" in line for line in said)


def test_a_budget_leaves_rehearsals_and_other_calls_alone(stage: Stage) -> None:
    make_pods(stage, "kept")
    for _ in range(6):
        assert stage.kubectl("stop-2", "delete", "pod", "kept", "--dry-run=server").returncode == 0
    assert stage.kubectl("stop-2", "label", "pod", "kept", "a=b").returncode == 0
    assert stage.kubectl("stop-2", "delete", "pod", "kept", "--wait=false").returncode == 0
    swept = stage.kubectl("stop-2", "delete", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods")
    assert swept.returncode == 1 and "a deletecollection exceeds any budget" in swept.stderr


def test_an_exec_beyond_its_budget_is_told_why_and_reaches_no_pod(stage: Stage) -> None:
    stage.cluster.pod("inside", NAMESPACE)
    found = [stage.kubectl("stop-3", "exec", "inside", "--", "echo", f"no-{number}") for number in range(3)]
    assert [(done.returncode, done.stdout) for done in found] == [(0, "no-0\n"), (0, "no-1\n"), (1, "")]
    assert "the budget of 2 executes per 2h is used up until " in found[2].stderr
