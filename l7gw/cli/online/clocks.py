"""This machine's clock beside those of issuers and clusters, by the header Date of their answers (RFC 9110 section 6.6.1)."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from l7gw.cli.online.findings import Finding
from l7gw.identity.oidc import SKEW
from l7gw.quantities import many

NOTABLE = 3.0  # seconds; a Date has whole seconds, and the answer took some time
REMEDY = "timedatectl set-ntp true"


def ahead_of(date: str, received: float) -> float | None:
    """By how many seconds our clock is ahead of the one that wrote `date`; None where that is no date. `received` is when it came,
    in seconds since 1970."""
    try:
        return received - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def of_clocks(skews: Sequence[tuple[str, float]]) -> Finding:
    """One finding of all. What is beyond `oidc.SKEW` has good tokens refused."""
    if not skews:
        return Finding("clock", "yellow", "no issuer and no cluster said what time it is", f"date -u; {REMEDY}")
    clock, ahead = max(skews, key=lambda one: abs(one[1]))
    if abs(ahead) <= NOTABLE:
        return Finding("clock", "green", f"as those of {many(len(skews), 'server')}")
    text = f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} that of {clock}"
    if abs(ahead) > SKEW:
        return Finding("clock", "red", f"{text}: tokens are refused as not yet valid, or as over", REMEDY)
    return Finding("clock", "yellow", f"{text}; {SKEW} s are the most that tokens may differ", REMEDY)
