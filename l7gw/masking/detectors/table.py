"""All detectors that come with l7gw, and the names that rules may use."""

from __future__ import annotations

from l7gw.masking.detectors.detector import Detector
from l7gw.masking.detectors.headers import HEADERS
from l7gw.masking.detectors.keys import KEYS
from l7gw.masking.detectors.keywords import KEYWORDS
from l7gw.masking.detectors.people import PEOPLE
from l7gw.masking.detectors.services import SERVICES

# Of several detectors that find the same bytes the first one here gives its name.
BUILT_IN: tuple[Detector, ...] = (*KEYS[::-1], *SERVICES, *KEYWORDS[2:], *HEADERS, *KEYWORDS[:2], *PEOPLE)
