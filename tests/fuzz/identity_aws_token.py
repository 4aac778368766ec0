"""A token of EKS of any bytes is refused with 401 in printable words, or becomes a request to a listed host of STS that means what the
token said; and whatever STS answers is somebody with one canonical ARN, a refusal, or an error in words."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qsl

import httpx

from l7gw.aws import arns
from l7gw.aws.hosts import sts_hosts
from l7gw.errors import Refusal
from l7gw.identity.aws_sts import StsRefused, StsUnavailable, _signed_by
from l7gw.identity.aws_tokens import PARAMETERS, PREFIX, read
from tests.support.aws_token_urls import CREDENTIAL, REGIONS, SIGNATURE, query

NOW = 1_795_843_459.0
HOSTS = frozenset(host for region in REGIONS for host in sts_hosts(region))
GOOD = f"https://sts.eu-west-1.amazonaws.com/?{query(NOW)}&X-Amz-Security-Token=IQoJb3JpZ2luX2VjEJr%2F%2B%3D%3D".encode()
WORDS = [
    *(
        b"https://",
        b"sts.eu-west-1.amazonaws.com",
        b"sts.amazonaws.com",
        b"evil.com",
        b"@",
        b"\\",
        b"/?",
        b"//",
        b"#",
        b"&",
        b"=",
        b"%2F",
    ),
    *(
        b"%25",
        b"%",
        b":443",
        b"\t",
        b"\r\n",
        b";",
        b"+",
        b"..",
        b"[::1]",
        query(NOW).encode(),
        SIGNATURE.encode(),
        CREDENTIAL.encode(),
    ),
    *(
        b"X-Amz-Date=",
        b"x-amz-credential=",
        b"Action=GetCallerIdentity",
        b"\xe2\x80\xa4",
        b"\xc5\xbf",
        b"arn:aws:sts::111122223333:",
    ),
    *(
        b'{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333","Arn":"',
        b'","UserId":"A:ann"}}}',
        b"assumed-role/",
    ),
    *(b'{"Error":{"Code":"', b"<ErrorResponse><Error><Code>", b"</Code>", b"Throttling"),
]


def one(data: bytes) -> None:
    """The first byte chooses: a URL, a token, a good URL with bytes changed, or an answer of STS with a status."""
    first, rest = data[:1], data[1:]
    choice = first[0] % 5 if first else 0
    if choice == 0:
        _read(PREFIX + base64.urlsafe_b64encode(rest).decode().rstrip("="), rest)
    elif choice == 1:
        _read(PREFIX + rest.decode("latin-1"), None)
    elif choice == 2:
        url = _changed(GOOD, rest)
        _read(PREFIX + base64.urlsafe_b64encode(url).decode().rstrip("="), url)
    else:
        _answered(200 if choice == 3 else 403, rest)


def _read(text: str, url: bytes | None) -> None:
    try:
        found = read(text, HOSTS, NOW)
    except Refusal as refusal:
        assert (refusal.code, refusal.reason) == (401, "Unauthorized"), refusal
        assert refusal.message.isprintable() and len(refusal.message) < 400
        return
    if url is None:
        part = text.removeprefix(PREFIX)
        url = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    assert found.host in HOSTS and url.startswith(f"https://{found.host}/?".encode()), "another host is dialled than the URL names"
    assert re.fullmatch(r"/\?[A-Za-z0-9_.~%=&-]+", found.target), "a byte that a request line must not have"
    assert httpx.URL(f"https://{found.host}{found.target}").raw_path == found.target.encode(), "it is not sent as it was signed"
    ours = parse_qsl(found.target[2:], keep_blank_values=True, strict_parsing=True, encoding="latin-1")
    theirs = parse_qsl(url.partition(b"?")[2].decode("ascii"), keep_blank_values=True, strict_parsing=True, encoding="latin-1")
    assert ours == theirs, "it was written anew as something else"
    names = [name.lower() for name, _ in ours]
    assert len(names) == len(set(names)) and PARAMETERS.keys() >= set(names)
    assert NOW - 900 <= found.date <= NOW + 300


def _answered(status: int, body: bytes) -> None:
    try:
        found = _signed_by(status, body)
    except StsRefused as refused:
        assert status == 403 and re.fullmatch(r"[A-Za-z0-9.]{1,64}", refused.code)
        return
    except StsUnavailable as error:
        assert str(error).isprintable() and len(str(error)) < 200
        return
    assert status == 200
    assert arns.canonical(found.who.canonical) == found.who.canonical
    assert found.who.account in body.decode()


def _changed(url: bytes, data: bytes) -> bytes:
    """Changes of bytes as pairs: the place, and the new byte."""
    text = bytearray(url)
    for place, value in zip(data[::2], data[1::2]):
        text[place * len(text) // 256] = value
    return bytes(text)
