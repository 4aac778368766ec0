"""STS as a function: what it is asked, and what it says when a test lets it."""

from __future__ import annotations

import asyncio

from l7gw.aws import arns
from l7gw.config.aws_settings import AwsIdentity
from l7gw.identity.aws_sts import SignedBy
from l7gw.identity.aws_tokens import Presigned
from tests.support.aws.tokens import spelled
from tests.support.aws_token_urls import query

ACCOUNT = "111122223333"
SSO_ROLE = "AWSReservedSSO_Engineers_0123456789abcdef"


class ScriptedSts:
    """`asked` are the questions so far: hosts and clusters. While `held`, no question is answered. `error` is raised instead of an
    answer; `arn` is who signed everything, unless the access key of the token stands in `signers`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{SSO_ROLE}/ann@example.com"
        self.signers: dict[str, str] = {}
        self.error: Exception | None = None
        self._go = asyncio.Event()
        self._go.set()

    def hold(self) -> None:
        self._go.clear()

    def go_on(self) -> None:
        self._go.set()

    async def __call__(self, presigned: Presigned, cluster_id: str) -> SignedBy:
        self.asked.append((presigned.host, cluster_id))
        await self._go.wait()
        if self.error is not None:
            raise self.error
        arn = next((arn for key, arn in self.signers.items() if key in presigned.target), self.arn)
        return SignedBy(arns.identity(arn), "AROAEXAMPLE")


def made(now: float, number: int = 0, host: str = "sts.eu-west-1.amazonaws.com") -> str:
    """A token of the right form; of each number another. `now` is in seconds since 1970."""
    return spelled(f"https://{host}/?{query(now).replace('ASIAABCDEFGHIJKLMNOP', f'ASIA{number:016d}')}")


def entry(**changed: object) -> AwsIdentity:
    return AwsIdentity(**{"accounts": (ACCOUNT,), "regions": ("eu-west-1",), **changed})  # type: ignore[arg-type]
