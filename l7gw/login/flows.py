"""How a login and a renewal go: the questions to the issuer, in order, and what they prove."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from l7gw.identity.fetch import FetchError
from l7gw.identity.keys import Key, object_in, read_keys
from l7gw.login import issuer as issuers
from l7gw.login.answers import Denied, Tokens, object_of, tokens_of
from l7gw.login.code_flow import CodeRequest
from l7gw.login.device import DeviceCode
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer, Ask
from l7gw.login.issuer import Metadata
from l7gw.login.kept import Kept
from l7gw.login.loopback_peer import own_users
from l7gw.login.proof import end_of_access, prove
from l7gw.login.redirect import Redirect
from l7gw.login.wanted import ACCESS, ID, OPENID, Wanted
from l7gw.login.world import World, uninterrupted

TOLERATED = 60.0  # seconds that this machine's clock and the issuer's may differ without a word (threats F3)
COARSE = 5.0  # seconds; a date of HTTP is whole seconds, and the answer's way takes one or two
SECRETS = ("code", "code_verifier", "device_code", "refresh_token")  # fields of a form of which no message repeats a value
KINDS = ("refresh_token", "access_token")  # in this order they are revoked (RFC 7009 section 2.1)


class Ended(LoginFailed):
    """The issuer takes the refresh token no more."""


class Flows:
    """One issuer and what is wanted of it. `ask` raises LoginFailed."""

    def __init__(self, wanted: Wanted, ask: Ask, world: World) -> None:
        self._wanted, self._ask, self._world = wanted, ask, world
        self._metadata: Metadata | None = None

    async def metadata(self) -> Metadata:
        if self._metadata is None:
            where = issuers.where(issuers.checked_issuer(self._wanted.issuer))
            self._metadata = issuers.read(await self._ask(where, None), self._wanted.issuer)
        return self._metadata

    # ------------------------------------------------------------------ logging in

    async def by_browser(self) -> Kept:
        """A login by authorization code. Raises LoginFailed."""
        metadata = await self.metadata()
        async with Redirect(own_users(), self._world.say, self._wanted.port) as redirect:
            request = CodeRequest(self._wanted, metadata, redirect.uri)
            opened = self._world.browse(request.url)
            self._world.say(
                f"{'a browser opens; if it does not,' if opened else 'to log in,'} open\n  {request.url}"
                + (
                    ""
                    if opened
                    else f"\n  hint: from another machine, {'log in by --device' if metadata.device else redirect.way_in}"
                )
            )
            try:
                async with asyncio.timeout(self._world.login_within):
                    query = await redirect.answer(request.belongs)
            except TimeoutError:
                within = f"{self._world.login_within:g} s"
                raise LoginFailed(f"nobody logged in at the browser within {within}", "run the command again") from None
            try:
                form = request.form(request.code_of(query))
                kept = Kept(self._wanted)
                await self._prove(kept, await self._exchanged(kept, form), nonce=request.nonce)
            except LoginFailed as failure:
                redirect.tell("The login failed", f"{failure.what}. This page may be closed; the terminal says more.")
                raise
            who = f"You are logged in as {kept.user}" if kept.user else "You are logged in"
            redirect.tell("Logged in", f"{who}. This page may be closed.")
            return kept

    async def by_device(self) -> Kept:
        """A login by device code. Raises LoginFailed."""
        metadata = await self.metadata()
        if not metadata.device:
            raise LoginFailed("the issuer has no login by device code", "leave --device out")
        form = {"client_id": self._wanted.client_id, "scope": " ".join(metadata.asked_for(self._wanted.scopes))}
        monotonic = self._world.clock.monotonic
        code = DeviceCode(self._wanted, await self._ask(metadata.device, form), monotonic())
        whole = f"\n  or open {code.whole_url}" if code.whole_url else ""
        self._world.say(f"to log in, open\n  {code.url}\n  and type {code.user_code}{whole}")
        while True:
            await self._world.sleep(code.wait(monotonic()))
            kept = Kept(self._wanted)
            try:
                given = await self._exchanged(kept, code.form)
            except LoginFailed as failure:
                code.asked(failure)
            else:
                await self._prove(kept, given, nonce=None)
                return kept

    # ------------------------------------------------------------------ renewing

    async def renew(self, kept: Kept, keep: Callable[[Kept], None]) -> None:
        """Get new tokens for a login. `keep` writes the login down: it is called with the next refresh token before anything is
        made of the rest. Raises Ended, or LoginFailed, which is `passing` where the same login may be renewed later."""
        form = {"grant_type": "refresh_token", "refresh_token": kept.refresh_token, "client_id": self._wanted.client_id}
        await self.metadata()
        try:
            given = await self._exchanged(kept, form, keep)
        except Denied as refused:
            if refused.code == "invalid_grant":
                raise Ended("the login has ended at the issuer") from None
            raise
        await self._prove(kept, given, nonce=kept.nonce)

    async def revoke(self, kept: Kept) -> str:
        """Have the issuer end a login. Gives "" where it did, else why not."""
        metadata = await self.metadata()
        if not metadata.revocation:
            return "the issuer has no way to revoke it (RFC 7009)"
        for kind in KINDS:
            token: str = getattr(kept, kind)
            if token:
                form = {"token": token, "token_type_hint": kind, "client_id": self._wanted.client_id}
                answer = await self._ask(metadata.revocation, form)
                if answer.status != 200:
                    _check_revoked(answer, kind, token)
        return ""

    # ------------------------------------------------------------------ tokens

    async def _exchanged(
        self, kept: Kept, form: dict[str, str], keep: Callable[[Kept], None] | None = None
    ) -> tuple[Tokens, Answer]:
        """What the token endpoint gives for a form. `kept` has the next refresh token then."""
        metadata = await self.metadata()
        with uninterrupted():
            answer = await self._ask(metadata.token, form)
            tokens = tokens_of(answer, [form.get(name, "") for name in SECRETS])
            if tokens.refresh:
                kept.refresh_token = tokens.refresh
                if keep is not None:
                    keep(kept)
        return tokens, answer

    async def _prove(self, kept: Kept, given: tuple[Tokens, Answer], *, nonce: str | None) -> None:
        """Put the tokens that are proven into `kept`. `nonce` is the one that was sent with the login, None where none was."""
        tokens, answer = given
        first = not kept.subject
        now = self._world.clock.wall()
        ahead = self._ahead(now, answer)
        ends = {ID: kept.id_ends, ACCESS: kept.access_ends}
        if tokens.identity:
            keys = await self._keys()
            proven = prove(tokens.identity, self._wanted, keys, now - ahead, nonce, first=first)
            if not first and proven.subject != kept.subject:
                raise LoginFailed("the issuer's renewed id token names somebody else")
            kept.subject, kept.user, kept.nonce = proven.subject, proven.user, nonce or ""
            kept.id_token, ends[ID] = tokens.identity, proven.ends + ahead
        elif self._wanted.token == ID or (OPENID in self._wanted.scopes and first):
            raise LoginFailed("the issuer gave no id token", "the client must be allowed the scope openid; or --token access")
        if self._wanted.token == ACCESS:
            if not tokens.access:
                raise LoginFailed("the issuer gave no access token")
            lasts = tokens.lasts if tokens.lasts is not None else math.inf
            kept.access_token, ends[ACCESS] = (
                tokens.access,
                min(end_of_access(tokens.access, self._wanted.issuer) + ahead, now + lasts),
            )
        kept.id_ends, kept.access_ends, kept.obtained = ends[ID], ends[ACCESS], now

    async def _keys(self) -> list[Key]:
        metadata = await self.metadata()
        answer = await self._ask(metadata.keys, None)
        if answer.status != 200:
            raise LoginFailed(f"the issuer's keys are answered {answer.status}", passing=answer.status >= 500)
        try:
            return read_keys(object_in(answer.body, "the issuer's key set"), self._wanted.issuer)
        except FetchError as error:
            raise LoginFailed(str(error)) from None

    def _ahead(self, now: float, answer: Answer) -> float:
        """Seconds that this machine's clock is ahead of the issuer's: what its tokens' times are read by."""
        ahead = now - answer.date if answer.date is not None else 0.0
        if abs(ahead) > TOLERATED:
            which = "ahead of" if ahead > 0 else "behind"
            self._world.say(
                f"this machine's clock is {abs(ahead):.0f} s {which} the issuer's; the gateway may see tokens as it does"
            )
        return ahead if abs(ahead) > COARSE else 0.0


def _check_revoked(answer: Answer, kind: str, token: str) -> None:
    """Raises LoginFailed where an issuer did not revoke what it could."""
    try:
        object_of(answer, "the issuer's revocation endpoint", (token,))
    except Denied as denied:
        # RFC 7009 section 2.2.1. Issuers whose access tokens are JWTs end those by their time alone; a login goes on by its refresh
        # token, which was revoked before.
        if denied.code != "unsupported_token_type" or kind != "access_token":
            raise
