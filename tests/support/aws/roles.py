"""The roles at the stand-in for AWS, and what STS says of a request to assume one."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.aws.bodies import Refused, denied
from tests.support.aws.keys import Keys

ALL_THREE = frozenset({"sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"})
OF_NAMES = r"[\w+=,.@-]*"
OF_TAGS = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"  # letters, separators and digits of all scripts
MOST_TAGS = 50
ONE_HOUR = 3600  # seconds: the longest session of a role that a role assumed


@dataclass
class Role:
    """A role and its trust policy. A test changes its fields at will."""

    arn: str
    allows: frozenset[str] = ALL_THREE
    external_id: str = ""  # what a caller must say; "" asks for nothing
    callers: tuple[str, ...] = ("*",)  # globs of the callers' ARNs
    longest: int = ONE_HOUR


@dataclass(frozen=True)
class Assumed:
    """One AssumeRole that was answered with credentials."""

    role: str
    session_name: str
    source_identity: str
    tags: dict[str, str]
    transitive_tags: tuple[str, ...]
    external_id: str
    policy_arns: tuple[str, ...]
    policy: str
    duration: int  # seconds
    caller: str  # the ARN that asked; "" for a web identity
    host: str  # the Host that was asked
    keys: Keys = field(repr=False)  # what was answered


@dataclass(frozen=True)
class Wish:
    """The parameters of an AssumeRole."""

    role: str
    session_name: str
    source_identity: str
    tags: dict[str, str]
    transitive_tags: tuple[str, ...]
    external_id: str
    policy_arns: tuple[str, ...]
    policy: str
    duration: int

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Wish:
        """Raises RefusedError on what STS does not take."""

        def listed(name: str) -> list[str]:
            found = [key for key in parameters if re.fullmatch(rf"{name}\.member\.\d+(\.arn)?", key)]
            return [parameters[key] for key in sorted(found, key=lambda key: int(key.split(".")[2]))]

        pairs = [key.rsplit(".", 1)[0] for key in parameters if re.fullmatch(r"Tags\.member\.\d+\.Key", key)]
        tags = {parameters[f"{pair}.Key"]: parameters.get(f"{pair}.Value", "") for pair in pairs}
        duration = parameters.get("DurationSeconds", str(ONE_HOUR))
        wish = cls(
            parameters.get("RoleArn", ""),
            parameters.get("RoleSessionName", ""),
            parameters.get("SourceIdentity", ""),
            tags,
            tuple(listed("TransitiveTagKeys")),
            parameters.get("ExternalId", ""),
            tuple(listed("PolicyArns")),
            parameters.get("Policy", ""),
            int(duration) if duration.isascii() and duration.isdigit() else 0,
        )
        wish._check(len(pairs))
        return wish

    def _check(self, pairs: int) -> None:
        if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", self.role):
            raise invalid(f"{self.role} is invalid")
        constrained("roleSessionName", self.session_name, name, least=2, most=64)
        if self.source_identity:
            constrained("sourceIdentity", self.source_identity, name, least=2, most=64)
            if self.source_identity.startswith("aws:"):
                raise invalid("SourceIdentity must not begin with aws:")
        if pairs > MOST_TAGS:
            raise invalid(
                "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"
            )
        if len({key.lower() for key in self.tags}) < pairs:
            raise Refused(
                400, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            ).error()
        for number, (key, value) in enumerate(self.tags.items(), 1):
            constrained(f"tags.{number}.member.key", key, tag, least=1, most=128)
            constrained(f"tags.{number}.member.value", value, tag, least=0, most=256)
            if key.lower().startswith("aws:") or value.lower().startswith("aws:"):
                raise invalid("Tag keys and values must not begin with aws:")
        if not 900 <= self.duration <= 43200:
            raise invalid(
                f"1 validation error detected: Value '{self.duration}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"
            )


def invalid(message: str) -> Exception:
    return Refused(400, "ValidationError", message).error()


def name(text: str) -> str:
    """The pattern that the text breaks; "" for none."""
    return "" if re.fullmatch(OF_NAMES, text, re.ASCII) else OF_NAMES


def tag(text: str) -> str:
    return "" if all(unicodedata.category(one)[0] in "LZN" or one in "_.:/=+-@" for one in text) else OF_TAGS


def constrained(what: str, text: str, breaks: Callable[[str], str], *, least: int, most: int) -> None:
    told = f"1 validation error detected: Value '{text}' at '{what}' failed to satisfy constraint: Member must "
    if len(text) < least:
        raise invalid(f"{told}have length greater than or equal to {least}")
    if len(text) > most:
        raise invalid(f"{told}have length less than or equal to {most}")
    if breaks(text):
        raise invalid(f"{told}satisfy regular expression pattern: {breaks(text)}")


def judge(wish: Wish, role: Role | None, caller: Keys) -> None:
    """Whether the caller may. Raises RefusedError in AWS's own words. A role that does not exist is refused like one that does not
    trust the caller."""
    trusted = role is not None and any(fnmatch.fnmatchcase(caller.arn, pattern) for pattern in role.callers)
    named = role is None or role.external_id in ("", wish.external_id)
    wanted = ["sts:AssumeRole", *["sts:SetSourceIdentity"] * bool(wish.source_identity), *["sts:TagSession"] * bool(wish.tags)]
    for action in wanted:
        if role is None or not trusted or not named or action not in role.allows:
            raise denied(caller.arn, action, wish.role).error()
    assert role is not None
    if caller.role and wish.duration > ONE_HOUR:
        raise invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
    if wish.duration > role.longest:
        raise invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
