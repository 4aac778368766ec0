"""A container's log on its way to the client, beside its mask: the time for which bytes of it are held, what is found in it often,
and the rule that ends it."""

from __future__ import annotations

from l7gw.errors import Refusal
from l7gw.gateway.alarm import Alarm
from l7gw.gateway.answered_call import AnsweredCall, Timed
from l7gw.masking.bodies.log_bodies import LogBody
from l7gw.masking.bodies.streams import MOST_GUESSES
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.find import Find


class MaskedLog:
    """`mask` is the mask of the log."""

    __slots__ = ("mask", "_alarm", "_call", "_ending", "_guessed", "_masks")

    def __init__(self, call: AnsweredCall, masks: CallMasks, worker: Timed, *, packed: bool) -> None:
        self.mask: LogBody = masks.log(worker.clock.monotonic, packed=packed)
        self._alarm = Alarm(worker.clock, call.held_bytes_due)
        self._call = call
        self._masks = masks
        self._guessed = False
        self._ending = ""  # why the rule ends this log

    def found(self, find: Find) -> None:
        """Something was masked in it."""
        if why := self._masks.ends(*find.names):
            self._ending = why

    def look(self) -> None:
        """Look at what was held and found so far. Raises Refusal where the rule ends a log in which something was masked."""
        mask = self.mask
        if mask.values > MOST_GUESSES and not self._guessed:
            self._guessed = True
            self._call.guessing(mask.values)
        if why := self._ending or mask.ended:
            raise Refusal(403, "Forbidden", why)
        if mask.due:
            self._alarm.set(mask.due)

    def close(self) -> None:
        """The call is over."""
        self._alarm.end()
