"""What the data path asks of a credential. A pool of connections has exactly one (threats A17)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from l7gw.errors import Refusal
from l7gw.wire.events import Headers


class Credential(Protocol):
    """One credential of the gateway at one cluster."""

    @property
    def pair(self) -> tuple[Path, Path] | tuple[()]:
        """The files of a client certificate and its key, PEM; empty for a token."""

    @property
    def authorization(self) -> Headers:
        """The header line with the token as it is at this moment; no line for a client certificate. Raises Refusal 503 where a
        token is wanted and there is none: a call never goes up without its credential."""

    def ready(self) -> bool:
        """Whether the credential can be shown now. Asked for each call."""

    def wait(self, then: Callable[[Refusal | None], None]) -> None:
        """Call `then` once, when the credential is ready, with None, or with the Refusal that says why it is not. The wait is
        bounded in seconds and in calls that wait."""

    @property
    def renews(self) -> bool:
        """Whether another token can be made, so that a call is kept until the cluster has accepted the one that went up."""

    def refused(self, sent: str) -> bool:
        """The cluster said 401 to this value of the header, so it acted upon nothing. Returns whether the call should be sent once
        more: another token is there, or is being made."""

    def tick(self, now: float) -> None:
        """Once a second, `now` in monotonic seconds: read what changed, and end waits that took too long. Raises OSError where a
        changed file cannot be used; the former token then stays in force."""
