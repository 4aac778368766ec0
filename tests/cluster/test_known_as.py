"""As whom a cluster knows the gateway is read from its credential."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from l7gw.cluster.known_as import role_of, users_of
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import ClientCredential, TokenFile
from l7gw.demo.pki import Authority


def _token(claims: object) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"


def test_a_certificate_names_its_common_name(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path, "CA").client("gateway", "l7gw-gateway")
    assert users_of(ClientCredential(certificate, key)) == ("l7gw-gateway",)


@pytest.mark.parametrize(
    ("token", "users"),
    [
        (_token({"sub": "system:serviceaccount:l7gw:gateway"}), ("system:serviceaccount:l7gw:gateway",)),
        (_token({"sub": "ann"}), ()),  # an issuer's: the cluster may name it otherwise
        (_token(["sub"]), ()),
        ("opaque", ()),
        ("a.b!.c", ()),
    ],
)
def test_a_token_names_its_service_account_or_nobody_can_say(token: str, users: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token)
    assert users_of(TokenFile(tmp_path / "token")) == users


def test_a_role_is_known_by_its_canonical_arn_and_its_sessions_by_no_name_of_their_own() -> None:
    role = AwsRole("arn:aws:iam::111122223333:role/path/l7gw")
    assert (role_of(role), users_of(role)) == ("arn:aws:iam::111122223333:role/l7gw", ())
    assert role_of(TokenFile(Path("token"))) == ""
