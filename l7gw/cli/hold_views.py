"""Holds for people: a table, and one hold with what its call would do. Every text that a requester chose is escaped."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Sequence

from rich.console import Console

from l7gw.approval.messages import ExecView, Hold, Inventory, Requester, ReviewersView, ReviewView, RuleView, Shown
from l7gw.cli import columns
from l7gw.cli.columns import Column
from l7gw.recording.terminal.unseen import safe

SHORTEST = 13  # characters of an id that are shown at least: its milliseconds
MARGIN = " " * 14
COLUMNS = (
    Column("hold"),
    Column("state"),
    Column("who", broken=True),
    Column("cluster", broken=True),
    Column("age"),
    Column("left"),
)
BELOW = " " * 4  # before what stands below a row
STYLES = {"pending": "yellow", "approved": "green", "consumed": "green", "denied": "red"}
OTHER_WAYS = ("slack", "webhook")  # issuers of reviews that came by no credential of `identity`
DIFF = {"+": "green", "-": "red", "@": "cyan"}


def table(holds: Sequence[Hold], now: datetime.datetime, within: int | None) -> Iterator[str]:
    """A row for each hold. `left` is how long an answer still counts, or an approval may still be used. On a terminal of `within`
    columns the command and its rules stand in lines of their own; None: each row is one line, which programs take apart."""
    length = telling([hold.id for hold in holds])
    rows = [
        (
            hold.id[:length],
            state(hold),
            safe(who(hold)),
            safe(hold.cluster),
            span(-since(now, hold.created)),
            "" if hold.ended is not None else span(since(now, hold.expires)),
            safe(hold.command),
            safe(", ".join(rule.rule for rule in hold.rules)),
        )
        for hold in holds
    ]
    if within is None:
        whole = (*COLUMNS[:4], Column("command"), Column("rule"), *COLUMNS[4:])
        yield from columns.table(whole, [(*row[:4], *row[6:], *row[4:6]) for row in rows], None)
        return
    heading, *lines = columns.table(COLUMNS, [row[: len(COLUMNS)] for row in rows], within)
    yield heading
    told = iter(rows)
    for line, after in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        yield line
        if not after.startswith(" "):  # the last line of a row: further ones have no id
            *_, command, rule = next(told)
            yield from columns.indented(command, BELOW, within)
            yield from columns.indented(f"held by {rule}", BELOW, within)


def who(hold: Hold) -> str:
    """Whose call it is, and as whom it is made."""
    return called(hold.principal) + (f", as {hold.acts_as.user}" if hold.acts_as is not None else "")


def called(asked: Requester) -> str:
    """Who asked: the user, the agent that acts for him, and what else than a person he is."""
    kind = f" ({asked.kind})" if asked.kind != "human" else ""
    return (f"{asked.actor} for {asked.user}" if asked.actor else asked.user) + kind


def state(hold: Hold) -> str:
    """The state and, while some of several approvals are given, how many."""
    if hold.state != "pending" or hold.needed < 2:
        return hold.state
    given = min(rule.reviewers.minimum if rule.forced else rule.approvals for rule in hold.rules)
    return f"pending {given}/{hold.needed}"


def telling(ids: Sequence[str]) -> int:
    """How many characters tell these ids apart."""
    length = SHORTEST
    ordered = sorted(ids)
    for one, other in itertools.pairwise(ordered):
        while length < len(one) and one[:length] == other[:length]:
            length += 1
    return length


def since(now: datetime.datetime, moment: str) -> float:
    """Seconds from now to a moment; negative where it is past."""
    return (datetime.datetime.fromisoformat(moment) - now).total_seconds()


def span(seconds: float) -> str:
    """So many seconds in the unit that people would say: 45s, 12m, 3h, 2d."""
    whole = max(0, int(seconds))
    for unit, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= 2 * unit or (unit == 60 and whole >= unit):
            return f"{whole // unit}{name}"
    return f"{whole}s"


# ---------------------------------------------------------------------- one hold


def show(console: Console, hold: Hold, now: datetime.datetime) -> None:
    """Print one hold: the call, whose it is, who may say yes, and what it would do."""
    for name, value in _head(hold, now):
        if value:
            console.print(f"{name:>12}  {value}", soft_wrap=True)
    for rule in hold.rules:
        console.print(f"{'reviewers':>12}  {_reviewers(rule)}", soft_wrap=True)
    for review in hold.reviews:
        console.print(f"{'review':>12}  {review_line(review)}", style="red" if review.forced else "", soft_wrap=True)
    if hold.shown == Shown():
        console.print("\nThere is no view of the call here: reviewers alone are shown one, and a read has none.")
    for style, line in _shown(hold.shown):
        console.print(line, style=style, soft_wrap=True)
    if hold.state == "pending":
        console.print(f"\n{MARGIN}l7gw holds approve {hold.id}\n{MARGIN}l7gw holds deny {hold.id} --note WHY")


def _head(hold: Hold, now: datetime.datetime) -> Iterator[tuple[str, str]]:
    asked = hold.principal
    yield "hold", hold.id
    yield "state", state(hold) + (f": {safe(hold.why)}" if hold.why else "")
    yield "command", safe(hold.command)
    yield "argv", "" if hold.argv is None else " ".join(safe(repr(word)) for word in hold.argv)
    yield "cluster", safe(hold.cluster)
    yield "who", safe(who(hold))
    yield "made as", "" if hold.acts_as is None else safe(str(hold.acts_as))
    yield "groups", safe(", ".join(asked.groups))
    yield "issuer", safe(asked.issuer)
    yield "address", safe(asked.address)
    yield "claimed", safe("  ".join(text for text in (hold.claimed.command, hold.claimed.user_agent) if text))
    yield "effects", safe(", ".join(hold.effects))
    yield "rule", safe(", ".join(rule.rule for rule in hold.rules))
    yield "message", safe(hold.message)
    yield "session", f"{hold.session}/{hold.exchange}"
    how = "the call waits for the answer" if hold.wait == "wait" else "the call was refused, and comes back after an approval"
    yield "how", how
    yield "asked", f"{local(hold.created)}, {span(-since(now, hold.created))} ago"
    if hold.ended is not None:
        yield "ended", local(hold.ended)
    else:
        yield (
            ("answer until" if hold.state == "pending" else "used until"),
            f"{local(hold.expires)}, {span(since(now, hold.expires))} left",
        )
    if hold.rest is not None and (left := since(now, hold.rest.until)) > 0:
        yield "rest of run", f"{hold.rest.calls} more calls may pass, for {span(left)}; l7gw holds deny takes them back"
    yield "replaces", hold.replaces


def local(moment: str) -> str:
    """A moment in the time of this machine."""
    return datetime.datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _reviewers(rule: RuleView) -> str:
    given = "forced" if rule.forced else f"{rule.approvals} of {rule.reviewers.minimum}"
    return f"{safe(rule.rule)}: {reviewers(rule.reviewers, given)}"


def named(who: ReviewersView) -> str:
    """Who may approve, in words."""
    whom = [*who.users, *(f"group {name}" for name in who.groups), *(["the owner of the agent"] if who.owner else ())]
    return safe(", ".join(whom) or "nobody")


def reviewers(who: ReviewersView, given: str) -> str:
    """Who may approve, and how often somebody has: `lea, group sre (1 of 2); group oncall may force it`."""
    may_force = f"; group {', '.join(who.emergency)} may force it" if who.emergency else ""
    return f"{named(who)} ({given}){safe(may_force)}"


def review_line(review: ReviewView) -> str:
    """What somebody said, in a line."""
    how = " (local, without a credential)" if review.local else " (FORCED)" if review.forced else ""
    how += f" (by {review.issuer})" if review.issuer in OTHER_WAYS else ""
    rest = f", and allows {review.rest_of_run} more calls of the run" if review.rest_of_run else ""
    words = "".join(f": {safe(text)}" for text in (review.note, review.reason) if text)
    return f"{local(review.time)} {safe(review.user)} {'approved' if review.verdict == 'approve' else 'denied'}{how}{rest}{words}"


def _shown(shown: Shown) -> Iterator[tuple[str, str]]:
    """What the reviewer is shown, as lines with their styles."""
    if shown.dry_run:
        yield "yellow", f"{'dry run':>12}  {safe(shown.dry_run)}"
    if shown.diff is not None:
        yield "bold", "\nWhat would change:"
        for line in shown.diff.splitlines():
            heading = line.startswith(("+++", "---"))
            yield "bold" if heading else DIFF.get(line[:1], ""), _line(line)
    if shown.sent is not None:
        yield "bold", "\nWhat was sent:"
        for line in shown.sent.splitlines():
            yield "", _line(line)
    if shown.inventory is not None:
        yield from _inventory(shown.inventory)
    if shown.exec is not None:
        yield from _exec(shown.exec)
    if shown.recent:
        yield "bold", "\nWhat this principal did in the minutes before:"
        for line in shown.recent:
            yield "", "  " + safe(line)


def _line(line: str) -> str:
    """A line of a diff or a body; its leading spaces and tabs stay as wide as they are."""
    return safe(line.expandtabs(4))


def _inventory(inventory: Inventory) -> Iterator[tuple[str, str]]:
    yield "bold", "\nWhat would be destroyed:"
    for warning in inventory.warnings:
        yield "red", f"  ! {safe(warning)}"
    for kind, number in inventory.counts.items():
        yield "", f"  {number:>6}  {safe(kind)}"
    for item in inventory.items:
        where = f" in {item.namespace}" if item.namespace else ""
        fate = f": {item.fate}" if item.fate else ""
        yield "", f"  {safe(f'{item.kind} {item.name}{where}{fate}')}"
    left = sum(inventory.counts.values()) - len(inventory.items)
    if left > 0:
        yield "", f"  and {left} more"


def _exec(view: ExecView) -> Iterator[tuple[str, str]]:
    yield "bold", "\nWhat would run:"
    argv = "the container's own process" if view.argv is None else " ".join(repr(word) for word in view.argv)
    streams = ", ".join(name for name, wanted in (("stdin", view.stdin), ("a terminal", view.tty)) if wanted)
    for name, value in (
        ("pod", view.pod), ("container", view.container), ("image", view.image), ("owner", view.owner),
        ("runs as", view.service_account and f"service account {view.service_account}"), ("argv", argv), ("with", streams),
    ):  # fmt: skip
        if value:
            yield "", f"{name:>12}  {safe(value)}"
    for line in view.rbac:
        yield "", f"{'which may':>12}  {safe(line)}"
