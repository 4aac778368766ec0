"""The part of the tour with two people: Ann's delete waits in the gateway, Lea sees what it would destroy, and lets it go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from l7gw.demo.shown import Shown

LOOK_EVERY = 0.2  # seconds between two looks at the list of holds

Reviewer = Callable[..., Awaitable[Shown]]  # runs `l7gw` with these arguments as Lea


class HeldDelete:
    """One delete that waits. `delete` makes it as Ann, and ends when it was answered; `lea` runs commands as the reviewer, whose
    terminal has so many columns."""

    def __init__(self, command: str, delete: Callable[[], Awaitable[Shown]], lea: Reviewer, columns: int) -> None:
        self._command = command  # of `delete`, as people type it
        self._delete = delete
        self._lea = lea
        self._columns = columns
        self._hold = ""
        self._deleting: asyncio.Task[Shown] | None = None

    async def begin(self) -> Shown:
        """Ann deletes, and her call waits. What is shown is Lea's list, in which it stands."""
        self._deleting = asyncio.ensure_future(self._delete())
        while not self._hold:
            await asyncio.wait((self._deleting,), timeout=LOOK_EVERY)
            if self._deleting.done():
                shown = self._deleting.result()
                return Shown(shown.command, shown.status or 1, f"{shown.output}\nit did not wait")
            listed = await self._lea("holds", "list", "--state", "pending", "-o", "json")
            if listed.status:
                return listed
            self._hold = next((hold["id"] for hold in json.loads(listed.output)), "")
        listed = await self._lea("holds", "list", "--state", "pending", columns=self._columns)
        return Shown(self._command, listed.status, f"(it waits)\n\n$ {listed.command}\n{listed.output}")

    async def show(self) -> Shown:
        """What the delete would destroy."""
        return await self._lea("holds", "show", self._hold)

    async def approve(self) -> Shown:
        """Lea approves, and the delete that waited ends."""
        if self._deleting is None or not self._hold:
            return Shown("l7gw holds approve", 1, "there is no hold to approve")
        approved = await self._lea("holds", "approve", self._hold, "--note", "the shop has moved")
        if approved.status:
            return approved
        deleted = await self._deleting
        return Shown(approved.command, deleted.status, f"{approved.output.rstrip()}\n\n$ {deleted.command}\n{deleted.output}")

    async def stop(self) -> None:
        """End the delete where it still waits: its client leaves, and its hold is cancelled."""
        if self._deleting is not None:
            self._deleting.cancel()
            await asyncio.wait((self._deleting,))
