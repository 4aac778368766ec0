"""The two failures that people see: a call refused, and a configuration that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StatusReason = Literal[  # AM pkg/apis/meta/v1/types.go, but for BadGateway and MisdirectedRequest, which have no reason there
    "AlreadyExists",
    "BadGateway",
    "BadRequest",
    "Conflict",
    "Forbidden",
    "InternalError",
    "Invalid",
    "MethodNotAllowed",
    "MisdirectedRequest",
    "NotFound",
    "RequestEntityTooLarge",
    "ServiceUnavailable",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
]


class Refusal(Exception):
    """The gateway refuses one call. The exchange answers with a `metav1.Status`.

    `code` is the HTTP status. `reason` is the Status's. `message` is for people,
    without the prefix `l7gw: ` that the answer adds. `rule` names the rule that decided, None where no rule did. `hold` is the id
    of the hold that the refusal is about, None for none. `recorded` is the reason in the record, which knows caller and call
    already; "" where it is the message.
    """

    def __init__(
        self,
        code: int,
        reason: StatusReason,
        message: str,
        *,
        rule: str | None = None,
        hold: str | None = None,
        recorded: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.rule = rule
        self.hold = hold
        self.issuer = ""  # the issuer that a refused token names, which nothing has proven; "" for none
        self.recorded = recorded or message


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: what is wrong, and a hint what to do ("" for none). Lines count from 1; 0 is the file as a whole."""

    file: str
    line: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.what}" + (f"\n  hint: {self.hint}" if self.hint else "")


class ConfigurationError(Exception):
    """All the mistakes of a configuration or policy at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
