"""What Slack is sent of a hold: whole, within Slack's limits, and nothing in it that a requester could turn into something else."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.approval.messages import (
    STATES,
    Asked,
    ExecView,
    Hold,
    Inventory,
    InventoryItem,
    Requester,
    ReviewView,
    Shown,
)
from l7gw.config.settings import SlackShow
from l7gw.hold_terms import Reviewers
from l7gw.kube.acting_as import ActsAs
from l7gw.notify.slack_message import message, told
from tests.support.desks import asked, hold_of, terms
from tests.support.slack_stand_in import check

SHOWS: tuple[SlackShow, ...] = get_args(SlackShow)
DIFF = "--- before\n+++ after\n@@ -1 +1 @@\n-  image: web:1\n+  image: web:2\n+  tag: <!channel>`\n"


def sent(call: Asked, show: SlackShow = "summary", **changes: Any) -> dict[str, Any]:
    """A message that Slack takes."""
    found = message(hold_of(call, **changes), show)
    check({"channel": "C1", "parse": "none", **found})
    return found


def text_of(found: dict[str, Any]) -> str:
    """Everything that people read."""
    return json.dumps(found["blocks"], ensure_ascii=False).replace("\\n", "\n").replace("\\\\", "\\")


def buttons(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(e["action_id"], e["value"]) for block in found["blocks"] if block["type"] == "actions" for e in block["elements"]]


def review(user: str, verdict: str = "approve") -> ReviewView:
    return ReviewView(user=user, verdict=verdict, note="", time="2026-01-01T00:00:00.000000Z")  # type: ignore[arg-type]


def test_a_pending_hold_says_who_asks_what_by_which_rule_and_until_when_and_has_two_buttons_of_its_id() -> None:
    who = Requester(user="ann", actor="coder", kind="agent")
    call = asked(
        who=who, person="ann", terms=terms(("agents <change>", Reviewers(groups=("sre",), users=("lea",))), message="Ask first.")
    )
    hold = hold_of(call)
    found = message(hold, "summary")
    check({"parse": "none", **found})
    text = text_of(found)
    for words in (
        "*Approval needed* on cluster `prod`", "```\nkubectl delete pod web-0 -n dev\n```", "`coder for ann` (agent)",
        "`agents &lt;change&gt;`", "`lea, group sre`", "`Ask first.`", "<!date^1700000600^{date_short_pretty} {time_secs}|2023-11-14 22:23:20 UTC>",
        hold.id,
    ):  # fmt: skip
        assert words in text, words
    assert buttons(found) == [("l7gw-approve", hold.id), ("l7gw-deny", hold.id)]
    assert found["text"] == "Approval needed: `kubectl delete pod web-0 -n dev`"


def test_how_many_of_several_approvals_are_given_is_said() -> None:
    two = asked(terms=terms(("r", Reviewers(groups=("sre",), minimum=2))))
    assert "*Approval needed, 0 of 2 given*" in text_of(sent(two))


@pytest.mark.parametrize("state", [state for state in STATES if state != "pending"])
def test_what_is_not_pending_has_no_buttons_and_no_view_and_says_how_it_ended(state: str) -> None:
    call = asked(shown=Shown(diff=DIFF))
    found = sent(call, "diff", state=state, why="because <!here>", reviews=(review("lea"), review("rob")))
    text = text_of(found)
    assert not buttons(found) and "image: web" not in text
    words = {
        "approved": "*Approved* on cluster `prod`, by `lea`, `rob`, may be used until <!date^",
        "consumed": "*Approved, and the call went on* on cluster `prod`, by `lea`, `rob`",
        "denied": "*Denied* on cluster `prod`: `because &lt;!here&gt;`",
    }
    assert words.get(state, f"*{state.capitalize()}* on cluster") in text


def test_a_summary_has_numbers_and_kinds_and_no_content_of_an_object() -> None:
    items = tuple(InventoryItem(kind="Secret", name=f"tres-secret-{number}", fate="destroyed") for number in range(3))
    shown = {
        "2 lines added, 1 removed": Shown(diff=DIFF),
        "Would destroy `3 Secret, 1 Pod`": Shown(inventory=Inventory(items=items, counts={"Secret": 3, "Pod": 1})),
        "with a body of 20 characters": Shown(sent="password: tres-secret"[:20]),
        "No dry run succeeded": Shown(sent="x", dry_run="the webhook says tres-secret"),
        "in pod `web-0`, container `app`, image `web:1`, as service account `robot`": Shown(
            exec=ExecView(pod="web-0", container="app", image="web:1", service_account="robot")
        ),
    }
    for words, one in shown.items():
        text = text_of(sent(asked(shown=one)))
        assert words in text and "tres-secret" not in text and "web:2" not in text, text


def test_with_diff_the_masked_view_is_there_as_far_as_a_message_goes() -> None:
    assert "+  tag: &lt;!channel&gt;\\x60\n" in text_of(sent(asked(shown=Shown(diff=DIFF)), "diff"))
    assert "Was sent:\n```\nspec: {}\n```" in text_of(sent(asked(shown=Shown(sent="spec: {}")), "diff"))
    items = tuple(InventoryItem(kind="Pod", name=f"web-{number}", namespace="dev", fate="destroyed") for number in range(200))
    many = text_of(sent(asked(shown=Shown(inventory=Inventory(items=items, counts={"Pod": 900}))), "diff"))
    assert "Pod web-0 in dev: destroyed\n" in many and "more lines" in many
    long = text_of(sent(asked(shown=Shown(diff="\n".join(f"+ line {number}" for number in range(9000)))), "diff"))
    assert "+ line 10\n" in long and "more lines" in long


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["<!channel>", "`", "```", "*b*", "&amp;", "<@U1>", "@here", "\n", "\u202e", "🦊", "x" * 900, "\x00"])
    .map(str), min_size=1, max_size=12).map("".join),
    st.sampled_from(STATES), st.sampled_from(SHOWS),
)  # fmt: skip
def test_whatever_a_requester_chooses_slack_takes_it_and_nobody_is_mentioned(nasty: str, state: str, show: SlackShow) -> None:
    who = Requester(user=nasty, actor=nasty, kind="agent")
    rule = (nasty, Reviewers(groups=(nasty,) * 9, users=(nasty,)))
    for shown in (
        Shown(diff=nasty * 20, dry_run=nasty), Shown(sent=nasty), Shown(exec=ExecView(pod=nasty, image=nasty)),
        Shown(inventory=Inventory(items=(InventoryItem(kind=nasty, name=nasty),), counts={nasty: 1}, warnings=(nasty,) * 5)),
    ):  # fmt: skip
        call = asked(who=who, person="p", command=nasty, cluster=nasty, terms=terms(*[rule] * 6, message=nasty), shown=shown)
        sent(call, show, state=state, why=nasty, reviews=(review(nasty), review(nasty, "deny")))


def test_what_one_person_is_told_is_for_him_alone_and_escaped() -> None:
    found = told("'<!channel>' is not among the reviewers")
    assert (found["response_type"], found["replace_original"]) == ("ephemeral", False)
    assert found["text"] == "l7gw: '&lt;!channel&gt;' is not among the reviewers"
    assert len(told("x" * 9000)["text"]) == 3000


def test_the_view_of_a_hold_that_is_no_more_pending_is_taken_out() -> None:
    hold: Hold = hold_of(asked(shown=Shown(diff=DIFF)))
    assert "image: web:2" in text_of(message(hold, "diff"))
    assert "image" not in text_of(message(hold_of(asked(shown=Shown(diff=DIFF)), state="expired"), "diff"))


def test_as_whom_a_call_is_made_is_said_beside_who_makes_it() -> None:
    text = text_of(sent(asked(acts_as=ActsAs(user="bob<", groups=("dev",)))))
    assert "*Who*\n`ann`" in text and "*Made as*\n`bob&lt;" in text


def test_where_a_message_cannot_show_all_the_reviewer_is_told_to_look_at_the_rest() -> None:
    assert "longer than a message" not in text_of(sent(asked(shown=Shown(diff=DIFF)), "diff"))
    padded = sent(asked(command=f"kubectl exec web-0 -- echo {'x' * 3000}; rm -rf /"))
    assert "The command is longer than a message of Slack's" in text_of(padded) and buttons(padded)
    long = Shown(diff="\n".join(["+ x"] * 9000))
    assert "What it would do is longer than a message" in text_of(sent(asked(shown=long), "diff"))
    assert "longer than a message" not in text_of(sent(asked(shown=long)))
