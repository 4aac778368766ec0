"""One search of a body's bytes that tells of most bodies that nothing in them is masked by its structure.

What it notices is looked at again, by what knows it exactly (`objects.py`). It costs 1 us and 1 ns a byte, where those searches one
by one cost 25 ns a byte.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import hyperscan


class Hints:
    """Searches bytes for any of some expressions, without regard to where. May be used by several threads at once."""

    def __init__(self, expressions: Sequence[bytes]) -> None:
        # hyperscan's \\s lacks one of the spaces that Python's and re2's have
        spelled = [expression.replace(rb"\s", rb"[\t-\r ]") for expression in expressions]
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
        self._database.compile(expressions=spelled, elements=len(spelled), flags=flags)
        self._own = threading.local()  # hyperscan wants scratch space for each thread

    def noticed(self, data: bytes) -> bool:
        """Whether one of the expressions is in the bytes."""
        try:
            scratch = self._own.scratch
        except AttributeError:
            scratch = self._own.scratch = hyperscan.Scratch(self._database)
        try:
            self._database.scan(data, match_event_handler=_stop, scratch=scratch)
        except hyperscan.ScanTerminated:
            return True
        return False


def _stop(*_: object) -> bool:
    return True
