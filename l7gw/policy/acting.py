"""`as:` of a rule: as whom the calls may be made that have the effect `impersonate` (`kubectl --as`)."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from l7gw import name_rules
from l7gw.config.document import Reader, shown
from l7gw.kube.act import EFFECTS, Effect
from l7gw.kube.acting_as import ACCOUNT, ActsAs
from l7gw.policy.patterns import BadPattern, Globs, Match, glob
from l7gw.policy.value_lists import compiled

KEYS = ("users", "groups", "service-accounts")
EXAMPLE = "as: {users: [jane], groups: [developers], service-accounts: [dev/ci]}"
ALL: frozenset[Effect] = frozenset(EFFECTS)  # of `*`, which is no listing


@dataclass(frozen=True, slots=True)
class As:
    """The identities of the cluster that a rule names. A service account is never one of `users`, but for a deny."""

    users: Globs
    groups: Globs
    accounts: tuple[tuple[Match, Match], ...] = ()  # of namespace and name
    named: tuple[str, ...] = ()  # all of them, as RBAC calls them: `users jane`

    def covers(self, asked: ActsAs) -> bool:
        """Whether the user and every group that is asked for are named."""
        account = asked.account
        named = self._account(account) if account else self.users.match(asked.user)
        return named and all(map(self.groups.match, asked.groups))

    def overlaps(self, asked: ActsAs) -> bool:
        """Whether the user or one of the groups that are asked for is named."""
        account = asked.account
        named = self.users.match(asked.user) or (account != "" and self._account(account))
        return named or any(map(self.groups.match, asked.groups))

    def _account(self, account: str) -> bool:
        space, _, name = account.partition("/")
        return any(of_space(space) and of_name(name) for of_space, of_name in self.accounts)


def acting_of(reader: Reader) -> As | None:
    """What a rule says of it, None where it says nothing. Mistakes are reported."""
    if not reader.has("as"):
        return None
    inner = reader.inner("as", KEYS)
    if isinstance(inner.node, yaml.MappingNode) and not any(map(inner.has, KEYS)):
        reader.wrong("as", "`as` names nobody", EXAMPLE)
    users, groups, accounts = (compiled(inner, key, make) or () for key, make in zip(KEYS, (_name, _group, _account), strict=True))
    return As(
        users=Globs(users),
        groups=Globs(groups),
        accounts=tuple((glob(space), glob(name)) for space, _, name in (account.partition("/") for account in accounts)),
        named=(
            *(f"users {name}" for name in users),
            *(f"groups {name}" for name in groups),
            *(f"serviceaccounts {name}" for name in accounts),
        ),
    )


def check(reader: Reader, effects: frozenset[Effect] | None) -> None:
    """Report a rule that lets calls pass and lists `impersonate` without saying as whom, and one that says it for nothing.
    `effects` are those that the rule lists, None where it does not."""
    listed = effects or frozenset()
    if "impersonate" in listed and listed < ALL and not reader.has("as"):
        reader.missing("as", f"a rule that lists `impersonate` says as whom: {EXAMPLE}")
    if listed and "impersonate" not in listed and reader.has("as"):
        reader.wrong("as", "`as` is about the effect impersonate, which `effects` does not list", "effects: [..., impersonate]")


def _name(text: str) -> str:
    if text.startswith(ACCOUNT):
        raise BadPattern(
            f"{shown(text)} is a service account", f"service-accounts: [{text.removeprefix(ACCOUNT).replace(':', '/', 1)}]"
        )
    if text.startswith("system:"):
        raise BadPattern(
            f"{shown(text)} can never be asked for: it begins with system:", "service accounts have a list of their own"
        )
    if fault := name_rules.fault(text):
        raise BadPattern(f"{shown(text)} {fault}")
    glob(text)
    return text


def _group(text: str) -> str:
    if text.startswith("system:"):
        raise BadPattern(
            f"{shown(text)} can never be asked for: it begins with system:", "a service account's own groups come with it"
        )
    return _name(text)


def _account(text: str) -> str:
    parts = text.removeprefix(ACCOUNT).replace(":", "/").split("/")
    if len(parts) != 2 or not all(parts):
        raise BadPattern(f"{shown(text)} is no service account", "NAMESPACE/NAME, such as dev/ci or dev/*")
    if fault := name_rules.fault(text):
        raise BadPattern(f"{shown(text)} {fault}")
    for part in parts:
        glob(part)
    return "/".join(parts)
