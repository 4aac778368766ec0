"""Holds as people see them: what stands there, and that nothing a requester chose can hide or turn a text."""

from __future__ import annotations

import datetime
import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from l7gw.approval.messages import (
    Claimed,
    ExecView,
    Hold,
    Inventory,
    InventoryItem,
    Requester,
    ReviewersView,
    ReviewView,
    RuleView,
    Shown,
)
from l7gw.cli import hold_views

NOW = datetime.datetime(2026, 11, 27, 12, 0, tzinfo=datetime.UTC)
HOSTILE = "a\u202eb\x1b[2Jc\u200bd\x07"
HOLD = Hold(
    id="01a21f2f-2cbc-7e4b-8693-8f13eecb9fb5", state="pending", session="01a2-s", run="r", exchange=4,
    principal=Requester(user="ann", groups=("dev",), issuer="https://idp.example.com", address="192.0.2.7"), cluster="prod",
    command="kubectl delete pod web-0 -n dev", claimed=Claimed(command="kubectl delete", user_agent="kubectl/v1.33.0"), verb="delete",
    group="", resource="pods", subresource="", namespace="dev", name="web-0", argv=None, effects=("delete",), rule="agents change",
    rules=(RuleView(rule="agents change", reviewers=ReviewersView(groups=("sre",), minimum=2, emergency=("night",)), approvals=1),),
    message="Ask in the channel of prod.", wait="wait", created="2026-11-27T11:57:30.000000Z", expires="2026-11-27T12:07:30.000000Z",
    ended=None, why="", needed=2, reviewers=ReviewersView(groups=("sre",), minimum=2),
    reviews=(ReviewView(user="lea", verdict="approve", note="fine", time="2026-11-27T11:58:00.000000Z"),), shown=Shown(),
)  # fmt: skip


def with_(**fields: Any) -> Hold:
    return msgspec.structs.replace(HOLD, **fields)


def printed(what: Any, *, colour: bool = False, width: int = 200) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
    if isinstance(what, Hold):
        hold_views.show(console, what, NOW)
    else:
        console.print(what)
    return out.getvalue()


def test_the_table_says_who_did_what_which_rule_asks_how_old_it_is_and_how_long_an_answer_counts() -> None:
    row = list(hold_views.table([HOLD], NOW, None))[1].split("  ")
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells == ["01a21f2f-2cbc", "pending 1/2", "ann", "prod", "kubectl delete pod web-0 -n dev", "agents change", "2m", "7m"]


def test_a_terminal_has_command_and_rule_below_each_row_and_no_line_is_wider() -> None:
    long = with_(
        id="01a21f2f-2cbd-7e4b-8693-8f13eecb9fb5",
        command="kubectl delete pods -n dev -l app=a-name-that-is-long,tier=backend --field-selector status.phase=Failed",
    )
    somebody = Requester(user="system:serviceaccount:automation:nightly-cleaner", actor="", kind="workload")
    agent = with_(id="01a21f2f-2cbe-7e4b-8693-8f13eecb9fb5", principal=somebody)
    lines = list(hold_views.table([HOLD, long, agent], NOW, 80))
    assert all(len(line) <= 80 for line in lines), lines
    assert lines[:4] == [
        "hold           state        who                               cluster  age  left",
        "01a21f2f-2cbc  pending 1/2  ann                               prod     2m   7m",
        "    kubectl delete pod web-0 -n dev",
        "    held by agents change",
    ]
    assert [line for line in lines if line.startswith("    held by")] == ["    held by agents change"] * 3
    assert lines[-3].strip() != "" and lines[-2:] == lines[2:4], "the name that is broken stands above its command"


def test_ids_in_the_table_are_as_long_as_tells_them_apart() -> None:
    twin = with_(id="01a21f2f-2cbc-7e4b-8693-000000000000")
    text = "\n".join(hold_views.table([HOLD, twin], NOW, None))
    assert "01a21f2f-2cbc-7e4b-8693-8 " in text and "01a21f2f-2cbc-7e4b-8693-0 " in text


def test_a_hold_that_is_over_has_no_time_left() -> None:
    text = "\n".join(hold_views.table([with_(state="denied", ended="2026-11-27T11:59:00.000000Z")], NOW, None))
    assert "7m" not in text and "denied" in text


def test_who_an_agent_acts_for_is_said() -> None:
    assert hold_views.who(with_(principal=Requester(user="ann", actor="coder", kind="agent"))) == "coder for ann (agent)"


@pytest.mark.parametrize(
    ("seconds", "said"), [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (7199, "119m"), (7200, "2h"), (200_000, "2d")]
)
def test_a_span_is_said_in_one_unit(seconds: float, said: str) -> None:
    assert hold_views.span(seconds) == said


def test_one_hold_is_shown_with_everything_a_reviewer_must_know() -> None:
    text = printed(HOLD)
    for line in (
        "hold  01a21f2f-2cbc-7e4b-8693-8f13eecb9fb5", "command  kubectl delete pod web-0 -n dev", "who  ann", "groups  dev",
        "address  192.0.2.7", "claimed  kubectl delete  kubectl/v1.33.0", "message  Ask in the channel of prod.", "session  01a2-s/4",
        "how  the call waits for the answer", "reviewers  agents change: group sre (1 of 2); group night may force it",
        "lea approved: fine", "7m left", "l7gw holds approve 01a21f2f-2cbc-7e4b-8693-8f13eecb9fb5",
    ):  # fmt: skip
        assert line in text, text


def test_a_forced_and_a_local_review_are_marked_so() -> None:
    forced = ReviewView(
        user="dan", verdict="approve", note="", time="2026-11-27T11:58:00.000000Z", forced=("agents change",), reason="INC-1"
    )
    local = ReviewView(user="local:root", verdict="approve", note="", time="2026-11-27T11:58:00.000000Z", local=True, rest_of_run=3)
    text = printed(with_(reviews=(forced, local)))
    assert "dan approved (FORCED): INC-1" in text
    assert "local:root approved (local, without a credential), and allows 3 more calls of the run" in text


def test_a_difference_has_colours_on_a_terminal_and_none_elsewhere() -> None:
    hold = with_(shown=Shown(diff="--- before\n+++ after\n@@ -1 +1 @@\n-replicas: 3\n+replicas: 0\n same\n"))
    plain = printed(hold)
    assert "\n-replicas: 3\n+replicas: 0\n same\n" in plain and "\x1b" not in plain
    coloured = printed(hold, colour=True)
    assert "\x1b[31m-replicas: 3" in coloured and "\x1b[32m+replicas: 0" in coloured and "\x1b[36m@@" in coloured


def test_a_long_line_of_a_difference_is_not_broken() -> None:
    line = "+" + "x" * 500
    assert line in printed(with_(shown=Shown(diff=line)), width=80)


def test_an_inventory_is_shown_with_its_warnings_and_what_it_leaves_out() -> None:
    inventory = Inventory(
        items=(InventoryItem(kind="PersistentVolumeClaim", name="data", namespace="dev", fate="its volume is deleted"),),
        counts={"Pod": 3, "PersistentVolumeClaim": 1},
        warnings=("it breaks the PodDisruptionBudget web",),
    )
    text = printed(with_(shown=Shown(inventory=inventory)))
    for line in (
        "! it breaks the PodDisruptionBudget web",
        "3  Pod",
        "PersistentVolumeClaim data in dev: its volume is deleted",
        "and 3 more",
    ):
        assert line in text


def test_an_exec_is_shown_with_its_argv_word_by_word() -> None:
    view = ExecView(
        pod="web-0", container="app", image="shop:1", owner="Deployment web", service_account="shop", rbac=("get secrets",),
        argv=("sh", "-c", "rm -rf /tmp/x y"), stdin=True, tty=True,
    )  # fmt: skip
    text = printed(with_(shown=Shown(exec=view, recent=("12:00 kubectl get pods",))))
    for line in ("pod  web-0", "image  shop:1", "runs as  service account shop", "argv  'sh' '-c' 'rm -rf /tmp/x y'", "with  stdin, a terminal",
                 "which may  get secrets", "12:00 kubectl get pods"):  # fmt: skip
        assert line in text


def test_what_has_no_dry_run_is_shown_as_it_was_sent_with_the_reason() -> None:
    text = printed(with_(shown=Shown(sent='{"spec": 1}', dry_run="a webhook said no")))
    assert "dry run  a webhook said no" in text and '{"spec": 1}' in text


def test_no_text_of_a_requester_hides_or_turns_another() -> None:
    who = Requester(user=HOSTILE, groups=(HOSTILE,), issuer=HOSTILE, actor=HOSTILE, address=HOSTILE)
    view = ExecView(
        pod=HOSTILE, container=HOSTILE, image=HOSTILE, owner=HOSTILE, service_account=HOSTILE, rbac=(HOSTILE,), argv=(HOSTILE,)
    )
    inventory = Inventory(
        items=(InventoryItem(kind=HOSTILE, name=HOSTILE, namespace=HOSTILE, fate=HOSTILE),),
        counts={HOSTILE: 1},
        warnings=(HOSTILE,),
    )
    review = ReviewView(user=HOSTILE, verdict="deny", note=HOSTILE, time="2026-11-27T11:58:00.000000Z", reason=HOSTILE)
    rule = RuleView(rule=HOSTILE, reviewers=ReviewersView(users=(HOSTILE,), groups=(HOSTILE,), emergency=(HOSTILE,)))
    for shown in (
        Shown(diff=HOSTILE, dry_run=HOSTILE, recent=(HOSTILE,)), Shown(sent=HOSTILE), Shown(exec=view), Shown(inventory=inventory),
    ):  # fmt: skip
        hold = with_(
            principal=who, cluster=HOSTILE, command=HOSTILE, claimed=Claimed(command=HOSTILE, user_agent=HOSTILE), argv=(HOSTILE,),
            effects=(HOSTILE,), rules=(rule,), message=HOSTILE, why=HOSTILE, reviews=(review,), shown=shown, state="denied",
            ended="2026-11-27T11:59:00.000000Z",
        )  # fmt: skip
        for text in (printed(hold), "\n".join(hold_views.table([hold], NOW, None))):
            assert not {"\u202e", "\x1b", "\u200b", "\x07"} & set(text)
            assert "u202e" in text
