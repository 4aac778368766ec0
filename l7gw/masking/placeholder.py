"""Placeholders: what stands in the place of a masked value.

`l7gw-masked-DETECTOR-TAG` has letters, digits and hyphens only, so that it survives every encoding. The tag is the first eight
hex digits of an HMAC-SHA256 over cluster, namespace and value: equal values in one namespace give equal placeholders, and nothing
can be compared with what one may write elsewhere (threats E10).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

BEGINNING = "l7gw-masked-"
LONGEST_DETECTOR = 32  # characters of a detector's name
TAG_DIGITS = 8
KEY_SIZE = 32  # bytes of the masking key
# The shortest whole placeholder has 22 bytes. Where the length must stay, a shorter place holds FILLER alone.
PLACEHOLDER = re.compile(rf"{BEGINNING}([a-z0-9-]{{1,{LONGEST_DETECTOR}}})-([0-9a-f]{{{TAG_DIGITS}}})(?![0-9a-f])")
FILLER = "*"


@dataclass(frozen=True, slots=True)
class Tagger:
    """Makes the tags of one namespace. `namespace` is "" for objects of the cluster."""

    key: bytes  # KEY_SIZE bytes, the same for all gateways of a deployment
    cluster: str
    namespace: str

    def tag(self, value: bytes) -> str:
        """The tag of a value: TAG_DIGITS hex digits."""
        said = b"\0".join((self.cluster.encode(), self.namespace.encode(), value))
        return hmac.digest(self.key, said, "sha256").hex()[:TAG_DIGITS]

    def placeholder(self, detector: str, value: bytes, tag: str = "") -> str:
        """What stands in the place of the value. `tag` is that of another value, for which this one stands in another form."""
        return f"{BEGINNING}{detector}-{tag or self.tag(value)}"


def of_length(placeholder: str, length: int) -> bytes:
    """The placeholder in exactly `length` bytes: filled with FILLER, or FILLER alone where it does not fit whole."""
    whole = placeholder if len(placeholder) <= length else ""
    return whole.encode().ljust(length, FILLER.encode())
