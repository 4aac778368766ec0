"""What l7gw.yaml says about approvals: `people`, `limits.holds` and `socket`. `reviews` and `store` have the rest."""

from __future__ import annotations

from pathlib import Path

from l7gw import name_rules
from l7gw.config.document import Reader, plain, shown
from l7gw.config.settings import MOST_HOLDS, USUAL_HOLDS, Person

PERSON_KEYS = ("user", "also")
LIMITS_KEYS = ("holds",)
SOCKET_KEYS = ("path", "group")
LIMITS_LATER = {"requests-per-second": "limits per principal", "streams": "limits per principal"}

MOST_PEOPLE = 10_000  # who have several names; a directory has more people, but few of them have two


def people_of(top: Reader) -> tuple[Person, ...]:
    """The entries of `people` without a mistake. Every mistake is reported to the document."""
    nodes = top.items("people")
    if len(nodes) > MOST_PEOPLE:
        top.wrong("people", f"`people` has more than {MOST_PEOPLE} entries")
    owners: dict[str, str] = {}  # of each name the entry that has it
    found: list[Person] = []
    for node in nodes[:MOST_PEOPLE]:
        reader = Reader(top.document, node, "an entry of `people`", PERSON_KEYS)
        user = reader.text("user", required=True)
        if not reader.has("also"):
            reader.missing("also", f'also: ["cert:{user or "ann"}"]')
        also = reader.texts("also", one=True) or ()
        for name in (user, *also):
            if not name:
                continue
            key = "user" if name is user else "also"
            if fault := name_rules.fault(name):
                reader.wrong(key, f"`{key}`: {shown(name)} {fault}")
            elif name in owners:
                reader.wrong(key, f"`people`: {shown(name)} stands twice", "a name belongs to one person, and stands once")
            owners[name] = user
        found.append(Person(user, tuple(also)))
    return tuple(found)


def most_holds(top: Reader) -> int:
    """How many pending holds a principal may have."""
    limits = top.inner("limits", LIMITS_KEYS, LIMITS_LATER)
    node = limits.node_of("holds")
    if node is None:
        return USUAL_HOLDS
    value = plain(node)
    if type(value) is not int or not 1 <= value <= MOST_HOLDS:
        limits.wrong("holds", f"`holds` must be a number within 1 and {MOST_HOLDS}")
        return USUAL_HOLDS
    return value


def socket_of(top: Reader) -> tuple[Path | None, str]:
    """Where the API's socket is, None for its place in the state; and the group whose members may connect to it, "" for none."""
    inner = top.inner("socket", SOCKET_KEYS)
    group = inner.text("group")
    if fault := name_rules.fault(group) if group else "":
        inner.wrong("group", f"`group`: {shown(group)} {fault}")
    return inner.path("path"), group
