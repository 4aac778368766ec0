"""What was masked in one call, counted for people who read its recording."""

from __future__ import annotations

from l7gw.recording.events import MaskRecorded

MANY_SENT = 20  # masked values in what a caller sent; more mark the call, because masking could hide what was done
PLACES = 3  # that are named; `l7gw export` has all


class Masked:
    """The sum of a call's `mask` events. Its size does not grow with their number."""

    def __init__(self) -> None:
        self._values = self._bytes = self._sent = 0
        self._detectors: dict[str, None] = {}  # in the order in which they found something
        self._places: dict[str, None] = {}  # the first ones, and one more where there are more

    def __bool__(self) -> bool:
        return self._values > 0

    def add(self, event: MaskRecorded) -> None:
        self._values += 1
        self._bytes += event.length
        self._sent += event.up
        self._detectors[event.detector] = None
        if len(self._places) <= PLACES:
            self._places[event.where] = None

    def __str__(self) -> str:
        """How much was masked, by what and where, as text of which the recording's own words were not made safe to print."""
        places = ", ".join([*self._places][:PLACES]) + (" and elsewhere" if len(self._places) > PLACES else "")
        what = f"{self._values} masked, {self._bytes} bytes: {', '.join(self._detectors)} in {places}"
        return f"{what}; the caller sent {self._sent} of them" if self._sent > MANY_SENT else what
