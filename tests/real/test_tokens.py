"""The same tokens in front of a real kube-apiserver and of the gateway's identity chain. Whom the one accepts the other accepts, or
a row says why not."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from l7gw.clock import SystemClock
from l7gw.errors import Refusal
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from tests.support.faults import until
from tests.support.kubernetes.cluster import RealCluster
from tests.support.served_issuer import ServedIssuer
from tests.support.token_issuer import EC, RSA, answer, entry, jwk, sign

pytestmark = pytest.mark.long  # an API server needs ten seconds to know an issuer

REVIEW = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()


class Straight:
    """A kube-apiserver that accepts tokens of an issuer. Users are named by their sub, or by their email where the issuer's URL
    ends in `/email`."""

    def __init__(self, cluster: RealCluster, issuer: ServedIssuer) -> None:
        self._server = cluster.server
        self._trust = ssl.create_default_context(cafile=cluster.ca)
        self._file = cluster.folder / "authentication.yaml"
        self._issuer = issuer

    def __enter__(self) -> Straight:
        """Configure the issuer, and wait until its tokens are accepted. The server reads its file when that changes, and looks for
        an issuer at once and then every ten seconds."""
        self._write([self._entry(self._issuer.url, "sub"), self._entry(f"{self._issuer.url}/email", "email")])
        until(lambda: self.who(self._issuer.token("ec")) is not None, within=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._write([])

    def _write(self, entries: list[object]) -> None:
        written = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": entries}
        self._file.write_text(json.dumps(written))

    def _entry(self, url: str, username: str) -> object:
        return {
            "issuer": {
                "url": url,
                "audiences": ["l7gw", "console"],
                "audienceMatchPolicy": "MatchAny",
                "certificateAuthority": self._issuer.certificate_authority.read_text(),
            },
            "claimMappings": {"username": {"claim": username, "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}},
        }

    def who(self, token: str) -> dict[str, Any] | None:
        """The user that the API server finds in this token; None where it answers 401."""
        request = urllib.request.Request(
            f"{self._server}/apis/authentication.k8s.io/v1/selfsubjectreviews",
            REVIEW,
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust))
        try:
            with opener.open(request) as said:
                user: dict[str, Any] = json.load(said)["status"]["userInfo"]
                return user
        except urllib.error.HTTPError as error:
            assert error.code == 401, error.read()
            return None


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedIssuer]:
    with ServedIssuer(tmp_path_factory.mktemp("issuer")) as running:
        running.keys = [jwk(EC, "ec"), jwk(OTHER, "other"), jwk(RSA, "rsa")]
        yield running


@pytest.fixture(scope="module")
def straight(cluster: RealCluster, issuer: ServedIssuer) -> Iterator[Straight]:
    with Straight(cluster, issuer) as running:
        yield running


OTHER = rsa.generate_private_key(65537, 2048)
HEADER = {"alg": "RS256", "kid": "rsa"}
MANY = [f"g-{number:04}-{'x' * 33}" for number in range(241)]
IF_PRESENT = {"username": "email", "email_verified": "if-present"}

# Name -> (claims, header, changes of the gateway's entry, whether the API server accepts it, whether the gateway does, the
# gateway's groups). The API server's groups are those of the token.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], bool, bool, tuple[str, ...]]] = {
    "plain": ({}, HEADER, {}, True, True, ("engineers",)),
    "241_groups_in_12_kib": ({"groups": MANY}, HEADER, {}, True, True, tuple(MANY)),
    "a_group_with_a_space_behind": ({"groups": ["engineers", "Team Blue "]}, HEADER, {}, True, True, ("engineers",)),
    "an_empty_group": ({"groups": ["engineers", ""]}, HEADER, {}, True, True, ("engineers",)),
    "a_null_group": ({"groups": ["engineers", None]}, HEADER, {}, True, True, ("engineers",)),
    "a_no_break_space": ({"groups": ["engineers", "a\u00a0b"]}, HEADER, {}, True, True, ("engineers",)),
    "a_joiner": ({"groups": ["engineers", "a\u200db"]}, HEADER, {}, True, True, ("engineers",)),
    "groups_are_a_text": ({"groups": "engineers"}, HEADER, {}, True, True, ("engineers",)),
    "groups_are_null": ({"groups": None}, HEADER, {}, True, True, ()),
    "a_number_among_groups": ({"groups": ["engineers", 7]}, HEADER, {}, False, False, ()),
    "groups_are_an_object": ({"groups": {"a": 1}}, HEADER, {}, False, False, ()),
    "no_email_verified": ({"email": "ann@x"}, HEADER, IF_PRESENT, True, True, ("engineers",)),
    "no_email_verified_where_it_is_required": ({"email": "ann@x"}, HEADER, {"username": "email"}, True, False, ()),
    "email_verified": ({"email": "ann@x", "email_verified": True}, HEADER, IF_PRESENT, True, True, ("engineers",)),
    "email_not_verified": ({"email": "ann@x", "email_verified": False}, HEADER, IF_PRESENT, False, False, ()),
    "email_verified_null": ({"email": "ann@x", "email_verified": None}, HEADER, IF_PRESENT, False, False, ()),
    "email_verified_a_text": ({"email": "ann@x", "email_verified": "true"}, HEADER, IF_PRESENT, False, False, ()),
    "two_audiences": ({"aud": ["l7gw", "account"]}, HEADER, {"any_audience": True}, True, True, ("engineers",)),
    "two_audiences_where_one_is_exact": ({"aud": ["l7gw", "account"]}, HEADER, {}, True, False, ()),
    "the_other_audience": ({"aud": "console"}, HEADER, {}, True, True, ("engineers",)),
    "a_foreign_audience": ({"aud": "account"}, HEADER, {"any_audience": True}, False, False, ()),
    "no_kid_and_two_rsa_keys": ({}, {"alg": "RS256"}, {}, True, True, ("engineers",)),
    "a_kid_that_is_not_published": ({}, {"alg": "RS256", "kid": "elsewhere"}, {}, False, False, ()),
    "jku": ({}, {**HEADER, "jku": "https://evil.example.com/"}, {}, True, True, ("engineers",)),
    "x5c": ({}, {**HEADER, "x5c": []}, {}, True, True, ("engineers",)),
    "crit": ({}, {**HEADER, "crit": ["exp"]}, {}, False, False, ()),
    "a_week": ({"exp": 7 * 86400}, HEADER, {"longest_lifetime": 7 * 86400}, True, True, ("engineers",)),
    "a_week_where_a_day_is_the_longest": ({"exp": 7 * 86400}, HEADER, {}, True, False, ()),
    "no_iat": ({"iat": ...}, HEADER, {}, True, False, ()),
    "no_sub_where_the_email_names": ({"sub": ..., "email": "ann@x"}, HEADER, IF_PRESENT, True, False, ()),
    "an_iat_that_is_no_number": ({"iat": "now"}, HEADER, {}, False, False, ()),
    "an_exp_in_words": ({"exp": "4102444800"}, HEADER, {}, True, False, ()),
    "our_audience_twice": ({"aud": ["l7gw", "l7gw"]}, HEADER, {}, True, False, ()),
    "a_number_among_audiences": ({"aud": ["l7gw", 7]}, HEADER, {"any_audience": True}, False, False, ()),
    "an_empty_kid": ({}, {**HEADER, "kid": ""}, {}, True, False, ()),
    "a_typ_of_a_logout": ({}, {**HEADER, "typ": "logout+jwt"}, {}, True, False, ()),
    "an_empty_crit": ({}, {**HEADER, "crit": []}, {}, True, False, ()),
    "b64_false": ({}, {**HEADER, "b64": False}, {}, False, False, ()),
    "es256": ({}, {"alg": "ES256", "kid": "ec"}, {}, True, True, ("engineers",)),
    "groups_kept_elsewhere": ({"groups": ..., "_claim_names": {"groups": "s"}}, HEADER, {}, False, False, ()),
    "1001_groups": ({"groups": [str(n) for n in range(1001)]}, HEADER, {}, True, False, ()),
    "a_group_that_is_an_empty_text": ({"groups": ""}, HEADER, {}, True, True, ()),
    "a_user_of_two_lines": ({"sub": "a\nb"}, HEADER, {}, True, False, ()),
    "a_user_of_257_bytes": ({"sub": "a" * 257}, HEADER, {}, True, False, ()),
    "a_user_with_a_filler": ({"sub": "ann\u3164"}, HEADER, {}, True, False, ()),
    "an_empty_user": ({"sub": ""}, HEADER, {}, True, False, ()),
    "a_user_with_a_space_behind": ({"sub": "ann "}, HEADER, {}, True, False, ()),
    "a_sub_that_names_nobody": ({"sub": "ann ", "email": "ann@x"}, HEADER, IF_PRESENT, True, True, ("engineers",)),
    "a_user_that_is_a_number": ({"sub": 7}, HEADER, {}, False, False, ()),
}


@pytest.mark.parametrize("claims, header, changed, there, here, groups", ROWS.values(), ids=ROWS.keys())
def test_a_token_is_taken_as_a_real_api_server_takes_it_or_a_row_says_otherwise(
    issuer: ServedIssuer,
    straight: Straight,
    claims: dict[str, Any],
    header: dict[str, Any],
    changed: dict[str, Any],
    there: bool,
    here: bool,
    groups: tuple[str, ...],
) -> None:
    url = f"{issuer.url}/email" if changed.get("username") == "email" else issuer.url
    said = issuer.claims(**{"iss": url, **claims})
    if isinstance(claims.get("exp"), int):
        said["exp"] = said["iat"] + claims["exp"]
    token = sign(header, said, EC if header["alg"] == "ES256" else RSA)
    user = straight.who(token)
    assert (user is not None) is there
    changed = {"audiences": ("l7gw", "console"), "certificate_authority": issuer.certificate_authority, **changed}
    who = asyncio.run(answer(IdentityChain([entry(url, **changed)], SystemClock()), token))
    assert isinstance(who, Principal) is here, who
    assert isinstance(who, Principal) or who.code == 401
    if isinstance(who, Refusal) or user is None:
        return
    assert user["username"] == who.user and who.groups == groups
    straight_groups = set(user["groups"]) - {"system:authenticated"}
    assert set(groups) <= straight_groups and straight_groups - set(groups) <= set(who.unfit)
