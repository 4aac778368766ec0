"""One login among all processes of a person: taken from the cache, renewed by one of them, made anew, ended."""

from __future__ import annotations

import asyncio
import contextlib
import shlex

from l7gw.login.cache import Cache, Sheet
from l7gw.login.failure import LoginFailed
from l7gw.login.flows import Ended, Flows
from l7gw.login.https import Ask
from l7gw.login.kept import Kept
from l7gw.login.wanted import Wanted
from l7gw.login.world import World


class Keeper:
    """What is wanted, and where it is kept."""

    def __init__(self, wanted: Wanted, cache: Cache, ask: Ask, world: World) -> None:
        self._wanted, self._cache, self._ask, self._world = wanted, cache, ask, world

    def login(self, *, may_ask: bool) -> Kept:
        """A login whose token is good now. With `may_ask` somebody is asked to log in where there is none. Raises LoginFailed."""
        found = self._good()
        if found is not None:
            return found
        within = self._world.renewal_within + (self._world.login_within if may_ask else 0.0)
        try:
            with self._cache.locked(self._wanted, within, self._waits) as tell:
                # Whoever held it before has renewed it: fifty kubectls at once ask the issuer once.
                found = self._good()
                try:
                    return found if found is not None else self._renewed_or_new(may_ask=may_ask)
                except LoginFailed as failure:
                    if failure.passing or may_ask:
                        tell(failure)
                    raise
        except LoginFailed as failure:
            if failure.passing:
                return self._still_good(failure)
            raise

    def logout(self) -> str | None:
        """End the login here and at the issuer. Gives None where there was none, "" where all is done, else why the issuer did
        not end it. Raises LoginFailed."""
        with self._cache.locked(self._wanted, self._world.renewal_within, self._waits):
            kept = self._cache.read(self._wanted)
            if kept is None:
                return None
            try:
                return asyncio.run(Flows(self._wanted, self._ask, self._world).revoke(kept))
            except LoginFailed as failure:
                return failure.what
            finally:
                self._cache.forget(self._wanted)

    def _good(self) -> Kept | None:
        kept = self._cache.read(self._wanted)
        return kept if kept is not None and kept.good_for(self._wanted, self._world.clock.wall()) is not None else None

    def _waits(self) -> None:
        self._world.say("another l7gw login is under way for this issuer; waiting for it")

    def _renewed_or_new(self, *, may_ask: bool) -> Kept:
        kept = self._cache.read(self._wanted)
        why = "nobody is logged in"
        if kept is not None and kept.covers(self._wanted) and kept.refresh_token:
            try:
                return self._renewed(kept)
            except LoginFailed as failure:
                if failure.passing:
                    raise
                why = failure.what
        elif kept is not None:
            why = "the login has ended" if kept.covers(self._wanted) else "the login was for less than is wanted now"
        if not may_ask:
            command = shlex.join(["l7gw", "login", *self._wanted.arguments()])
            raise LoginFailed(f"{why}, and there is no terminal to ask at", f"run at a terminal: {command}")
        if kept is not None:
            self._world.say(f"{why}; log in again")
        wanted = self._wanted if kept is None else self._wanted.widened(kept.scopes)
        sheet = self._cache.prepare(wanted)  # before the person is asked: a login that cannot be kept helps nobody
        try:
            flows = Flows(wanted, self._ask, self._world)
            made = asyncio.run(flows.by_device() if wanted.device else flows.by_browser())
        except BaseException:
            sheet.drop()
            raise
        self._cache.finish(sheet, wanted, made)
        return made

    def _renewed(self, kept: Kept) -> Kept:
        sheet = self._cache.prepare(self._wanted)  # before the issuer is asked: what it gives it gives once
        tried, used = kept.refresh_token, False

        def keep(rotated: Kept) -> None:
            nonlocal used
            used = True
            sheet.keep(rotated)

        try:
            asyncio.run(Flows(self._wanted, self._ask, self._world).renew(kept, keep))
        except Ended:
            used = self._forgotten(tried, sheet)
            raise
        finally:
            if not used:
                sheet.drop()
        self._cache.write(self._wanted, kept)
        return kept

    def _forgotten(self, refresh_token: str, sheet: Sheet) -> bool:
        """Keep the login without a refresh token that the issuer takes no more, else each command without a terminal would ask the
        issuer again. One that came meanwhile stays. Says whether the sheet was used. Raises LoginFailed."""
        kept = self._cache.read(self._wanted)
        if kept is None or kept.refresh_token != refresh_token:
            return False
        kept.refresh_token = ""
        with contextlib.suppress(LoginFailed):  # that the login has ended is what the person must hear
            self._cache.finish(sheet, self._wanted, kept)
        return True

    def _still_good(self, failure: LoginFailed) -> Kept:
        """The login whose token has a while to go, where the issuer is not reached. Raises the failure where it has not."""
        kept = self._cache.read(self._wanted)
        if kept is None or kept.token_for(self._wanted)[1] <= self._world.clock.wall():
            raise failure
        return kept
