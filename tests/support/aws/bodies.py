"""The answers of AWS, byte for byte in the shapes of its protocols: `query` (STS, IAM: XML, or JSON where Accept asks for it) and
`json` (EKS, CloudWatch Logs)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.support.aws.https_server import Answer

NAMESPACES = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/", "iam": "https://iam.amazonaws.com/doc/2010-05-08/"}

# The same refusal has another name in a service of JSON.
NAMES_IN_JSON = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "Throttling": "ThrottlingException",
}


@dataclass(frozen=True)
class Refused:
    """An error of AWS: its HTTP status, its code and its message."""

    status: int
    code: str
    message: str

    def error(self) -> RefusedError:
        """To raise."""
        return RefusedError(self)


class RefusedError(Exception):
    """The request is answered with `refused`."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


THROTTLED = Refused(400, "Throttling", "Rate exceeded")
UNAVAILABLE = Refused(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
BROKEN = Refused(500, "InternalFailure", "An internal error has occurred. Retry your request.")
EXPIRED = Refused(403, "ExpiredToken", "The security token included in the request is expired")
UNKNOWN_KEY = Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
UNSIGNED = Refused(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
MISMATCH = Refused(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing "
    "method. Consult the service documentation for details.",
)
REGION_DISABLED = Refused(
    403,
    "RegionDisabledException",
    "STS is not activated in this region for account. Your account administrator can activate STS in this region using the IAM Console.",
)
GARBAGE = Answer(200, b"\x00\xff<<<not an answer>>>", {"Content-Type": "application/json"})
CAPTIVE_PORTAL = Answer(200, b"<!DOCTYPE html><html><body>Please sign in</body></html>", {"Content-Type": "text/html"})


def denied(caller: str, action: str, resource: str, because: str = "") -> Refused:
    """`caller` lacks a permission (`sts:TagSession`). `because` is AWS's reason, told by newer services alone."""
    told = f"User: {caller} is not authorized to perform: {action} on resource: {resource}"
    return Refused(403, "AccessDenied", told + (f" because {because}" if because else ""))


def query_result(service: str, action: str, result: object, *, as_json: bool) -> Answer:
    """A good answer of STS or IAM."""
    number = str(uuid.uuid4())
    whole = {f"{action}Result": result, "ResponseMetadata": {"RequestId": number}}
    if as_json:
        return _json(200, {f"{action}Response": whole}, number)
    return _xml(200, f'<{action}Response xmlns="{NAMESPACES[service]}">\n{xml(whole)}</{action}Response>\n', number)


def query_error(service: str, error: Refused, *, as_json: bool) -> Answer:
    number = str(uuid.uuid4())
    told = {"Type": "Sender" if error.status < 500 else "Receiver", "Code": error.code, "Message": error.message}
    if as_json:
        return _json(error.status, {"Error": told, "RequestId": number}, number)
    inside = xml({"Error": told, "RequestId": number})
    return _xml(error.status, f'<ErrorResponse xmlns="{NAMESPACES[service]}">\n{inside}</ErrorResponse>\n', number)


def json_result(result: object, status: int = 200) -> Answer:
    """A good answer of EKS or CloudWatch Logs."""
    return _json(status, result, str(uuid.uuid4()))


def json_error(error: Refused) -> Answer:
    code = NAMES_IN_JSON.get(error.code, error.code)
    status = 429 if error.code == "Throttling" else error.status
    answer = _json(status, {"__type": code, "message": error.message}, str(uuid.uuid4()))
    return Answer(answer.status, answer.body, {**answer.headers, "x-amzn-ErrorType": code})


def xml(what: object) -> str:
    """A value as `query` writes it: a list's elements are `member`."""
    if isinstance(what, dict):
        return "".join(f"<{name}>{xml(value)}</{name}>\n" for name, value in what.items())
    if isinstance(what, list):
        return "".join(f"<member>{xml(value)}</member>\n" for value in what)
    return escape(str(what).lower() if isinstance(what, bool) else str(what))


def _xml(status: int, text: str, number: str) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "text/xml", "x-amzn-RequestId": number})


def _json(status: int, what: object, number: str) -> Answer:
    return Answer(status, json.dumps(what).encode(), {"Content-Type": "application/json", "x-amzn-RequestId": number})
