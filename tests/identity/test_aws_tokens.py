"""A token of EKS is read strictly, and nothing is asked but STS of a listed region, by a URL written anew (threats F7)."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.aws.hosts import sts_hosts
from l7gw.errors import Refusal
from l7gw.identity import aws_tokens
from l7gw.identity.aws_tokens import Presigned, read
from tests.support.aws.keys import KeyRing
from tests.support.aws.tokens import presigned, spelled, token
from tests.support.aws_token_urls import REGIONS, SIGNATURE, TokenUrl, query, urls

NOW = 1_795_843_459.0  # seconds since 1970
HOSTS = frozenset(host for region in REGIONS for host in sts_hosts(region))
GOOD = f"https://sts.eu-west-1.amazonaws.com/?{query(NOW)}"


def reading(text: str) -> Presigned | str:
    """What is read of a token, or the words of the refusal."""
    try:
        return read(text, HOSTS, NOW)
    except Refusal as refusal:
        assert (refusal.code, refusal.reason) == (401, "Unauthorized")
        assert refusal.message.isprintable() and len(refusal.message) < 300
        return refusal.message


@pytest.mark.parametrize("one", urls(NOW), ids=lambda one: f"{one.why}-{one.url[:40]!a}")
def test_a_url_is_asked_about_or_refused_as_the_vectors_say(one: TokenUrl) -> None:
    found = reading(spelled(one.url))
    assert isinstance(found, Presigned) is one.ours, found
    assert one.authenticator or not one.ours, "whatever is taken, authenticator takes"
    if isinstance(found, Presigned):
        assert found.host in HOSTS
        ours, theirs = urlsplit(f"https://{found.host}{found.target}"), urlsplit(one.url)
        assert (ours.netloc, ours.path) == (theirs.netloc, "/")
        assert parse_qsl(ours.query, strict_parsing=True) == parse_qsl(theirs.query, strict_parsing=True)


def test_a_token_of_a_real_signer_is_written_anew_byte_for_byte() -> None:
    keys = KeyRing().session("arn:aws:iam::111122223333:role/Admin", "ann", NOW + 3600)
    url = presigned(keys, "prod", "eu-west-1", at=NOW)
    found = reading(spelled(url))
    assert isinstance(found, Presigned)
    assert f"https://{found.host}{found.target}" == url
    assert (found.date, found.expires) == (NOW, NOW + 900)


@pytest.mark.parametrize(
    "change, word",
    [
        (lambda text: text + "=", "base64url"),
        (lambda text: text.replace("k8s-aws-v1.", "k8s-aws-v2."), "k8s-aws-v1."),
        (lambda text: text.removeprefix("k8s-aws-v1."), "k8s-aws-v1."),
        (lambda text: "k8s-aws-v1.decodingerror", "malformed"),
        (lambda text: "k8s-aws-v1.", "base64url"),
        (lambda text: text + "A" * (4097 - len(text)), "too large"),
        (lambda text: text + "\n", "base64url"),
        (lambda text: text[:60] + "+" + text[61:], "base64url"),
        (lambda text: text[:60] + " " + text[61:], "base64url"),
        (lambda text: text + "é", "base64url"),
    ],
)
def test_a_token_of_another_form_is_refused(change: object, word: str) -> None:
    assert callable(change)
    found = reading(change(spelled(GOOD)))
    assert isinstance(found, str) and word in found


def test_two_texts_are_never_one_token() -> None:
    """Left-over bits of the last letter must be zero."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for filler in ("", "%41", "%41%41"):  # each remainder of the length by three
        text = spelled(GOOD.replace("Expires=60", "Expires=" + "6" + filler.replace("%41", "0")))
        same = [one for one in letters if _decodes_alike(text[:-1] + one, text)]
        assert isinstance(reading(text), Presigned)
        assert [one for one in same if isinstance(reading(text[:-1] + one), Presigned)] == [text[-1]]


def _decodes_alike(one: str, other: str) -> bool:
    parts = [text.removeprefix("k8s-aws-v1.") for text in (one, other)]
    decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts]
    return decoded[0] == decoded[1]


def test_the_largest_token_is_read_and_a_larger_one_is_not() -> None:
    spelt = [spelled(f"{GOOD}&X-Amz-Security-Token={'A' * size}") for size in range(2500, 3200)]
    largest = max(len(text) for text in spelt if isinstance(reading(text), Presigned))
    assert aws_tokens.LARGEST_TOKEN - 2 <= largest <= aws_tokens.LARGEST_TOKEN
    assert all("too large" in str(reading(text)) for text in spelt if len(text) > aws_tokens.LARGEST_TOKEN)


def test_a_long_value_with_a_bad_end_is_refused_at_once() -> None:
    assert "malformed" in str(reading(spelled(f"{GOOD}&X-Amz-Security-Token={'A' * 2000}%")))


def test_a_host_of_ones_own_counts_with_its_port_and_no_other() -> None:
    hosts = HOSTS | {"sts.internal.example:8443"}
    text = spelled(f"https://sts.internal.example:8443/?{query(NOW)}")
    assert read(text, hosts, NOW).host == "sts.internal.example:8443"
    with pytest.raises(Refusal, match="another host"):
        read(spelled(f"https://sts.internal.example/?{query(NOW)}"), hosts, NOW)


def test_no_refusal_and_no_repr_quotes_the_token() -> None:
    """threats F11: whatever is wrong with it, it may be good elsewhere."""
    keys = KeyRing().session("arn:aws:iam::111122223333:role/Admin", "ann", NOW + 3600)
    canaries = [keys.token[:40], keys.access_key, "canary"]
    for text in (
        token(keys, "prod", "ap-south-1", at=NOW),
        token(keys, "prod", at=NOW - 4000),
        token(keys, "prod", at=NOW, action="canary"),
        token(keys, "prod", at=NOW, headers={"x-canary": "1"}),
        spelled(presigned(keys, "prod", at=NOW) + "&canary=1"),
        spelled(GOOD.replace("Expires=60", "Expires=canary")),
    ):
        found = reading(text)
        assert isinstance(found, str) and not any(one in found for one in canaries)
    good = reading(token(keys, "prod", at=NOW))
    assert isinstance(good, Presigned) and not any(one in repr(good) for one in canaries)


PIECES = st.sampled_from(
    [
        *(
            "https://",
            "http://",
            "sts.eu-west-1.amazonaws.com",
            "evil.com",
            "@",
            "\\",
            "/",
            "//",
            "?",
            "#",
            "&",
            "=",
            "%",
            "%2F",
            ":443",
        ),
        *(
            "\t",
            "\n",
            "\x00",
            "。",
            ";",
            "+",
            "..",
            query(NOW),
            "Action=GetCallerIdentity",
            "X-Amz-Date=",
            SIGNATURE,
            "é",
            " ",
            "[::1]",
        ),
    ]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_whatever_a_url_says_only_a_listed_host_is_dialled(url: str) -> None:
    _holds(url)


@given(st.data())
def test_a_good_url_with_a_piece_put_in_dials_a_listed_host_or_none(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD)))
    _holds(GOOD[:at] + data.draw(PIECES) + GOOD[at + data.draw(st.integers(0, 3)) :])


def _holds(url: str) -> None:
    found = reading(aws_tokens.PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("="))
    if isinstance(found, Presigned):
        assert httpx.URL(f"https://{found.host}{found.target}").raw_path == found.target.encode(), "httpx spells it otherwise"
        assert found.host in HOSTS and url.startswith(f"https://{found.host}/?")
        assert re.fullmatch(r"/\?[A-Za-z0-9_.~%=&-]+", found.target)
