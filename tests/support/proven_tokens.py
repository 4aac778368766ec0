"""Tokens put to a chain of one issuer whose keys have been fetched: whom they prove, or why they are refused."""

from __future__ import annotations

import asyncio
from typing import Any

from l7gw.errors import Refusal
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from tests.support.token_issuer import Issuer, ask, entry, settled

NOW = 1_700_000_000  # seconds since 1970, the time of these tests' clock


def chain(issuer: Issuer, **changed: Any) -> IdentityChain:
    """A chain of one entry, whose keys have been fetched."""
    made = IdentityChain([entry(**changed)], issuer.clock, issuer.fetch)

    async def fetch() -> None:
        made.prefetch()
        await settled(made)

    asyncio.run(fetch())
    return made


def proven(issuer: Issuer, claims: dict[str, Any] | None = None, **changed: Any) -> Principal:
    who = ask(chain(issuer, **changed), issuer.token(**(claims or {})))
    assert isinstance(who, Principal), who
    return who


def refusal(issuer: Issuer, token: str, **changed: Any) -> str:
    who = ask(chain(issuer, **changed), token)
    assert isinstance(who, Refusal), f"let in: {who}"
    assert (who.code, who.reason) == (401, "Unauthorized")
    return who.message
