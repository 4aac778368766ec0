"""Whose signature a request carries: SigV4 computed again by botocore's own signer over what came."""

from __future__ import annotations

import hmac
import re
import time
from calendar import timegm
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.aws.bodies import EXPIRED, MISMATCH, UNKNOWN_KEY, UNSIGNED, Refused
from tests.support.aws.https_server import Asked
from tests.support.aws.keys import KeyRing, Keys

STAMP = "%Y%m%dT%H%M%SZ"
LASTS = 15 * 60  # seconds that a signature is good; STS looks at no X-Amz-Expires
AHEAD = 5 * 60  # seconds that a signer's clock may be ahead
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^, ]+), ?SignedHeaders=([^, ]+), ?Signature=([0-9a-f]+)$")
REGIONAL = re.compile(r"sts(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$")


@dataclass(frozen=True)
class Signature:
    """What a request says of its own signature."""

    access_key: str
    day: str
    region: str
    service: str
    stamp: str
    headers: list[str]
    hexadecimal: str
    token: str
    presigned: bool


def said(asked: Asked) -> Signature:
    """Read the signature of a request. Raises RefusedError where it has none."""
    query = {name.lower(): value for name, value in parse_qsl(asked.query, keep_blank_values=True)}
    presigned = "x-amz-signature" in query
    if presigned:
        credential, headers, hexadecimal = (
            query.get("x-amz-credential", ""),
            query.get("x-amz-signedheaders", ""),
            query["x-amz-signature"],
        )
        stamp, token = query.get("x-amz-date", ""), query.get("x-amz-security-token", "")
    else:
        found = AUTHORIZATION.match(asked.header("authorization"))
        if found is None:
            raise UNSIGNED.error()
        credential, headers, hexadecimal = found.groups()
        stamp, token = asked.header("x-amz-date"), asked.header("x-amz-security-token")
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise Refused(
            400,
            "IncompleteSignature",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term",
        ).error()
    return Signature(*parts[:4], stamp, headers.split(";"), hexadecimal, token, presigned)


def signer(asked: Asked, ring: KeyRing, now: float) -> Keys:
    """The key that signed this request, which is good at `now` (wall seconds). Raises RefusedError as AWS words it."""
    signature = said(asked)
    keys = ring.find(signature.access_key)
    if keys is None or keys.token != signature.token:
        raise UNKNOWN_KEY.error()
    if now >= keys.expires:
        raise EXPIRED.error()
    _place(asked.host, signature.region, keys)
    if not hmac.compare_digest(_computed(asked, signature, keys), signature.hexadecimal):
        raise MISMATCH.error()
    _age(signature, now)
    return keys


def _computed(asked: Asked, signature: Signature, keys: Keys) -> str:
    query = [(name, value) for name, value in parse_qsl(asked.query, keep_blank_values=True) if name.lower() != "x-amz-signature"]
    request = AWSRequest(asked.method, f"https://{asked.header('host')}{asked.path}", data=asked.body, params=query)
    for name, value in asked.headers:
        if name in signature.headers:
            request.headers[name] = value
    request.context["timestamp"] = signature.stamp
    auth = SigV4Auth(Credentials(keys.access_key, keys.secret), signature.service, signature.region)
    canonical = auth.canonical_request(_Whole(request))
    return str(auth.signature(auth.string_to_sign(request, canonical), request))


class _Whole:
    """A request that was sent as the signer reads one: with its bytes as body."""

    def __init__(self, request: AWSRequest) -> None:
        self.method, self.url, self.params = request.method, request.url, request.params
        self.headers, self.context, self.body = request.headers, request.context, request.data


def _place(host: str, region: str, keys: Keys) -> None:
    """STS of a region takes signatures for that region alone, by keys of its partition."""
    found = REGIONAL.match(host)
    expected = found[1] if found else "us-east-1" if host == "sts.amazonaws.com" else ""
    if expected and expected != region:
        raise Refused(403, "SignatureDoesNotMatch", f"Credential should be scoped to a valid region, not '{region}'.").error()
    if expected and keys.partition != partition(expected):
        raise UNKNOWN_KEY.error()


def partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _age(signature: Signature, now: float) -> None:
    try:
        signed = timegm(time.strptime(signature.stamp, STAMP))
    except ValueError:
        raise Refused(
            400, "IncompleteSignature", f"Date must be in ISO-8601 'basic format'. Got '{unquote(signature.stamp)}'."
        ).error() from None
    if not signature.stamp.startswith(signature.day):
        raise Refused(
            403,
            "SignatureDoesNotMatch",
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{signature.day}' != '{signature.stamp[:8]}', from '{signature.stamp}'.",
        ).error()
    if signed + LASTS < now:
        edge, told = _stamp(now - LASTS), _stamp(now)
        raise Refused(
            403, "SignatureDoesNotMatch", f"Signature expired: {signature.stamp} is now earlier than {edge} ({told} - 15 min.)"
        ).error()
    if signed > now + AHEAD:
        edge, told = _stamp(now + AHEAD), _stamp(now)
        raise Refused(
            403,
            "SignatureDoesNotMatch",
            f"Signature not yet current: {signature.stamp} is still later than {edge} ({told} + 5 min.)",
        ).error()


def _stamp(moment: float) -> str:
    return time.strftime(STAMP, time.gmtime(moment))
