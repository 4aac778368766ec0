"""Who is one and the same person: the names that somebody has at several issuers (`people:`, threats G3)."""

from __future__ import annotations

from collections.abc import Iterable

from l7gw.approval.messages import Requester
from l7gw.config.settings import Person


class People:
    """An immutable snapshot of `people:`. Whoever is not listed is a person of his own, by the user's name with its prefix: two
    issuers never give the same name (docs/configuration.md)."""

    __slots__ = ("_person",)

    def __init__(self, people: Iterable[Person] = ()) -> None:
        self._person = {name: one.user for one in people for name in (one.user, *one.also)}

    def person(self, user: str) -> str:
        """The canonical person of a user's name."""
        return self._person.get(user, user)

    def behind(self, requester: Requester) -> frozenset[str]:
        """Every person behind a call: whom the principal names, and who acts for him."""
        return frozenset(self.person(name) for name in (requester.user, requester.actor) if name)
