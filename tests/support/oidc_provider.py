"""npm's oidc-provider as the real identity provider of a test. It serves https on loopback, in a process of its own."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest

from l7gw.demo.pki import Authority
from tests.npm.install import MissingNode, node_modules

DRIVER = Path(__file__).parent.parent / "npm" / "oidc.mjs"
ANSWERS_WITHIN = 30.0  # seconds until the provider's process must answer a command


class OidcProvider:
    """A provider, which `with` starts. `issuer` is its URL. `certificate_authority` is the path of its https authority's
    certificate.

    Without Node.js the test is skipped, or fails where L7GW_NO_SKIP is 1.
    """

    def __init__(self, folder: Path) -> None:
        self.issuer = ""
        try:
            self._modules = node_modules()
        except MissingNode as missing:
            if os.environ.get("L7GW_NO_SKIP") == "1":
                raise
            pytest.skip(str(missing))
        authority = Authority(folder / "oidc", "identity provider CA")
        self.certificate_authority = authority.certificate
        self._server = authority.server("idp", "127.0.0.1")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> OidcProvider:
        self._process = subprocess.Popen(
            ["node", DRIVER, self._modules, *self._server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read_log, args=(self._process,), daemon=True).start()
        self._log: list[str] = []
        self.issuer = self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line)

    def _answer(self) -> Any:
        assert self._process is not None and self._process.stdout is not None
        timer = threading.Timer(ANSWERS_WITHIN, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        assert line, f"the identity provider ended: {''.join(self._log)}"
        return json.loads(line)

    def _command(self, *command: object) -> None:
        assert self._asked(*command) == "done"

    def _asked(self, *command: object) -> Any:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def lasting(self, seconds: int) -> None:
        """Let the tokens of people who log in last so long from now on."""
        self._command("lasting", seconds)

    def counted(self, grant: str) -> int:
        """How often tokens were given for this grant: authorization_code, refresh_token, device_code."""
        found: int = self._asked("counted").get(grant, 0)
        return found

    def rotate(self, *, keep: bool = False) -> None:
        """Sign with new keys from now on. The former keys are withdrawn or, with `keep`, stay published."""
        self._command("rotate", keep)

    def down(self) -> None:
        """Begin an outage: nothing listens until `up`."""
        self._command("mode", "down")

    def hang(self) -> None:
        """Begin an outage in which requests are accepted and never answered, until `up`."""
        self._command("mode", "hang")

    def up(self) -> None:
        self._command("mode", "up")

    def stop(self) -> None:
        """End the process. The issuer's port is free afterwards."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)

    def token(
        self,
        user: str = "ann@example.com",
        groups: tuple[str, ...] | list[str] = ("engineers",),
        audience: str = "l7gw",
        *,
        lasting: int = 3600,
        algorithm: str = "RS256",
        **claims: Any,
    ) -> str:
        """An access token (RFC 9068) for `user`, with the claims sub, email, email_verified, groups and those given here.

        `lasting` is in seconds. iat, exp, iss and the like can be given too: `exp=1` makes an expired token. The algorithm is one
        of RS256, ES256, EdDSA.
        """
        person = {
            "audience": audience,
            "algorithm": algorithm,
            "lasting": lasting,
            "claims": {"sub": user, "email": user, "email_verified": True, "groups": list(groups), **claims},
        }
        answer = httpx.post(
            f"{self.issuer}/token",
            data={
                "grant_type": "client_credentials",
                "client_id": "l7gw-tests",
                "client_secret": "of-no-use-elsewhere",
                "resource": "https://l7gw.example.com",
                "person": json.dumps(person),
            },
            verify=ssl.create_default_context(cafile=self.certificate_authority),
            trust_env=False,
        )
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}\n{''.join(self._log)}"
        token: str = answer.json()["access_token"]
        return token
