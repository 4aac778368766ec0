"""An EKS token, which is a presigned request to STS: read strictly, and its URL written anew from its parts (threats F7).

`aws eks get-token` and aws-iam-authenticator make it: `k8s-aws-v1.` and the base64url of a URL of `sts:GetCallerIdentity`, which
the caller has signed with his own credentials (SigV4, in the query). Whoever sends that request learns who signed it, and nobody
needs a secret for it. So the URL comes from a stranger, and says where we are to call: nothing of it is used but values that were
read.

What is read here is what aws-iam-authenticator's `pkg/token/token.go` reads, and less: a request that STS refuses by its form alone
is refused here. Where it takes more, `tests/identity/test_aws_tokens.py` says so. The messages quote nothing of the token.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

from l7gw.identity.claims import refused

PREFIX = "k8s-aws-v1."
LARGEST_TOKEN = 4096  # bytes; aws-iam-authenticator takes no larger one
LIFETIME = 900  # seconds that STS takes a presigned request after its date, whatever its X-Amz-Expires says
MOST_AHEAD = 300  # seconds that a token's date may be ahead of our clock; STS bears as much between its clock and the signer's
CLUSTER_HEADER = "x-k8s-aws-id"
# The headers of our request to STS that a signature may cover. Go's client, by which authenticator asks, has `accept` too
SIGNABLE = frozenset(("host", CLUSTER_HEADER, "accept"))

# The parameters that authenticator lists, by their names in lower case, and the values that STS takes. A request without one of
# those, but for the last, is refused by STS whatever the signature is
PARAMETERS = {
    "action": re.compile(r"GetCallerIdentity"),
    "version": re.compile(r"2011-06-15"),
    "x-amz-algorithm": re.compile(r"AWS4-HMAC-SHA256"),
    "x-amz-credential": re.compile(r"[A-Za-z0-9]{16,128}/[0-9]{8}/[a-z0-9-]{1,32}/sts/aws4_request"),
    "x-amz-date": re.compile(r"[0-9]{8}T[0-9]{6}Z"),
    "x-amz-expires": re.compile(r"[0-9]{1,3}"),
    "x-amz-signature": re.compile(r"[0-9a-f]{64}"),
    "x-amz-signedheaders": re.compile(r"[a-z0-9-]{1,64}(;[a-z0-9-]{1,64}){0,7}"),
    "x-amz-security-token": re.compile(r"[A-Za-z0-9_.~%-]+"),  # of temporary credentials; it is looked at as it is encoded
}
SESSION_TOKEN = "x-amz-security-token"

_ENCODED = re.compile(r"[A-Za-z0-9_-]+")
_WITHOUT_REST = {2: "AQgw", 3: "AEIMQUYcgkosw048"}  # letters that leave four, or two, bits zero (RFC 4648 section 3.5)
# https, a host, perhaps its port, the path `/` and a query. Neither a user, nor a fragment, nor a character that one reader of URLs
# takes for another (a backslash, a tab). A `+` means a space to some readers, and a `;` parts parameters for others
_URL = re.compile(r"https://([a-z0-9.\-\[\]:]{1,260})/\?([A-Za-z0-9_.~%/:=,@&-]+)")
# As SigV4 encodes a value. Possessive (++), as a stranger chooses the text: else a bad end would be tried in every way to cut it
_ESCAPED = re.compile(r"(?:[A-Za-z0-9_.~-]++|%[0-9A-F]{2})++")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Presigned(NamedTuple):
    """A request to STS that somebody has signed. `host` is the Host that is signed. `target` is path and query, written anew.
    `date` is when it was signed, in seconds since 1970."""

    host: str
    target: str
    date: float

    @property
    def expires(self) -> float:
        """When STS takes it no more, in seconds since 1970."""
        return self.date + LIFETIME

    def __repr__(self) -> str:
        return f"Presigned(host={self.host!r}, target=(credential), date={self.date!r})"  # so that no error has it


def read(text: str, hosts: Collection[str], now: float) -> Presigned:
    """The request that a token is. `hosts` are the hosts of STS that it may name; `now` is in seconds since 1970. Raises Refusal
    401 for a token that is too large or malformed, names another host, or is too old or too new."""
    if len(text) > LARGEST_TOKEN:
        raise refused(f"the AWS token is too large: more than {LARGEST_TOKEN} bytes")
    found = _URL.fullmatch(_decoded(text))
    if found is None:
        raise refused("the AWS token is malformed: it holds no plain https URL with the path / and a query")
    if found[1] not in hosts:
        raise refused(
            "the AWS token names another host than STS of the regions that this gateway lists (`regions`); hint: aws eks "
            "get-token --region REGION, and no AWS_STS_REGIONAL_ENDPOINTS=legacy"
        )
    query, values = _parameters(found[2])
    _check(values)
    date = _date(values["x-amz-date"])
    if now > date + LIFETIME:
        hint = "get a new one, kubectl asks its credential plugin for it; if that is too old at once, compare the clocks"
        raise refused(f"the AWS token is older than 15 minutes; hint: {hint} of its maker and of this machine")
    if date > now + MOST_AHEAD:
        raise refused("the AWS token is from the future (X-Amz-Date); hint: compare the clocks of its maker and of this machine")
    return Presigned(found[1], f"/?{query}", date)


def _decoded(text: str) -> str:
    """The URL in a token. Left-over bits must be zero, or two texts would be one token (threats F4)."""
    part = text.removeprefix(PREFIX)
    over = len(part) % 4
    if not text.startswith(PREFIX) or _ENCODED.fullmatch(part) is None or over == 1:
        raise refused(f"the AWS token is malformed: it is not {PREFIX} and base64url without padding")
    if over and part[-1] not in _WITHOUT_REST[over]:
        raise refused("the AWS token is malformed: its base64url is not in canonical form")
    return urlsafe_b64decode(part + "=" * (-over % 4)).decode("latin-1")


def _parameters(query: str) -> tuple[str, dict[str, str]]:
    """The query written anew: the parameters by their names as they came, in their order, and each value as SigV4 encodes it. And
    the values by the names in lower case: decoded, but the session token, which has a thousand characters. Raises Refusal for a
    parameter that is unknown or stands twice, whatever the case of its letters (CVE-2022-2385)."""
    written: list[str] = []
    values: dict[str, str] = {}
    for part in query.split("&"):
        name, equals, encoded = part.partition("=")
        lower = name.lower()  # ASCII, as the query is
        if lower not in PARAMETERS or not equals:
            raise refused("the AWS token has a parameter that no request for GetCallerIdentity has")
        if lower in values:
            raise refused("the AWS token has a parameter twice")
        if _ESCAPED.fullmatch(encoded) is None:
            if _NO_ESCAPE.search(encoded) is not None:
                raise refused("the AWS token is malformed: its query is not percent-encoded")
            encoded = quote(unquote(encoded, "latin-1"), safe="-_.~", encoding="latin-1")
        values[lower] = encoded if lower == SESSION_TOKEN else unquote(encoded, "latin-1")
        written.append(f"{name}={encoded}")
    return "&".join(written), values


def _check(values: dict[str, str]) -> None:
    """Whether STS could take these values. The messages name what is wrong where an honest client can be so."""
    for name, form in PARAMETERS.items():
        value = values.get(name)
        if value is None and name == SESSION_TOKEN:
            continue
        if value is None:
            raise refused(f"the AWS token has no parameter {name}")
        if form.fullmatch(value) is None:
            raise refused(f"the AWS token's parameter {name} is none that a request for GetCallerIdentity has")
    signed = values["x-amz-signedheaders"].split(";")
    if CLUSTER_HEADER not in signed:
        raise refused(f"the AWS token is for no cluster: it does not sign {CLUSTER_HEADER}; hint: aws eks get-token")
    if "host" not in signed or not SIGNABLE.issuperset(signed):
        raise refused(f"the AWS token signs other headers than host and {CLUSTER_HEADER}")
    if int(values["x-amz-expires"]) > LIFETIME:
        raise refused(f"the AWS token's parameter x-amz-expires is more than {LIFETIME}")


def _date(text: str) -> float:
    """A date of SigV4 (`20261128T120000Z`), in seconds since 1970."""
    day, time = text[:8], text[9:15]
    try:
        when = datetime(int(day[:4]), int(day[4:6]), int(day[6:]), int(time[:2]), int(time[2:4]), int(time[4:]), tzinfo=UTC)
    except ValueError:
        raise refused("the AWS token's parameter x-amz-date is no date") from None
    return when.timestamp()
