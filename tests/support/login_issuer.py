"""An issuer for logins that exists only in a test: what `l7gw login` asks by `Https`, this answers from memory, as an issuer would that
rotates its refresh tokens and takes each once."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer
from l7gw.login.wanted import Wanted
from l7gw.login.world import World
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import ISSUER, Issuer

CLIENT = "kubectl"


def wanted(**changed: Any) -> Wanted:
    return Wanted(**{"issuer": ISSUER, "client_id": CLIENT, "gateway": "gw.example.com:8443", **changed})


class PlayedIssuer(Issuer):
    """`ask` is an `Ask`. `metadata` and `claims_too` may be changed; a path in `instead` has its answer, or failure, from there.

    `asked` are the paths with the forms. `date` is what the answers' Date says, None for none. `given` are all refresh tokens.
    """

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/keys",
            "token_endpoint": f"{ISSUER}/token",
            "authorization_endpoint": f"{ISSUER}/auth",
            "device_authorization_endpoint": f"{ISSUER}/device",
            "revocation_endpoint": f"{ISSUER}/revoke",
            "authorization_response_iss_parameter_supported": True,
            "code_challenge_methods_supported": ["S256"],
        }
        self.instead: dict[str, Answer | LoginFailed] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.claims_too: dict[str, Any] = {}
        self.date: float | None = None
        self.given: list[str] = []
        self.renews_identity = True
        self.lasting = 3600
        self.nonce = ""  # of the login that the browser was led to
        self.pending = 0  # questions about a device code before somebody has typed it
        self._lock = threading.Lock()

    def answer(self, said: object, status: int = 200) -> Answer:
        return Answer(status, json.dumps(said).encode(), self.date)

    def counted(self, path: str) -> int:
        return sum(one == path for one, _ in self.asked)

    async def ask(self, url: str, form: dict[str, str] | None = None) -> Answer:
        await asyncio.sleep(0)  # so that others have their turn
        path = urlsplit(url).path
        with self._lock:
            self.asked.append((path, form or {}))
            there = self.instead.get(path)
            if isinstance(there, LoginFailed):
                raise there
            return there if there is not None else self._answer(path, form or {})

    def _answer(self, path: str, form: dict[str, str]) -> Answer:
        match path:
            case "/.well-known/openid-configuration":
                return self.answer(self.metadata)
            case "/keys":
                return self.answer({"keys": self.keys})
            case "/device":
                return self.answer(
                    {
                        "device_code": "device-code-of-a-test",
                        "user_code": "ABCD-EFGH",
                        "verification_uri": f"{ISSUER}/type-it",
                        "expires_in": 600,
                    }
                )
            case "/revoke":
                return Answer(200, b"", self.date)
            case "/token":
                return self._tokens(form)
        return Answer(404, b"not here", self.date)

    def _tokens(self, form: dict[str, str]) -> Answer:
        grant = form["grant_type"]
        nonce: object = ...
        if grant == "refresh_token":
            if form["refresh_token"] != (self.given or [""])[-1]:
                return self.answer({"error": "invalid_grant"}, 400)
        elif grant == "authorization_code":
            nonce = self.nonce
        elif self.pending:
            self.pending -= 1
            return self.answer({"error": "authorization_pending"}, 400)
        self.given.append(f"refresh-token-{len(self.given) + 1}-of-a-test")
        times = {"exp": int(self.clock.wall()) + self.lasting}
        claims = {"aud": CLIENT, "nonce": nonce, "email": "ann@example.com", **times, **self.claims_too}
        said: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": self.lasting,
            "refresh_token": self.given[-1],
            "access_token": self.token(**{**claims, "aud": "l7gw", "jti": str(len(self.given))}),
        }
        if grant != "refresh_token" or self.renews_identity:
            said["id_token"] = self.token(**claims)
        return self.answer(said)


class Person:
    """Somebody at a browser that is led to an address: his browser comes back to the redirect at once, as the issuer would send it.

    `says` are fields of the redirect's query that replace the right ones; one of `...` is left out. `pages` are what he was shown,
    `words` what was said at the terminal.
    """

    def __init__(self, issuer: PlayedIssuer, **says: Any) -> None:
        self._issuer = issuer
        self._says = says
        self.pages: list[bytes] = []
        self.words: list[str] = []
        self.waited: list[float] = []
        self._visits: set[asyncio.Task[None]] = set()

    def world(self, **changed: Any) -> World:
        given = {"clock": self._issuer.clock, "say": self.words.append, "browse": self._browse, "sleep": self._sleep}
        return World(**{**given, **changed})

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        assert isinstance(self._issuer.clock, ManualClock)
        self._issuer.clock.advance(seconds)

    def _browse(self, url: str) -> bool:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self._issuer.nonce = asked.get("nonce", "")
        back = {"code": "code-of-a-test", "state": asked["state"], "iss": ISSUER, **self._says}
        query = "&".join(f"{name}={value}" for name, value in back.items() if value is not ...)
        task = asyncio.get_running_loop().create_task(self._visit(asked["redirect_uri"], query))
        self._visits.add(task)
        return True

    async def _visit(self, redirect: str, query: str) -> None:
        self.pages.append(await got(redirect, query))


async def got(redirect: str, query: str, line: str = "GET {path}?{query} HTTP/1.1", host: str = "") -> bytes:
    """What the redirect's listener answers."""
    where = urlsplit(redirect)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = line.format(path=where.path, query=query)
    writer.write(f"{head}\r\nHost: {host or where.netloc}\r\nAccept: text/html\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer
