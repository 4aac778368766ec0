"""Which principals of an account IAM's policies allow an action, as far as their own policies say.

Read are a principal's inline policies, those attached to it, and those of its groups, as `iam:GetAccountAuthorizationDetails`
tells them. Not read are organisations' policies (SCP, RCP), permission boundaries and session policies: they only take away. So
whoever is named here may be kept out by one of those, and whoever is not named has nothing (IAM User Guide, Policy evaluation
logic).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

Verdict = Literal[
    "no",
    "perhaps",  # under a condition of the policy, or by a policy that IAM did not show
    "yes",
]


@dataclass(frozen=True)
class Allowed:
    """A principal whom policies allow the action. `by` names these policies."""

    arn: str
    verdict: Verdict
    by: tuple[str, ...]
    bounded: bool  # whether a permission boundary is set, which may take it away


@dataclass
class Account:
    """What IAM told of an account, page by page."""

    _principals: list[dict[str, Any]] = field(default_factory=list)
    _groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    _managed: dict[str, Any] = field(default_factory=dict)  # documents by the policy's ARN

    def add(self, page: dict[str, Any]) -> None:
        """One answer of GetAccountAuthorizationDetails, its policy documents as objects."""
        self._principals += _dicts(page.get("RoleDetailList")) + _dicts(page.get("UserDetailList"))
        self._groups |= {str(one.get("GroupName")): one for one in _dicts(page.get("GroupDetailList"))}
        for policy in _dicts(page.get("Policies")):
            for version in _dicts(policy.get("PolicyVersionList")):
                if version.get("IsDefaultVersion"):
                    self._managed[str(policy.get("Arn"))] = version.get("Document")

    def who_may(self, action: str, resource: str) -> Iterator[Allowed]:
        """The roles and users whom their policies allow the action on a resource."""
        for principal in self._principals:
            named = dict(self._policies_of(principal))
            verdicts = {name: _of(document, action, resource) for name, document in named.items()}
            if any(denied(document, action, resource) for document in named.values()):
                continue
            by = tuple(name for name, verdict in verdicts.items() if verdict != "no")
            if by:
                verdict: Verdict = "yes" if "yes" in verdicts.values() else "perhaps"
                yield Allowed(str(principal.get("Arn")), verdict, by, bounded=bool(principal.get("PermissionsBoundary")))

    def _policies_of(self, principal: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Names and documents; None for one that IAM did not show."""
        holders = [principal]
        groups = principal.get("GroupList")
        holders += [self._groups[name] for name in groups if name in self._groups] if isinstance(groups, list) else []
        for holder in holders:
            where = f"{holder['GroupName']}/" if holder is not principal else ""
            for key in ("RolePolicyList", "UserPolicyList", "GroupPolicyList"):
                for policy in _dicts(holder.get(key)):
                    yield f"{where}{policy.get('PolicyName')}", policy.get("PolicyDocument")
            for policy in _dicts(holder.get("AttachedManagedPolicies")):
                arn = str(policy.get("PolicyArn"))
                yield f"{where}{policy.get('PolicyName') or arn}", self._managed.get(arn)


def _of(document: Any, action: str, resource: str) -> Verdict:
    """What one policy allows by itself."""
    if not isinstance(document, dict):
        return "perhaps"
    found: Verdict = "no"
    for statement in _statements(document):
        if statement.get("Effect") == "Allow" and _covers(statement, action, resource, loosely=True):
            if not statement.get("Condition"):
                return "yes"
            found = "perhaps"
    return found


def denied(document: Any, action: str, resource: str) -> bool:
    """Whether one policy denies for certain. A denial under a condition counts as none."""
    return isinstance(document, dict) and any(
        statement.get("Effect") == "Deny" and not statement.get("Condition") and _covers(statement, action, resource, loosely=False)
        for statement in _statements(document)
    )


def _statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document.get("Statement")
    return _dicts([found] if isinstance(found, dict) else found)


def _covers(statement: dict[str, Any], action: str, resource: str, *, loosely: bool) -> bool:
    """Whether the statement is about the action and the resource. `loosely`: what is not certain covers (a variable, and a star
    over several parts of an ARN)."""
    if "NotAction" in statement:
        of_action = not any(_action(text).fullmatch(action) for text in _texts(statement["NotAction"]))
    else:
        of_action = any(_action(text).fullmatch(action) for text in _texts(statement.get("Action")))
    if not of_action:
        return False
    if "NotResource" in statement:  # what is excluded for certain is less, so that what is covered is more
        return not any(_resource(text, loosely=not loosely).fullmatch(resource) for text in _texts(statement["NotResource"]))
    return any(_resource(text, loosely=loosely).fullmatch(resource) for text in _texts(statement.get("Resource")))


@lru_cache(maxsize=4096)
def _action(pattern: str) -> re.Pattern[str]:
    """Actions have no case, and `*` and `?` stand for any characters (IAM JSON policy elements, Action)."""
    return re.compile(_glob(pattern, ".*", "."), re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=4096)
def _resource(pattern: str, *, loosely: bool) -> re.Pattern[str]:
    if loosely:
        return re.compile(_glob(re.sub(r"\$\{[^}]*\}", "*", pattern), ".*", "."), re.DOTALL)
    return re.compile(".*" if pattern == "*" else _glob(pattern, "[^:]*", "[^:]"), re.DOTALL)


def _glob(pattern: str, star: str, question: str) -> str:
    parts = re.split(r"(\*+|\?)", pattern)
    return "".join(star if part.startswith("*") else question if part == "?" else re.escape(part) for part in parts)


def _texts(value: Any) -> Iterable[str]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, str)]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
