"""The files that both gateways are given, and the people who call them: configuration, policies, keys, certificates, tokens."""

from __future__ import annotations

import json
import ssl
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from l7gw.demo.pki import Authority
from tests.support.token_issuer import jwk, sign

ISSUER = "https://idp.example.com"
OTHER_ISSUER = "https://bots.example.com"
ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # always the same, as are the tokens that it signs
KEY = jwk(ED, "ed")
DAY = 86_400  # seconds
# Certificates are made with the machine's clock. The traffic begins at the next midnight, so that a seed gives the same all day
BEGINS = float((int(time.time()) // DAY + 1) * DAY)
GATEWAY_TOKENS = ("gateway-token-one", "gateway-token-two")

CLUSTERS = ("prod", "dev", "quiet", "bare")


class House:
    """A folder with everything that a gateway reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "l7gw.yaml"
        self.policy = folder / "policy.yaml"
        self.token = folder / "gw.token"
        own = Authority(folder / "own", "gateway CA", issued_days=25)
        self._server = own.server("server", "localhost", "prod.example.com", "dev.example.com")
        people = Authority(folder / "people", "people CA", issued_days=25)
        self._people = people.certificate
        strangers = Authority(folder / "strangers", "strangers CA", issued_days=25)
        self._cluster = Authority(folder / "cluster", "cluster CA").certificate
        self.certificates: dict[str, tuple[bytes, ...]] = {
            name: (_der(authority.client(name, name, groups)[0]), _der(authority.certificate))
            for name, groups, authority in (
                ("carl", ("engineers",), people),
                ("cleo", (), people),
                ("stan", ("engineers",), strangers),
            )
        }

    def settings(self, **changed: Any) -> dict[str, Any]:
        """The configuration, with changes: `clusters.NAME.KEY` by the key "NAME KEY", others by their own."""
        trust = str(self._cluster)
        clusters: dict[str, dict[str, Any]] = {
            name: {
                "server": f"https://{name}.internal.example.com:6443",
                "certificate-authority": trust,
                "credential": {"token-file": str(self.token)},
            }
            for name in CLUSTERS
        }
        clusters["prod"] |= {"hosts": ["prod.example.com"], "groups": ["team-*"]}
        clusters["dev"] |= {"hosts": ["dev.example.com"], "impersonate": "user", "record": "metadata", "groups": ["*"]}
        clusters["quiet"] |= {"record": "none", "groups": ["*"]}
        clusters["bare"] |= {"impersonate": "none"}
        whole: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "tls": {"certificate": str(self._server[0]), "key": str(self._server[1])},
            "identity": [
                {
                    "oidc": {"issuer": ISSUER, "audience": "l7gw", "groups": "groups"},
                    "kind": {"claim": "kind", "human": ["person"], "agent": ["bot"]},
                },
                {"client-certificate": {"certificate-authority": str(self._people)}, "prefix": "cert:"},
            ],
            "clusters": clusters,
            "policy": str(self.policy),
            "state": str(self.state),
            "recording": {"reserve": "1GiB"},
            "socket": {"path": str(self.folder / "api.sock")},
        }
        for key, value in changed.items():
            name, _, rest = key.partition(" ")
            if rest:
                whole["clusters"][name] = {k: v for k, v in (clusters[name] | {rest: value}).items() if v is not None}
            else:
                whole[key] = value
        return whole

    def begin(self, policy: str) -> None:
        """Write what a gateway begins with."""
        self.write(self.settings(), self.config)
        self.policy.write_text(policy)
        self.renew(GATEWAY_TOKENS[0])

    def write(self, settings: dict[str, Any], path: Path) -> None:
        path.write_text(json.dumps(settings))  # YAML, too

    def renew(self, token: str) -> None:
        """Another token of the gateway's own stands in its file."""
        self.token.touch(mode=0o600)
        self.token.write_text(token)


def _der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def token(user: str, groups: tuple[str, ...], *, begins: float, lasts: int = 3600, key: str = "ed", **claims: Any) -> str:
    """A token of the issuer, which holds from `begins` on for so many seconds. Its bytes are always the same."""
    said = {"iss": ISSUER, "aud": "l7gw", "sub": user, "iat": int(begins), "exp": int(begins) + lasts, "groups": list(groups)}
    return sign({"alg": "EdDSA", "kid": key, "typ": "JWT"}, said | claims, ED)
