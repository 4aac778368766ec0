"""The demo's identity provider: an OIDC issuer of a few lines, with a key made for this run."""

from __future__ import annotations

import json
import time
import uuid
from ssl import SSLContext

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from l7gw.demo.calls import Answer, Call
from l7gw.demo.server import Server

AUDIENCE = "l7gw-demo"
TOKEN_FOR = 12 * 3600  # seconds that a token is valid; the key is gone when the demo ends


class DemoIssuer:
    """Serves discovery and keys on loopback. `token` signs tokens for any user."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._server = Server(self._handle)
        self.url = ""

    async def start(self, context: SSLContext) -> None:
        await self._server.start(context)
        self.url = f"https://127.0.0.1:{self._server.port}"

    def stop(self) -> None:
        self._server.stop()

    def token(self, user: str, groups: list[str], **claims: object) -> str:
        issued = int(time.time())
        payload = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": user,
            "name": user,
            "groups": groups,
            "iat": issued,
            "exp": issued + TOKEN_FOR,
            "jti": str(uuid.uuid4()),
            **claims,
        }
        return jwt.encode(payload, self._key, algorithm="ES256", headers={"kid": "demo"})

    async def _handle(self, call: Call) -> Answer:
        if call.path == "/.well-known/openid-configuration":
            document: dict[str, object] = {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            }
        elif call.path == "/keys":
            key = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
            document = {"keys": [{**key, "kid": "demo", "alg": "ES256", "use": "sig"}]}
        else:
            return Answer(404, b"{}")
        return Answer(200, json.dumps(document).encode())
