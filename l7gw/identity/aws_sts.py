"""STS is asked who has signed a token: one bounded GET over verified TLS, to STS and nobody else (threats F7, F8).

The request is the caller's own. What we add is the name of the cluster, which he has signed, so that a token for another cluster is
refused by STS. A refusal of STS is told apart from an answer that is none: the first is about the token, the second about the way
there, where a proxy or a stranger may speak.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx

from l7gw import plainjson
from l7gw.aws import arns
from l7gw.config.aws_settings import AwsIdentity
from l7gw.identity.aws_tokens import CLUSTER_HEADER, Presigned
from l7gw.identity.fetch import FetchError, bounded_body, client_for, trust

LARGEST_ANSWER = 64 * 1024  # bytes; STS's own has 400
REFUSING = (400, 401, 403)  # statuses with which STS refuses a request

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_OF_DATE = re.compile("Signature (expired|not yet current)")
_XML_CODE = re.compile(r"<ErrorResponse\b.{0,400}?<Code>([A-Za-z0-9.]{1,64})</Code>", re.DOTALL)
# Codes of STS's errors that are about our asking, not about the token (STS API Reference, Common Errors)
_OURS = re.compile(r"(Throttl|TooManyRequests|RequestLimitExceeded|ServiceUnavailable|Internal|RegionDisabled|OptInRequired)")


class SignedBy(NamedTuple):
    """Who has signed a token, as STS says. `unique` is the id of the user or the role, which is never used again, such as
    AROA..."""

    who: arns.IdentityArn
    unique: str


class StsRefused(Exception):
    """STS says that nobody has signed this. `code` is its own word, such as `SignatureDoesNotMatch`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class StsUnavailable(Exception):
    """STS could not be asked, or what answered was not STS. Its words may be logged."""


Ask = Callable[[Presigned, str], Awaitable[SignedBy]]
"""A function that takes a token's request and the id of the cluster (x-k8s-aws-id), and gives who has signed it. It raises
StsRefused or StsUnavailable."""


class HttpsSts:
    """An `Ask` over HTTPS. What is dialled is the token's own host, which was listed, or `endpoint-url` where that is set."""

    def __init__(self, entry: AwsIdentity, within: float) -> None:
        """`within` are the seconds that one question may take. Raises OSError for an authority file that cannot be used."""
        self._within = within
        self._endpoint = entry.endpoint_url.rstrip("/")
        self._authority = entry.certificate_authority
        self._trust = trust(self._authority)

    async def __call__(self, presigned: Presigned, cluster_id: str) -> SignedBy:
        try:
            async with asyncio.timeout(self._within):
                return _signed_by(*await self._get(presigned, cluster_id))
        except TimeoutError:
            raise StsUnavailable(f"no answer within {self._within:g} s") from None
        except FetchError as error:
            raise StsUnavailable(str(error)) from None
        except (httpx.HTTPError, OSError) as error:
            # The text of an error of httpx has no URL; should a later version's have one, it goes no further than this
            told = str(error) or type(error).__name__
            raise StsUnavailable("it could not be reached" if presigned.target in told else told[:200]) from None

    async def _get(self, presigned: Presigned, cluster_id: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self._authority is not None:
            self._trust = trust(self._authority)  # the file may have been renewed; reading it takes less than a millisecond
        where = self._endpoint or f"https://{presigned.host}"
        # One connection for each: a token is asked about once in its life, and none lies idle
        client = client_for(where, self._trust)
        headers = {"Host": presigned.host, CLUSTER_HEADER: cluster_id, "Accept": "application/json", "Accept-Encoding": "identity"}
        # httpx leaves a query as it is that is percent-encoded. Its extension `target` would go to a proxy too, in the clear
        async with client, client.stream("GET", where + presigned.target, headers=headers) as response:
            return response.status_code, await bounded_body(response, "it", LARGEST_ANSWER)


def _signed_by(status: int, body: bytes) -> SignedBy:
    """What an answer says. Raises StsRefused or StsUnavailable."""
    if status != 200:
        code = _code_of(body)
        if status not in REFUSING or not code or _OURS.search(code):
            raise StsUnavailable(f"it answered {status}" + (f", {code}" if code else "") + _redirect(status))
        raise StsRefused(code)
    try:
        answer = plainjson.read_object(body)
        said: Any = answer["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
        account, arn, user = said["Account"], said["Arn"], said["UserId"]
        if not (isinstance(account, str) and isinstance(arn, str) and isinstance(user, str)):
            raise ValueError("a value is no text")
        who = arns.identity(arn)
    except (ValueError, KeyError, TypeError):
        raise StsUnavailable("what it answered is no answer to GetCallerIdentity") from None
    unique, _, session = user.partition(":")
    if who.account != account or (who.kind == "assumed-role" and session != who.session):
        raise StsUnavailable("what it answered contradicts itself")
    return SignedBy(who, unique if who.kind == "assumed-role" else user)


def _redirect(status: int) -> str:
    return ", a redirect, which is not followed" if 300 <= status < 400 else ""


def _code_of(body: bytes) -> str:
    """The code of an error of AWS, "" where the body is none. A signature whose date STS does not take has the code of one that
    does not fit; its message tells them apart, and it gets the code that other services of AWS have for it."""
    try:
        error: Any = plainjson.read_object(body)["Error"]
        code, message = error["Code"], error.get("Message")
    except (ValueError, KeyError, TypeError, AttributeError):
        found = _XML_CODE.search(body[:2048].decode("latin-1"))
        return found[1] if found is not None else ""
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return ""
    return "RequestExpired" if isinstance(message, str) and _OF_DATE.match(message) else code
