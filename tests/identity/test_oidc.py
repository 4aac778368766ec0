"""A token proves its bearer, or is refused with a reason that holds none of its bytes."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from l7gw import name_rules
from l7gw.config.settings import DAY, KindRule
from l7gw.errors import Refusal
from l7gw.identity import oidc
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from tests.support.manual_clock import ManualClock
from tests.support.proven_tokens import NOW, chain, proven, refusal
from tests.support.token_issuer import EC, ED, RSA, Issuer, answer, ask, b64, entry, jwk, sign, unb64

LONGEST_LIFE = DAY + 2 * oidc.SKEW
CANARY = "c4nary"
GOOD_HEADER = {"alg": "RS256", "kid": "rsa", "typ": "JWT"}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(ManualClock(NOW))


# ---------------------------------------------------------------------- tokens that are accepted


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
def test_each_allowed_algorithm_proves_a_person(issuer: Issuer, kid: str) -> None:
    who = ask(chain(issuer), issuer.token(kid))
    assert who == Principal("ann@example.com", ("engineers",), "human", issuer.url, "", "192.0.2.1", NOW + 3600)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", ...])
def test_token_types_of_identity_and_access_tokens_are_let_in(issuer: Issuer, typ: Any) -> None:
    header = {k: v for k, v in {**GOOD_HEADER, "typ": typ}.items() if v is not ...}
    assert isinstance(ask(chain(issuer), sign(header, issuer.claims())), Principal)


def test_our_audience_in_a_list_of_one_is_let_in(issuer: Issuer) -> None:
    assert proven(issuer, {"aud": ["l7gw"]}).user == "ann@example.com"


@pytest.mark.parametrize("others", range(5))
def test_a_key_id_may_be_missing_and_up_to_four_keys_of_its_type_are_tried(issuer: Issuer, others: int) -> None:
    issuer.keys = [jwk(OTHER_EC[n], f"other-{n}") for n in range(others)] + [jwk(EC, "ec"), jwk(RSA, "rsa")]
    who = ask(chain(issuer), sign({"alg": "ES256"}, issuer.claims(), EC))
    assert isinstance(who, Principal) is (others < 4)


def test_a_key_without_an_id_is_tried_too(issuer: Issuer) -> None:
    nameless = [{k: v for k, v in jwk(private, "").items() if k != "kid"} for private in (*OTHER_EC[:2], EC)]
    issuer.keys = nameless
    assert isinstance(ask(chain(issuer), sign({"alg": "ES256"}, issuer.claims(), EC)), Principal)
    assert "does not publish" in refusal(issuer, issuer.token("ec"))  # the id of a token that has one must be published


@pytest.mark.parametrize(
    "member", [{"jku": "https://evil.example.com/keys"}, {"x5u": "https://evil.example.com/"}, {"jwk": {}}, {"x5c": []}]
)
def test_headers_that_bring_a_key_are_not_read(issuer: Issuer, member: dict[str, Any]) -> None:
    """SAP puts `jku` into every token. Only the issuer's published keys count, so such a token need not be refused."""
    assert isinstance(ask(chain(issuer), sign({**GOOD_HEADER, **member}, issuer.claims())), Principal)


@pytest.mark.parametrize(
    "audience, exact, any_of",
    [
        ("l7gw", True, True),
        ("console", True, True),
        (["console"], True, True),
        (["l7gw", "account"], False, True),
        (["l7gw", "console"], False, True),
        (["account"], False, False),
        (["l7gw", 7], False, False),
        ([], False, False),
        ({"l7gw": 1}, False, False),
        (None, False, False),
        ("l7gw,console", False, False),
    ],
)
def test_several_audiences_are_ours_alone_or_among_others_as_the_entry_says(
    issuer: Issuer, audience: Any, exact: bool, any_of: bool
) -> None:
    for any_audience, good in ((False, exact), (True, any_of)):
        who = ask(chain(issuer, audiences=("l7gw", "console"), any_audience=any_audience), issuer.token(aud=audience))
        assert isinstance(who, Principal) is good
        if isinstance(who, Refusal):
            assert "claim aud" in who.message and "'l7gw' or 'console'" in who.message


def test_a_signature_made_by_openssl_and_one_refused_by_it_are_judged_alike(issuer: Issuer) -> None:
    token = issuer.token("ec")
    signed, _, _ = token.rpartition(".")
    low = EC.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))  # a signature in DER, which JWS does not use (RFC 7518 section 3.4)
    assert "signature" in refusal(issuer, f"{signed}.{b64(low)}")


# ---------------------------------------------------------------------- the corpus of bad tokens (threats F1-F4)

Forge = Callable[[Issuer], str]


def _header(**changed: Any) -> Forge:
    return lambda i: sign({k: v for k, v in {**GOOD_HEADER, **changed}.items() if v is not ...}, i.claims(sub=CANARY))


def _claim(**changed: Any) -> Forge:
    return lambda i: i.token(**{"groups": [CANARY], **changed})


def _payload(text: str | bytes) -> Forge:
    return lambda i: sign(GOOD_HEADER, text)


def _unsigned(i: Issuer) -> str:
    return f"{b64(json.dumps({'alg': 'none'}).encode())}.{b64(json.dumps(i.claims()).encode())}."


def _hmac_with(secret: bytes, alg: str = "HS256") -> Forge:
    def forge(i: Issuer) -> str:
        signed = f"{b64(json.dumps({'alg': alg, 'kid': 'rsa'}).encode())}.{b64(json.dumps(i.claims()).encode())}"
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"

    return forge


def _part(number: int, change: Callable[[str], str]) -> Forge:
    def forge(i: Issuer) -> str:
        parts = i.token().split(".")
        parts[number] = change(parts[number])
        return ".".join(parts)

    return forge


def _other_payload(i: Issuer) -> str:
    head, _, tail = i.token().split(".")
    return f"{head}.{b64(json.dumps(i.claims(sub='root')).encode())}.{tail}"


def _with_claims(text: str) -> Forge:
    """A token of good claims with `text` behind them, unchanged."""
    return lambda i: sign(GOOD_HEADER, json.dumps(i.claims())[:-1] + text + "}")


def _pss(i: Issuer) -> str:
    signed = i.token().rpartition(".")[0]
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return f"{signed}.{b64(RSA.sign(signed.encode(), pss, hashes.SHA256()))}"


PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
PUBLIC_DER = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
OTHER_EC = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
OTHER = rsa.generate_private_key(65537, 2048)

BAD: dict[str, tuple[Forge, str]] = {
    "empty": (lambda i: "", "malformed"),
    "no_parts": (lambda i: CANARY * 3, "malformed"),
    "five_parts_encrypted": (lambda i: "a.b.c.d.e", "malformed"),
    "two_tokens": (lambda i: f"{i.token()}.{i.token()}", "malformed"),
    "two_tokens_with_a_comma": (lambda i: f"{i.token()},{i.token()}", "malformed"),
    "a_newline_behind": (lambda i: i.token() + "\n", "malformed"),
    "a_space_before": (lambda i: " " + i.token(), "malformed"),
    "padding_behind": (lambda i: i.token() + "==", "malformed"),
    "padding_in_the_header": (_part(0, lambda p: p + "="), "malformed"),
    "standard_base64": (lambda i: i.token().replace("_", "/").replace("-", "+") + "+", "malformed"),
    "not_ascii": (lambda i: i.token() + "é", "malformed"),
    "loose_bits_in_the_signature": (_part(2, lambda p: p[:-1] + chr(ord(p[-1]) + 1)), "malformed"),
    "an_impossible_length": (_part(2, lambda p: p[:-1]), "malformed"),
    "eks_presigned": (lambda i: "k8s-aws-v1.aHR0cHM6Ly9zdHM", "no entry `aws`"),
    "huge": (lambda i: "a" * 2_000_000, "too large"),
    "a_byte_too_large": (lambda i: (i.token() + "A" * 16384)[:16385], "too large"),
    "unsigned": (_unsigned, "malformed"),
    "alg_none": (_header(alg="none"), "algorithm"),
    "alg_None": (_header(alg="None"), "algorithm"),
    "alg_missing": (_header(alg=...), "algorithm"),
    "alg_list": (_header(alg=["RS256"]), "algorithm"),
    "hs256_with_the_public_pem": (_hmac_with(PUBLIC_PEM), "algorithm"),
    "hs256_with_the_public_der": (_hmac_with(PUBLIC_DER), "algorithm"),
    "hs256_said_to_be_rs256": (_hmac_with(PUBLIC_PEM, "RS256"), "signature"),
    "rs512": (_header(alg="RS512"), "algorithm"),
    "es256_with_the_rsa_key": (_header(alg="ES256"), "key"),
    "rs256_with_the_ec_key": (lambda i: sign({**GOOD_HEADER, "kid": "ec"}, i.claims(), EC), "key"),
    "eddsa_said_to_be_rs256": (lambda i: sign(GOOD_HEADER, i.claims(), ED), "signature"),
    "pss_said_to_be_rs256": (_pss, "signature"),
    "another_key": (lambda i: sign(GOOD_HEADER, i.claims(), OTHER), "signature"),
    "es256_of_zeros": (lambda i: i.token("ec").rpartition(".")[0] + "." + b64(bytes(64)), "signature"),
    "payload_exchanged": (_other_payload, "signature"),
    "header_tampered": (lambda i: sign(GOOD_HEADER, i.claims()).replace("e", "f", 1), "malformed"),
    "signature_cut": (_part(2, lambda p: p[:-4]), "signature"),
    "kid_unknown": (_header(kid=CANARY), "key"),
    "kid_path": (_header(kid="../../dev/null"), "key"),
    "kid_other_case": (_header(kid="RSA"), "key"),
    "kid_empty": (_header(kid=""), "key id"),
    "kid_null": (_header(kid=None), "key id"),
    "kid_number": (_header(kid=1), "key id"),
    "kid_129": (_header(kid="k" * 129), "key id"),
    "jku_of_another_key": (lambda i: sign({**GOOD_HEADER, "jku": "https://evil.example.com/"}, i.claims(), OTHER), "signature"),
    "jwk_of_another_key": (lambda i: sign({**GOOD_HEADER, "jwk": jwk(OTHER, "rsa")}, i.claims(), OTHER), "signature"),
    "jwk_alone": (lambda i: sign({"alg": "RS256", "jwk": jwk(OTHER, "x")}, i.claims(), OTHER), "signature"),
    "crit": (_header(crit=["exp"]), "crit"),
    "b64_false": (_header(b64=False), "b64"),
    "typ_logout": (_header(typ="logout+jwt"), "typ"),
    "typ_number": (_header(typ=7), "typ"),
    "header_twice": (lambda i: sign('{"alg":"none","alg":"RS256","kid":"rsa"}', i.claims()), "malformed"),
    "header_array": (lambda i: sign("[]", i.claims()), "malformed"),
    "payload_text": (_payload('"c4nary"'), "malformed"),
    "payload_no_utf8": (_payload(b'{"sub":"\xff"}'), "malformed"),
    "payload_bom": (_payload(b"\xef\xbb\xbf{}"), "malformed"),
    "payload_twice": (_payload("{}{}"), "malformed"),
    "sub_twice": (_with_claims(',"sub":"root"'), "malformed"),
    "nested_member_twice": (_with_claims(',"act":{"sub":"a","sub":"b"}'), "malformed"),
    "deep": (_payload("[" * 5000), "malformed"),
    "deep_objects": (_payload('{"a":' * 1000), "malformed"),
    "exp_nan": (_with_claims(',"x":NaN'), "malformed"),
    "exp_infinite": (_with_claims(',"x":-Infinity'), "malformed"),
    "a_float_beyond_all": (_with_claims(',"x":1e999'), "malformed"),
    "five_thousand_digits": (_with_claims(f',"x":{"9" * 5000}'), "malformed"),
    **{f"no_{claim}": (_claim(**{claim: ...}), "no claim") for claim in ("exp", "iat", "iss", "aud", "sub")},
    "exp_text": (_claim(exp="1800000000"), "claim exp is no time"),
    "exp_true": (_claim(exp=True), "claim exp is no time"),
    "exp_null": (_claim(exp=None), "claim exp is no time"),
    "exp_zero": (_claim(exp=0), "claim exp is no time"),
    "exp_negative": (_claim(exp=-1), "claim exp is no time"),
    "exp_1e18": (_claim(exp=10**18), "claim exp is no time"),
    "exp_year_10000": (_claim(exp=253402300800), "claim exp is no time"),
    "iat_text": (_claim(iat="now"), "claim iat is no time"),
    "nbf_list": (_claim(nbf=[NOW]), "claim nbf is no time"),
    "expired": (_claim(iat=NOW - 7200, exp=NOW - 3600), "expired"),
    "not_before_tomorrow": (_claim(nbf=NOW + 86400), "not yet valid"),
    "issued_tomorrow": (_claim(iat=NOW + 86400, exp=NOW + 90000), "not yet valid"),
    "ends_before_it_begins": (_claim(iat=NOW + 50, exp=NOW + 10), "lifetime"),
    "a_year": (_claim(exp=NOW + 365 * 86400), "lifetime"),
    "aud_another": (_claim(aud="kubernetes"), "audience"),
    "aud_two": (_claim(aud=["l7gw", "kubernetes"]), "audience"),
    "aud_ours_twice": (_claim(aud=["l7gw", "l7gw"]), "audience"),
    "aud_none": (_claim(aud=[]), "audience"),
    "aud_part": (_claim(aud="l7gw-staging"), "audience"),
    "aud_other_case": (_claim(aud="L7GW"), "audience"),
    "aud_object": (_claim(aud={"l7gw": 1}), "audience"),
    "iss_another": (_claim(iss="https://evil.example.com"), "issuer"),
    "iss_slash": (_claim(iss="https://idp.example.com/"), "issuer"),
    "iss_part": (_claim(iss="https://idp.example"), "issuer"),
    "iss_list": (_claim(iss=["https://idp.example.com"]), "issuer"),
    "sub_empty": (_claim(sub=""), "sub"),
    "sub_number": (_claim(sub=7), "sub"),
    "sub_newline": (_claim(sub="ann\r\nImpersonate-Group: system:masters"), "sub"),
    "sub_nul": (_claim(sub="ann\0"), "sub"),
    "sub_delete": (_claim(sub="ann\x7f"), "sub"),
    "sub_escape": (_claim(sub="\x1b[2Jann"), "sub"),
    "sub_bidi": (_claim(sub="nna\u202e"), "sub"),
    "sub_invisible": (_claim(sub="an\u200bn"), "sub"),
    "sub_surrogate": (_claim(sub="ann\ud800"), "sub"),
    "sub_space_before": (_claim(sub=" system:admin"), "sub"),
    "sub_space_behind": (_claim(sub="ann "), "sub"),
    "sub_257_bytes": (_claim(sub="a" * 257), "sub"),
    "groups_number": (_claim(groups=7), "groups"),
    "groups_object": (_claim(groups={"admins": True}), "groups"),
    "group_number": (_claim(groups=["engineers", 7]), "group 2 in the token's claim groups is no text: 7"),
    "group_list": (_claim(groups=[["engineers"]]), "group 1 in the token's claim groups is no text: a list"),
    "groups_1001": (_claim(groups=[str(n) for n in range(1001)]), "1001 groups"),
    "groups_1001_of_which_most_are_equal_or_unfit": (_claim(groups=["", "a"] * 500 + ["a"]), "1001 groups"),
    "groups_elsewhere": (_claim(groups=..., _claim_names={"groups": "src1"}, _claim_sources={}), "groups"),
    "act_text": (_claim(act="bot"), "act"),
    "act_without_sub": (_claim(act={"iss": "https://idp.example.com"}), "act"),
    "act_sub_number": (_claim(act={"sub": 7}), "act.sub"),
    "act_sub_newline": (_claim(act={"sub": "bot\n"}), "act.sub"),
}


@pytest.mark.parametrize("forge, said", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_401_whose_message_names_the_class_and_no_byte_of_it(issuer: Issuer, forge: Forge, said: str) -> None:
    token = forge(issuer)
    message = refusal(issuer, token)
    assert said in message
    assert CANARY not in message and "evil" not in message
    for part in token.split("."):
        assert len(part) < 8 or part not in message


def test_a_refusal_carries_no_token_in_its_chain_of_causes(issuer: Issuer) -> None:
    for name, (forge, _) in BAD.items():
        try:
            oidc.read(forge(issuer))
        except Refusal as refused:
            assert refused.__cause__ is None and (refused.__context__ is None or refused.__suppress_context__), name


def test_the_size_of_a_token_is_bounded_exactly(issuer: Issuer) -> None:
    pads = range(11500, 11900)
    tokens = {len(token): token for token in (sign(GOOD_HEADER, issuer.claims(pad="p" * pad)) for pad in pads)}
    largest = max(size for size in tokens if size <= 16384)
    smallest = min(size for size in tokens if size > 16384)
    assert (largest, smallest) in ((16384, 16385), (16383, 16385), (16384, 16386))  # base64 has no text of every fourth length
    assert isinstance(ask(chain(issuer), tokens[largest]), Principal)
    assert "too large" in refusal(issuer, tokens[smallest])


# ---------------------------------------------------------------------- times, to the second


@pytest.mark.parametrize(
    "claims, moved, said",
    [
        ({}, 3600 + 59, None),
        ({}, 3600 + 60, "expired"),
        ({"exp": NOW + 3600.5}, 3600 + 60.4, None),
        ({"exp": NOW + 3600.5}, 3600 + 60.6, "expired"),
        ({"nbf": NOW + 600}, 540, None),
        ({"nbf": NOW + 600}, 539, "not yet valid"),
        ({"iat": NOW + 600, "nbf": NOW}, 540, None),
        ({"iat": NOW + 600, "nbf": NOW}, 539, "not yet valid"),
        ({"exp": NOW + LONGEST_LIFE}, 0, None),
        ({"exp": NOW + LONGEST_LIFE + 1}, 0, "lifetime"),
        ({"exp": NOW + 86400, "nbf": NOW - 10**6}, 0, None),
    ],
)
def test_times_are_judged_with_60_seconds_of_skew(issuer: Issuer, claims: dict[str, Any], moved: float, said: str | None) -> None:
    token = issuer.token(**claims)
    issuer.clock.advance(moved)
    who = ask(chain(issuer), token)
    if said is None:
        assert isinstance(who, Principal)
    else:
        assert isinstance(who, Refusal) and said in who.message


def test_a_principal_ends_with_its_token_without_the_skew(issuer: Issuer) -> None:
    assert proven(issuer, {"exp": NOW + 100}).expires == NOW + 100


@pytest.mark.parametrize(
    "lived, let_in", [(30 * DAY, True), (30 * DAY + 2 * oidc.SKEW, True), (30 * DAY + 2 * oidc.SKEW + 1, False)]
)
def test_a_token_may_live_as_long_as_its_entry_says_and_no_longer(issuer: Issuer, lived: int, let_in: bool) -> None:
    who = ask(chain(issuer, longest_lifetime=30 * DAY), issuer.token(exp=NOW + lived))
    assert isinstance(who, Principal) is let_in
    if isinstance(who, Refusal):
        assert "claims iat to exp" in who.message and "720 hours" in who.message


# ---------------------------------------------------------------------- reading


def test_reading_accepts_exactly_what_the_issuer_wrote(issuer: Issuer) -> None:
    token = oidc.read(issuer.token(nested={"a": [1, 2.5, None, True, "é"]}))
    assert token.claims["nested"] == {"a": [1, 2.5, None, True, "é"]}
    assert (token.algorithm, token.key_id, token.issuer) == ("RS256", "rsa", issuer.url)
    assert unb64(token.signed.decode().split(".")[1]) == json.dumps(issuer.claims(nested=token.claims["nested"])).encode()


def test_a_token_that_no_key_could_prove_is_refused_without_a_fetch(issuer: Issuer) -> None:
    async def run() -> None:
        cold = IdentityChain([entry()], issuer.clock, issuer.fetch)
        assert isinstance(await answer(cold, issuer.token(aud="other")), Refusal)
        assert issuer.fetches == 0

    asyncio.run(run())


# ---------------------------------------------------------------------- any claims at all

_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    ["", " ", "c4nary ", "\u3164", "a\nb"]
)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_TEXT | st.sampled_from(["sub", "roles", "a.b"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_CLAIMS = st.dictionaries(
    st.sampled_from(
        ["sub", "aud", "groups", "realm", "realm.roles", "email", "email_verified", "act", "org", "_claim_names", "kind"]
    ),
    _VALUE | st.lists(_TEXT, max_size=5) | st.fixed_dictionaries({"roles": _VALUE, "sub": _VALUE}),
)
_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "username": st.sampled_from(["sub", "email", "realm.sub"]),
        "groups": st.sampled_from(["", "groups", "realm.roles"]),
        "email_verified": st.sampled_from(["require", "if-present"]),
        "any_audience": st.booleans(),
        "prefix": st.sampled_from(["", "corp:", "o"]),
        "require": st.sampled_from([{}, {"org": "acme"}, {"realm.roles": "true"}]),
        "kind": st.sampled_from(
            [KindRule(), KindRule(None, "realm.roles", {"agent": ("x",)}), KindRule(None, "kind", {"human": ("y",)})]
        ),
    },
)


@given(_CLAIMS, _ENTRY, st.booleans())
def test_any_claims_are_a_person_or_a_401_that_shows_nothing_unseen_and_nothing_unproven(
    claims: dict[str, Any], changed: dict[str, Any], signed: bool
) -> None:
    issuer = Issuer(ManualClock(NOW))
    who = ask(chain(issuer, **changed), sign(GOOD_HEADER, json.dumps(issuer.claims(**claims)), RSA if signed else OTHER))
    if isinstance(who, Refusal):
        assert (who.code, who.reason) == (401, "Unauthorized") and len(who.message) < 400
        assert who.message.isprintable() and not re.search(
            f"[{name_rules._class(name_rules.IGNORABLE, name_rules.BLANK)}]", who.message
        )
        assert signed or "'" not in who.message.replace("'l7gw'", "").replace("token's", "").replace("issuer's", "")
        return
    assert signed
    assert all(name_rules.fault(name) == "" for name in (who.user, *who.groups))
    assert not {group for group in who.unfit if name_rules.fault(group.removeprefix(changed.get("prefix", "")))} & set(who.groups)
