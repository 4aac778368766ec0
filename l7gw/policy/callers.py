"""Whom the entries of `identity` can give, as far as the configuration says it, and doubts of who is meant: users, groups and kinds
that nobody has, and prefixes that are missing or too many.

What cannot be known (which groups an issuer's tokens have, the names in certificates) is taken as possible. So whoever may come is
never called impossible; `tests/policy/test_callers.py` asks what proves principals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from l7gw.config.aws_settings import ArnLine, AwsIdentity
from l7gw.config.document import shown
from l7gw.config.settings import KINDS, ClientCertificate, IdentityEntry, Kind, KindRule, OidcIssuer
from l7gw.policy.patterns import Globs, glob

MOST_LISTED = 6  # names in a sentence


@dataclass(frozen=True, slots=True)
class Names:
    """Names that begin with `prefix`. Behind it stands one of `exact`, or any text where that is None."""

    prefix: str
    exact: tuple[str, ...] | None = None

    def may_match(self, text: str) -> bool:
        """Whether the glob matches one of the names."""
        if self.exact is not None:
            return any(glob(text)(self.prefix + name) for name in self.exact)
        head, star, _ = text.partition("*")
        return head.startswith(self.prefix) or (star != "" and self.prefix.startswith(head))


@dataclass(frozen=True, slots=True)
class Callers:
    """Callers who come by one entry alike. `groups` is None where they have none. `acting` are those of an issuer of people whose
    token has a claim `act`: whoever acts for somebody else is an agent."""

    kinds: frozenset[Kind]
    users: Names
    groups: Names | None
    acting: bool = False


def callers_of(identity: Collection[IdentityEntry]) -> list[Callers]:
    """Whom the entries give."""
    found: list[Callers] = []
    for entry in identity:
        names = Names(entry.prefix)
        if isinstance(entry, AwsIdentity):
            found += _of_aws(entry)
        elif isinstance(entry, ClientCertificate):
            found.append(Callers(frozenset((entry.kind.fixed or "agent",)), names, names))
        else:
            kinds, groups = _kinds_of(entry.kind), names if entry.groups else None
            found.append(Callers(kinds, names, groups))
            if "human" in kinds and "agent" not in kinds:
                found.append(Callers(frozenset(("agent",)), names, groups, acting=True))
    return found


def _kinds_of(rule: KindRule) -> frozenset[Kind]:
    """The kinds that a token may prove (`identity.claims.kind_of`)."""
    if rule.fixed is not None or rule.claim is None:
        return frozenset((rule.fixed or "agent",))
    others: Kind = "agent" if "human" in rule.values else "human"
    return frozenset(("agent", others, *rule.values))


def _of_aws(entry: AwsIdentity) -> Iterator[Callers]:
    """Sessions of IAM Identity Center, whose group is the permission set; roles and users; and whom the lines of `map` name."""
    anybody = Names(entry.prefix)
    yield Callers(frozenset(("human",)), anybody, anybody)
    yield Callers(frozenset(("agent",)), Names(f"{entry.prefix}arn:"), None)
    for line in entry.map:
        yield Callers(_kinds_of_line(line), _users_of_line(entry, line), Names(entry.prefix, line.groups) if line.groups else None)


def _kinds_of_line(line: ArnLine) -> frozenset[Kind]:
    return frozenset((line.kind,)) if line.kind is not None else frozenset(("human", "agent"))


def _users_of_line(entry: AwsIdentity, line: ArnLine) -> Names:
    return Names(entry.prefix, (line.user,) if line.user else None)


class Known:
    """What is known of callers. `granted` are the groups that may be asked for, which anybody may come to have; `prefixes` those
    that clusters put before groups."""

    def __init__(self, identity: Collection[IdentityEntry], granted: Collection[str] = (), prefixes: Collection[str] = ()) -> None:
        self.callers = callers_of(identity)
        self._granted = Names("", tuple(granted))
        self._own = tuple(dict.fromkeys(entry.prefix for entry in identity))
        self._clusters = tuple(one for one in dict.fromkeys(prefixes) if _is_mark(one) and not self._is_own(one))
        self._tokens = any(isinstance(entry, OidcIssuer) for entry in identity)

    def _is_own(self, prefix: str) -> bool:
        """Whether names of callers may begin as names in a cluster do."""
        return any(own and (own.startswith(prefix) or prefix.startswith(own)) for own in self._own)

    def doubts(self, users: Globs | None, groups: Globs | None, kinds: frozenset[Kind] | None) -> Iterator[str]:
        """Doubts of whom a rule names by these keys; a key that is None names everybody."""
        of_kind = [one for one in self.callers if kinds is None or one.kinds & kinds]
        if kinds and all(one.acting for one in of_kind):
            yield _no_kind(kinds, acting=bool(of_kind))
            return
        strange = [*self._doubled("users", users), *self._doubled("groups", groups)]
        if not strange:
            strange = [*self._nobody("users", users, of_kind), *self._nobody("groups", groups, of_kind)]
        if not strange and not any(self._fits(one, users, groups) for one in of_kind):
            strange = ["matches nobody: no entry of `identity` gives its users, groups and kinds together"]
        yield from strange

    def have_groups(self, users: Globs | None, groups: Globs | None, kinds: frozenset[Kind] | None) -> bool:
        """Whether somebody whom a rule names by these keys may have groups."""
        of_kind = [one for one in self.callers if kinds is None or one.kinds & kinds]
        return any(one.groups is not None and self._fits(one, users, groups) for one in of_kind)

    def _may(self, key: str, text: str, one: Callers) -> bool:
        """Whether a caller may have a user or a group that the glob matches."""
        if key == "users":
            return one.users.may_match(text)
        return (one.groups is not None and one.groups.may_match(text)) or self._granted.may_match(text)

    def _fits(self, one: Callers, users: Globs | None, groups: Globs | None) -> bool:
        keys = (("users", users), ("groups", groups))
        return all(globs is None or any(self._may(key, text, one) for text in globs.texts) for key, globs in keys)

    def _nobody(self, key: str, globs: Globs | None, callers: list[Callers]) -> Iterator[str]:
        """Patterns that match no user, or no group, of anybody."""
        strange = [text for text in globs.texts if not any(self._may(key, text, one) for one in callers)] if globs else []
        if not strange:
            return
        if key == "groups" and not any(one.groups for one in callers):
            hint = "; `groups: CLAIM` in `oidc` names the claim that has them" if self._tokens else ""
            yield f"names groups, and `identity` gives none to the callers that it is about: {listed(strange)}{hint}"
            return
        yield f"names {key} whom no entry of `identity` gives: {listed(strange)}{self._meant(strange[0])}"

    def _meant(self, text: str) -> str:
        if len(self._own) == 1:
            return f"; did you mean {shown(self._own[0] + text)}?"
        return f"; names begin with {' or '.join(map(shown, self._own[:MOST_LISTED]))} there"

    def _doubled(self, key: str, globs: Globs | None) -> Iterator[str]:
        """Patterns with a prefix too many: the one of an entry twice, or the one that a cluster is told."""
        for text in globs.texts if globs is not None else ():
            if key == "groups" and self._granted.may_match(text):
                continue
            twice = next((own for own in self._own if _is_mark(own) and text.startswith(own * 2)), "")
            if twice and not any(own != twice and own.startswith(twice) and text.startswith(own) for own in self._own):
                yield f"has the prefix {twice} twice in `{key}`: {shown(text)}; did you mean {shown(text.removeprefix(twice))}?"
                continue
            there = next((one for one in self._clusters if text.startswith(one)), "")
            if there:
                without = text.removeprefix(there) or "*"
                yield (
                    f"has in `{key}` the prefix {there}, which is put before names where the cluster is told, and rules see names "
                    f"without it: {shown(text)}; did you mean {shown(without)}?"
                )


def _is_mark(prefix: str) -> bool:
    """Whether a prefix is told from the beginning of a name: `bot:` is, `a` is not."""
    return len(prefix) > 1 and not prefix[-1].isalnum()


def _no_kind(kinds: frozenset[Kind], *, acting: bool) -> str:
    words = " or ".join(f"{kind}s" for kind in KINDS if kind in kinds)
    first = next(kind for kind in KINDS if kind in kinds)
    way = f"`kind: {first}` beside the entry of `identity` by which they come makes them so"
    if acting:
        return f"is about {words}, and `identity` makes nobody one but by a token's claim `act`; {way}"
    return f"is about {words}, and no entry of `identity` gives any; {way}"


def listed(texts: list[str]) -> str:
    """A few of the texts, in quotes."""
    more = f" and {len(texts) - MOST_LISTED} more" if len(texts) > MOST_LISTED else ""
    return ", ".join(map(shown, texts[:MOST_LISTED])) + more
