"""The URLs of `tests/vectors/aws_tokens`, with what they leave open filled in."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from tests.support.vector_files import VECTORS, read

SIGNATURE = "a1" * 32
CREDENTIAL = "ASIAABCDEFGHIJKLMNOP%2F20261128%2Feu-west-1%2Fsts%2Faws4_request"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")  # that the vectors take for listed
ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}


class TokenUrl(NamedTuple):
    """One URL. `authenticator` and `ours` are whether the two verifiers would ask STS about it: of authenticator a version of the
    time of these vectors, `released` the version that is in the tests."""

    released: bool
    authenticator: bool
    ours: bool
    url: str
    why: str


def dated(moment: float) -> str:
    """A date of SigV4. `moment` is in seconds since 1970."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def query(now: float, *, expires: str = "60", algorithm: str = "AWS4-HMAC-SHA256", signed: str = "", when: str = "") -> str:
    """A whole query, with the given values."""
    date = dated(now + int(when)) if re.fullmatch("-?[0-9]{1,4}", when) else when or dated(now)
    if when == "fraction":
        date = dated(now).replace("Z", ".5Z")
    return (
        f"Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm={algorithm}&X-Amz-Credential={CREDENTIAL}&X-Amz-Date={date}"
        f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders={signed or 'host%3Bx-k8s-aws-id'}&X-Amz-Signature={SIGNATURE}"
    )


def urls(now: float) -> list[TokenUrl]:
    """All of them. `now` is in seconds since 1970."""
    whole = query(now)
    known = {"good": whole, "rest": whole.partition("&Version=2011-06-15&")[2], "date": dated(now), "signature": SIGNATURE}

    def fill(found: re.Match[str]) -> str:
        name, colon, value = found[1].partition(":")
        return query(now, **{name: value}) if colon else known[name]

    rows = [line.split("\t") for line in read(VECTORS / "aws_tokens" / "urls").data.decode().splitlines()[1:]]
    return [
        TokenUrl(
            authenticator == "accept",
            authenticator != "refuse",
            ours == "accept",
            re.sub(r"\{([^{}]+)\}", fill, _unescaped(url)),
            why,
        )
        for authenticator, ours, url, why in rows
    ]


def _unescaped(text: str) -> str:
    return re.sub(r"\\[tnr\\]", lambda found: ESCAPES[found[0]], text)
