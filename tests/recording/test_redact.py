"""No credential is ever recorded, whole, cut or hashed. A caller cannot choose what else is hidden."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.errors import Refusal
from l7gw.identity.bearer import check_alone
from l7gw.recording.redact import REDACTED, as_sent, recorded_headers, without, without_tokens
from l7gw.wire.events import Request

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4iLCJhdWQiOiJsN2d3In0.c2lnbmF0dXJlIG9mIHRoZSB0b2tlbg"
PACKED = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
PROTOCOL = "base64url.bearer.authorization.k8s.io." + PACKED
HIDE = without(TOKEN)
OWN = ("authorization", f"Bearer {TOKEN}")


@st.composite
def spelled(draw: st.DrawFn, text: str = TOKEN) -> str:
    """A strategy: the text with any of its characters percent-escaped once, and any characters of the result escaped again."""
    for share in draw(st.lists(st.sampled_from((0.02, 0.5, 1.0)), max_size=2)):
        seed = draw(st.randoms(use_true_random=False))
        text = "".join(f"%{ord(one):02{seed.choice('xX')}}" if seed.random() < share else one for one in text)
    return text


AROUND = st.text("abcXYZ019-._~/?&=+%", max_size=12)


def understood(text: str) -> str:
    """The text, followed by the text decoded once and twice."""
    return " ".join((text, unquote(text), unquote(unquote(text))))


@pytest.mark.parametrize("name", ["authorization", "cookie", "set-cookie", "proxy-authorization"])
@pytest.mark.parametrize("value", [f"Bearer {TOKEN}", "Basic YTpi", "", "anything"])
def test_a_header_that_carries_credentials_is_recorded_without_its_value(name: str, value: str) -> None:
    assert recorded_headers(((name, value),)) == ((name, REDACTED),)


@pytest.mark.parametrize("offer", ["{}, v5.channel.k8s.io", "v5.channel.k8s.io,{}", "v5.channel.k8s.io, {} ,{}", "{}"])
def test_a_token_among_subprotocols_is_taken_out_and_the_others_stay(offer: str) -> None:
    ((_, shown),) = recorded_headers((("sec-websocket-protocol", offer.format(PROTOCOL, PROTOCOL)),), HIDE)
    assert PROTOCOL not in shown and REDACTED in shown
    assert ("v5.channel.k8s.io" in shown) is ("v5" in offer)


def test_a_token_among_subprotocols_in_other_letters_is_taken_out_too() -> None:
    ((_, shown),) = recorded_headers((("sec-websocket-protocol", PROTOCOL.replace("bearer", "BEARER")),))
    assert shown == REDACTED


@given(AROUND, spelled(), AROUND)
def test_a_proven_token_in_any_spelling_is_refused_wherever_it_stands_and_hidden_alone(
    before: str, token: str, behind: str
) -> None:
    text = f"/{before}&{token}&{behind}"
    for request in (
        Request("GET", text, (OWN,)),
        Request("GET", "/api", (OWN, ("user-agent", text))),
        Request("GET", "/api", (OWN, ("x-other", text), ("kubectl-command", "kubectl get"))),
    ):
        with pytest.raises(Refusal) as refused:
            check_alone(request, TOKEN)
        assert refused.value.code == 400 and "Authorization alone" in refused.value.message
        where = "its target" if request.target == text else f"the header {request.headers[1][0]}"
        assert where in refused.value.message
    shown = HIDE(text)
    assert TOKEN not in understood(shown)
    assert shown == f"/{before}&{REDACTED}&{behind}"


@pytest.mark.parametrize("word", [TOKEN, PACKED, TOKEN.lower()], ids=["token", "packed", "lower case"])
def test_each_form_that_a_token_has_is_looked_for(word: str) -> None:
    for headers in ((OWN, ("x", word)), (OWN, (word.lower(), "x")), (OWN, ("sec-websocket-protocol", f"v5, {word}"))):
        with pytest.raises(Refusal):
            check_alone(Request("GET", "/api", headers), TOKEN)
        shown = json.dumps(recorded_headers(headers, HIDE))
        assert word not in shown and word.lower() not in shown


@given(st.binary(max_size=12), st.binary(max_size=12), st.booleans())
def test_a_token_within_base64_is_looked_for_wherever_it_begins(before: bytes, behind: bytes, urlsafe: bool) -> None:
    """As in Basic's `user:token`."""
    pack = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    text = pack(before + TOKEN.encode() + behind).decode()
    for request in (
        Request("GET", f"/api/v1/pods?labelSelector=a%3D{quote(text, safe='')}", (OWN,)),
        Request("GET", "/api", (OWN, ("x", text))),
    ):
        with pytest.raises(Refusal):
            check_alone(request, TOKEN)
        shown = HIDE(text)
        assert REDACTED in shown and not any(PACKED[at : at + 16] in shown for at in range(len(PACKED) - 16))
        assert len(shown) <= len(REDACTED) + len(pack(before + behind)) + 8, "what stands around it is kept, and little of it"


@given(st.text("abcdefghijklmnopqrstuvwxyz/&=?.-_%0123456789ABCDEFGHIJK", min_size=1, max_size=80), AROUND)
def test_an_unproven_bearer_word_is_replaced_in_its_own_header_alone(word: str, around: str) -> None:
    target = f"/api/{around}{word}?x={word}"
    headers = (("authorization", f"Bearer {word}"), ("user-agent", word))
    assert without_tokens(target) == target
    assert recorded_headers(headers, without_tokens) == (("authorization", REDACTED), ("user-agent", word))
    assert as_sent(target) == target


@given(AROUND, spelled(), AROUND)
def test_in_an_attempt_only_what_has_the_form_of_a_signed_token_is_hidden(before: str, token: str, behind: str) -> None:
    """The token may be expired or mistyped, or its issuer was down: it may still be valid elsewhere."""
    shown = without_tokens(f"/{before}&{token}&{behind}")
    assert shown == f"/{before}&{REDACTED}&{behind}"
    mistyped = token[:-3] + token[-1]
    if "%" not in token:
        assert without_tokens(f"/x?t={mistyped}") == f"/x?t={REDACTED}"


EKS = "k8s-aws-v1." + base64.urlsafe_b64encode(
    b"https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Sig"
).decode().rstrip("=")


@given(AROUND, spelled(EKS), AROUND)
def test_a_token_of_eks_is_hidden_as_any_other_whether_it_was_proven_or_not(before: str, token: str, behind: str) -> None:
    """Unproven it may be good at EKS itself for a quarter of an hour."""
    for hide in (without_tokens, without(EKS)):
        assert hide(f"/{before}&{token}&{behind}") == f"/{before}&{REDACTED}&{behind}"
    with pytest.raises(Refusal, match="its own token"):
        check_alone(Request("GET", f"/{before}&{token}&{behind}", (), 0), EKS)


@pytest.mark.parametrize(
    "text",
    [
        "eyey" * 2000,
        "k8s-aws-v1." * 800,
        "ey" * 16_000 + ".aaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaa",
        "%65" * 2700,
        "a.b.c." * 1300,
        f"/run/secrets/db/{'k' * 200}",
        "money-market-service.production-of-goods.svc-cluster-local",
    ],
)
def test_text_of_an_attempt_without_a_signed_token_is_recorded_as_sent(text: str) -> None:
    assert without_tokens(text) == text


def test_text_without_the_proven_token_is_recorded_as_sent() -> None:
    headers = (
        ("accept", "application/json"),
        ("user-agent", "kubectl/v1.33 (100%)"),
        ("sec-websocket-protocol", "v5.channel.k8s.io"),
    )
    for hide in (HIDE, without_tokens, as_sent):
        assert recorded_headers(headers, hide) == headers
        assert hide("/api/v1/pods?labelSelector=a%3Db") == "/api/v1/pods?labelSelector=a%3Db"


def test_redacting_redacted_text_changes_nothing() -> None:
    headers = (("authorization", f"Bearer {TOKEN}"), ("sec-websocket-protocol", f"{PROTOCOL}, v4"), ("x", TOKEN))
    for hide in (HIDE, without_tokens):
        once = recorded_headers(headers, hide)
        assert recorded_headers(once, hide) == once
