"""What the desk answers where it failed, or cannot know."""

from __future__ import annotations

import logging

from l7gw.errors import Refusal
from l7gw.store.database import StoreAway

log = logging.getLogger(__name__)


def refusal(error: object) -> Refusal:
    """The answer to somebody whose work failed in the store. A Refusal stays what it is; what is no fault of the database's is a
    bug."""
    if isinstance(error, Refusal):
        return error
    if not isinstance(error, StoreAway):
        log.error("the desk of the holds failed", exc_info=error if isinstance(error, Exception) else None)
        return Refusal(500, "InternalError", "the gateway failed at this hold; nothing was sent")
    return Refusal(503, "ServiceUnavailable", f"this call needs an approval, which cannot be asked for or given: {error}")


def unrecorded(error: Exception) -> Refusal:
    """The answer where a change is stored, and cannot be recorded."""
    return Refusal(503, "ServiceUnavailable", f"what happens to this hold cannot be recorded, so the call does not pass: {error}")
