"""A hold as a message of Slack's: blocks with buttons while it is pending, and how it ended afterwards.

Limits are those of https://docs.slack.dev/reference/block-kit: 50 blocks, texts of 3,000 characters, fields of 2,000.
"""

from __future__ import annotations

import datetime
from typing import Any

from l7gw.approval.messages import ExecView, Hold, Inventory, RuleView, Shown
from l7gw.config.settings import SlackShow
from l7gw.notify.slack_text import block, code, cut, escaped, is_cut, units
from l7gw.quantities import many

CUT = ":warning: {} is longer than a message of Slack's: look at the rest with `l7gw holds show` before you approve."
APPROVE, DENY = "l7gw-approve", "l7gw-deny"  # the buttons' action_id

LONGEST_TEXT = 3000  # characters of a text of a section
LONGEST_VIEW = 2900  # of what would happen: one section
LONGEST_FIELD = 600  # characters of one of the fields; Slack takes 2,000
LONGEST_NAME = 150  # characters of one of several names
MOST_NAMED = 4  # of several names
LONGEST_WORDS = 900  # characters of why it ended, and of the command in the notification
LONGEST_FALLBACK = 1500  # characters of what a notification shows

Block = dict[str, Any]


def message(hold: Hold, show: SlackShow) -> dict[str, Any]:
    """The fields `text` and `blocks` of chat.postMessage and chat.update. No content of an object stays once the hold is over."""
    title = _title(hold)
    pending = hold.state == "pending"
    command = block([hold.command], LONGEST_VIEW)
    blocks = [
        _section(f"*{title}* on cluster {code(hold.cluster, 100)}{_why(hold)}"),
        _section(command),
        *([_section(CUT.format("The command"))] if pending and is_cut(command) else ()),
        {"type": "section", "fields": [_mrkdwn(text) for text in _fields(hold)]},
    ]
    if pending:
        blocks += [_section(text) for text in _view(hold.shown, show) if text]
        blocks.append({"type": "actions", "block_id": "l7gw", "elements": [_button(hold, APPROVE), _button(hold, DENY)]})
    blocks.append({"type": "context", "elements": [_mrkdwn(f"hold `{hold.id}`, shown whole by `l7gw holds show {hold.id}`")]})
    return {"text": cut(f"{title}: {code(hold.command, LONGEST_WORDS)}", LONGEST_FALLBACK), "blocks": blocks}


def _section(text: str) -> Block:
    assert units(text) <= LONGEST_TEXT, "each part is cut before"
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}  # verbatim: no address, channel or name becomes a link


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _button(hold: Hold, action: str) -> Block:
    word, style = ("Approve", "primary") if action == APPROVE else ("Deny", "danger")
    what = "The call goes on, once." if action == APPROVE else "The call ends, whoever else approves it."
    return {
        "type": "button",
        "action_id": action,
        "value": hold.id,
        "style": style,
        "text": _plain(word),
        "confirm": {"title": _plain(f"{word} this call?"), "text": _plain(what), "confirm": _plain(word), "deny": _plain("Back")},
    }


def _title(hold: Hold) -> str:
    match hold.state:
        case "pending":
            given = min(rule.reviewers.minimum if rule.forced else rule.approvals for rule in hold.rules)
            return f"Approval needed, {given} of {hold.needed} given" if hold.needed > 1 else "Approval needed"
        case "approved":
            return "Approved"
        case "consumed":
            return "Approved, and the call went on"
        case "denied":
            return "Denied"
        case "expired":
            return "Expired"
        case "cancelled":
            return "Cancelled"
        case "void":
            return "Void"


def _why(hold: Hold) -> str:
    """Who approved, or why it ended."""
    people = dict.fromkeys(review.user for review in hold.reviews if review.verdict == "approve")
    if hold.state in ("approved", "consumed"):
        until = f", may be used until {_when(hold.expires)}" if hold.state == "approved" else ""
        return (f", by {_several(list(people))}" if people else "") + until
    return f": {code(hold.why, LONGEST_WORDS)}" if hold.why else ""


def _fields(hold: Hold) -> list[str]:
    asked = hold.principal
    who = f"{asked.actor} for {asked.user}" if asked.actor else asked.user
    how = "the call waits" if hold.wait == "wait" else "the call was refused, and comes back"
    found = [
        ("Who", code(who, LONGEST_FIELD - 100) + (f" ({asked.kind})" if asked.kind != "human" else "")),
        ("Held by", code(", ".join(rule.rule for rule in hold.rules), LONGEST_FIELD)),
        ("May approve", _several([_reviewers(rule) for rule in hold.rules])),
    ]
    if hold.acts_as is not None:
        found.insert(1, ("Made as", code(str(hold.acts_as), LONGEST_FIELD)))
    if hold.state == "pending":
        found.append(("Answer until", f"{_when(hold.expires)}; {how}"))
    if hold.message:
        found.append(("The rule says", code(hold.message, LONGEST_FIELD)))
    return [f"*{name}*\n{value}" for name, value in found]


def _reviewers(rule: RuleView) -> str:
    named = rule.reviewers
    whom = [*named.users, *(f"group {name}" for name in named.groups), *(["the owner of the agent"] if named.owner else ())]
    return ", ".join(whom) or "nobody"


def _several(texts: list[str]) -> str:
    """The first of some texts, each as code, and how many there are besides."""
    more = len(texts) - MOST_NAMED
    return ", ".join(code(text, LONGEST_NAME) for text in texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _when(moment: str) -> str:
    """A moment in the reader's own time, as Slack shows it."""
    found = datetime.datetime.fromisoformat(moment)
    return f"<!date^{int(found.timestamp())}^{{date_short_pretty}} {{time_secs}}|{found:%Y-%m-%d %H:%M:%S} UTC>"


# ---------------------------------------------------------------------- what would happen


def _view(shown: Shown, show: SlackShow) -> list[str]:
    view = _whole(shown) if show == "diff" else _summary(shown)
    return [_warned(shown), view, CUT.format("What it would do") if is_cut(view) else ""]


def _warned(shown: Shown) -> str:
    return ":warning: No dry run succeeded; `l7gw holds show` says why." if shown.dry_run else ""


def _summary(shown: Shown) -> str:
    """What would happen without a content of any object."""
    if shown.diff is not None:
        lines = shown.diff.splitlines()
        more, less = (sum(line.startswith(sign) and not line.startswith(sign * 3) for line in lines) for sign in "+-")
        return f"Would change an object: {many(more, 'line')} added, {less} removed."
    if shown.inventory is not None:
        return _counts(shown.inventory)
    if shown.exec is not None:
        return _exec(shown.exec)
    return f"Was sent with a body of {many(len(shown.sent), 'character')}." if shown.sent is not None else ""


def _whole(shown: Shown) -> str:
    if shown.diff is not None:
        return "Would change:\n" + block(shown.diff.splitlines(), LONGEST_VIEW)
    if shown.sent is not None:
        return "Was sent:\n" + block(shown.sent.splitlines(), LONGEST_VIEW)
    if shown.inventory is not None and shown.inventory.items:
        items = shown.inventory.items
        lines = [f"{one.kind} {one.name}{f' in {one.namespace}' if one.namespace else ''}: {one.fate}" for one in items]
        counts = _counts(shown.inventory)
        return f"{counts}\n{block(lines, LONGEST_VIEW - units(counts))}"
    return _summary(shown)


def _counts(inventory: Inventory) -> str:
    counts = ", ".join(f"{number} {kind}" for kind, number in inventory.counts.items()) or "nothing more"
    warnings = "".join(f"\n:warning: {code(warning, 300)}" for warning in inventory.warnings[:3])
    return f"Would destroy {code(counts, LONGEST_FIELD)}{warnings}"


def _exec(view: ExecView) -> str:
    parts = [
        ("in pod", view.pod),
        ("container", view.container),
        ("image", view.image),
        ("as service account", view.service_account),
    ]
    return "Would run " + ", ".join(f"{name} {code(value, 300)}" for name, value in parts if value)


def told(text: str) -> dict[str, Any]:
    """What one person alone is told, who pressed a button."""
    words = escaped(text.replace("`", "'"))  # he is told in no code
    return {"response_type": "ephemeral", "replace_original": False, "text": cut(f"l7gw: {words}", LONGEST_TEXT)}
