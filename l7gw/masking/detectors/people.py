"""Data about people. Off by default: their text stands everywhere, and looking for it costs."""

from __future__ import annotations

from l7gw.masking.detectors import values
from l7gw.masking.detectors.detector import Detector, Shape

PEOPLE = (
    Detector(
        name="email",
        finds="e-mail addresses",
        anchor="@ and a dot behind it",
        reason="Off: user names in Kubernetes are e-mail addresses, and whoever reads about them would see none.",
        shapes=(
            Shape(
                r"(?:^|mailto:|\\[nrt]|[^A-Za-z0-9._%+:/-])(?P<value>[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})\b",
                notice=r"@[A-Za-z0-9-]{1,63}\.[A-Za-z0-9]",
            ),
        ),
        fixed=False,
        ns_per_byte=0.25,
        on=False,
    ),
    Detector(
        name="card-number",
        finds="numbers of payment cards",
        anchor="13 to 19 digits that begin as cards do; Luhn's check",
        reason="Off: one in ten numbers of that length passes the check, and looking at digits costs more than all the others.",
        shapes=(
            Shape(
                r"(?:\b|\\[nrt])(?P<value>[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}"
                r"|3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5})\b",
                notice=r"(?:\b|\\[nrt])[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}",
                keeps=values.is_card,
            ),
        ),
        fixed=False,
        ns_per_byte=0.90,
        on=False,
    ),
)
