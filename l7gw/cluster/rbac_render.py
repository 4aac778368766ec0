"""The RBAC that lets the gateway's credential do what this configuration and this policy need, and nothing else.

A credential that may impersonate any user is as good as cluster-admin. RBAC has no patterns: each name that the gateway may take is
written out. Where the policy has a pattern, somebody must say which names it stands for (`Names`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from shlex import quote
from typing import Any, Literal

from l7gw.cluster.impersonation import GATEWAY_USER, unnameable
from l7gw.cluster.needs import AUTHENTICATION, AUTHORIZATION, EXTRAS
from l7gw.cluster.rbac_there import RESOURCES
from l7gw.config.settings import Cluster
from l7gw.kube.rbac import API, Rule, Subject, binding, role
from l7gw.policy.judge import Policy
from l7gw.policy.patterns import glob

OBJECT = "l7gw-gateways"  # the name of each object
BINDS = "l7gw-binds"  # of those by which the gateway binds roles; others may stand beside them in a namespace
AWS_AUTH = "l7gw-aws-auth"  # the same of those that read the ConfigMap of that name
ANYBODY = (
    "EVERY USER MAY BE IMPERSONATED. A credential that may do that is as good as cluster-admin: it takes the name of any user",
    "whom RBAC gives something, Kubernetes' own components among them. Name the users (--user), or take impersonate: groups.",
)

Also = Literal[
    "any-user",  # to be every user, where the cluster is told users
    "ways-round",  # to read who comes to a cluster of EKS by the ConfigMap aws-auth
    "reads-rbac",  # to list roles and bindings
]
As = tuple[str, str]  # a resource of RBAC (users, groups, serviceaccounts) and a name; of an account NAMESPACE/NAME


class Unresolved(Exception):
    """The RBAC cannot be written. The text says which names are missing, in words for people; `hint` what to type."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True)
class Names:
    """Names that stand for patterns: groups and users of callers as the identity gives them, and whom they act as (`--as`) by
    RBAC's resource."""

    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    acted_as: frozenset[As] = frozenset()


@dataclass(frozen=True)
class Part:
    """Objects that belong together, and what is said about them, in lines: before them, and before each of their rules."""

    about: tuple[str, ...]
    objects: tuple[dict[str, Any], ...]
    rules: tuple[str, ...] = ()


@dataclass
class _Role:
    """The gateway's ClusterRole in the making. `lines` says what each rule is for."""

    rules: list[Rule] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, line: str, rule: Rule) -> None:
        self.rules.append(rule)
        self.lines.append(line)


class Rendering:
    """The RBAC of one cluster, bound to `holder`: whom the cluster takes the gateway's credential for.

    `given` are names that somebody stated; `recorded` are those that the recordings know, and count for patterns about which
    nothing was stated. `also` are rights that are asked for by name. Raises Unresolved.
    """

    def __init__(
        self,
        cluster: Cluster,
        policy: Policy,
        holder: Subject,
        *,
        given: Names,
        recorded: Names,
        also: Collection[Also] = (),
    ) -> None:
        self._cluster, self._policy, self._holder = cluster, policy, holder
        self._given, self._recorded, self._also = given, recorded, frozenset(also)
        self._taken: dict[str, str] = {}  # of each pattern, in words, which names were taken for it
        self.groups = self._groups()
        self._check_holder()

    def parts(self) -> Iterator[Part]:
        """The objects, in the order in which they are applied."""
        if self._cluster.impersonate == "none":
            told = (
                "impersonate: none: callers are the gateway's own credential in this cluster. Nothing is impersonated, and what",
                f"RBAC gives {self._holder} it gives to all of them. What they used: l7gw rbac suggest {self._cluster.name}",
            )
            yield Part(told, ())
            yield from self._aws_auth()
            return
        made = self._role()
        about = (
            f"What the gateway may do in {self._cluster.name}, where RBAC knows its credential as {self._holder}.",
            "Whoever steals that credential may be whom this names, may do what RBAC gives those, and nothing else.",
        )
        yield Part((*about, *self._taken.values()), (role(OBJECT, made.rules), binding(OBJECT, [self._holder])), tuple(made.lines))
        yield from self._accounts()
        yield from self._aws_auth()
        yield from self._binds()

    # ------------------------------------------------------------------ the gateway's role

    def _role(self) -> _Role:
        made = _Role()
        self._add_users(made)
        if self.groups:
            named = tuple(self._cluster.prefix + group for group in self.groups)
            line = "the groups that rules or `groups:` of the cluster name, with the prefix. Others do not go up"
            made.add(line, Rule(("impersonate",), ("",), ("groups",), named))
        made.add(
            "extras that name caller and session in the cluster's audit log. Their values are any: they carry no rights",
            Rule(("impersonate",), (AUTHENTICATION,), tuple(f"userextras/{extra}" for extra in EXTRAS)),
        )
        acted_as = self._acted_as()
        for resource in ("users", "groups"):
            if named := tuple(sorted(name for kind, name in acted_as if kind == resource)):
                line = f"{resource} as whom the policy lets callers act (`as:`): what RBAC gives them, this credential may take"
                made.add(line, Rule(("impersonate",), ("",), (resource,), named))
        if self._policy.acted_as(self._cluster.name):
            made.add(
                "`as:` again: before such a call the gateway asks whether RBAC lets the caller himself act so",
                Rule(("create",), (AUTHORIZATION,), ("subjectaccessreviews",)),
            )
        made.add(
            "whom the cluster takes the gateway for, and what it may do: which `l7gw clusters test` asks",
            Rule(("create",), (AUTHENTICATION,), ("selfsubjectreviews",)),
        )
        made.add("", Rule(("create",), (AUTHORIZATION,), ("selfsubjectaccessreviews",)))
        made.add("", Rule(("get",), urls=("/version",)))
        if "reads-rbac" in self._also:
            line = "which roles and bindings there are: `l7gw rbac suggest --live` compares with them"
            made.add(line, Rule(("list",), (API,), tuple(RESOURCES.values())))
        return made

    def _add_users(self, made: _Role) -> None:
        if self._cluster.impersonate == "groups":
            made.add("the one user that callers are here", Rule(("impersonate",), ("",), ("users",), (GATEWAY_USER,)))
            return
        if "any-user" in self._also:
            made.add(" ".join(ANYBODY), Rule(("impersonate",), ("",), ("users",)))
            return
        users = self._users()
        if not users:
            raise Unresolved(
                f"clusters.{self._cluster.name} has impersonate: user, and which users come is not known: no rule names one, and "
                "no recordings have any",
                "--user ann --user bob; or --any-user, which makes the gateway's credential as good as cluster-admin",
            )
        named = tuple(self._cluster.prefix + user for user in users)
        made.add(
            "these users, with the prefix. One who comes later is refused until this is rendered and applied again",
            Rule(("impersonate",), ("",), ("users",), named),
        )

    def _users(self) -> list[str]:
        """Users as the identity gives them: those that were stated, else those that rules name or that the recordings know."""
        stated = set(self._given.users)
        if not stated:
            stated = set(self._recorded.users)
            for rule in self._policy.rules:
                if rule.says != "deny" and rule.is_about(self._cluster.name) and rule.users is not None:
                    stated |= {text for text in rule.users.texts if "*" not in text}
        return sorted(user for user in stated if not unnameable(user) and not unnameable(self._cluster.prefix + user))

    def _groups(self) -> tuple[str, ...]:
        """The groups that go up, without the prefix."""
        if self._cluster.impersonate == "none":
            return ()
        patterns = self._policy.groups_going_up(self._cluster.name, self._cluster.groups).texts
        hint = f"--group NAME for each group that it stands for; `l7gw check` lists what goes up to {self._cluster.name}"
        found = self._resolved("groups", patterns, self._given.groups, self._recorded.groups, hint)
        return tuple(group for group in found if not unnameable(group) and not unnameable(self._cluster.prefix + group))

    def _acted_as(self) -> frozenset[As]:
        """Whom the gateway must be let impersonate for `as:` of rules."""
        found: set[As] = set()
        hint = "--as-user, --as-group or --as-service-account NAMESPACE/NAME, for each that it stands for"
        for resource in ("users", "groups", "serviceaccounts"):
            patterns = [
                name
                for kind, _, name in (text.partition(" ") for text in self._policy.acted_as(self._cluster.name))
                if kind == resource
            ]
            given, recorded = (
                frozenset(name for kind, name in one.acted_as if kind == resource) for one in (self._given, self._recorded)
            )
            found |= {(resource, name) for name in self._resolved(f"as: {resource}", patterns, given, recorded, hint)}
        return frozenset(found)

    def _resolved(
        self, what: str, patterns: Iterable[str], given: frozenset[str], recorded: frozenset[str], hint: str
    ) -> tuple[str, ...]:
        """The names that the patterns stand for. Raises Unresolved where nothing says what one stands for."""
        patterns = list(patterns)
        found = {text for text in patterns if "*" not in text}
        for text in patterns:
            if "*" in text:
                match = glob(text)
                stated = {name for name in given if match(name)}
                fitting = stated or {name for name in recorded if match(name)}
                if not fitting:
                    raise Unresolved(
                        f"`{what}` has the pattern {text}, RBAC has no patterns, and neither an option nor the recordings "
                        "have a name that fits it",
                        hint,
                    )
                found |= fitting
                names, source = ", ".join(sorted(fitting)), "the options" if stated else "the recordings"
                self._taken[f"{what} {text}"] = (
                    f"`{what}` has the pattern {text}. It stands here for {names}, which {source} named. The cluster refuses "
                    "a call that goes up with any other, until this is rendered and applied again."
                )
        return tuple(sorted(found))

    def _accounts(self) -> Iterator[Part]:
        """Roles that let the gateway act as service accounts, which RBAC asks for in the account's namespace."""
        spaces: dict[str, list[str]] = {}
        for kind, account in sorted(self._acted_as()):
            if kind == "serviceaccounts":
                space, _, name = account.partition("/")
                spaces.setdefault(space, []).append(name)
        for space, names in spaces.items():
            rule = Rule(("impersonate",), ("",), ("serviceaccounts",), tuple(names))
            about = (f"Service accounts in {space} as whom the policy lets callers act (`as:`).",)
            yield Part(about, (role(OBJECT, [rule], space), binding(OBJECT, [self._holder], space)))

    def _aws_auth(self) -> Iterator[Part]:
        """What `l7gw clusters test` reads in a cluster of EKS to see the ways round that the ConfigMap `aws-auth` makes."""
        if "ways-round" in self._also:
            rule = Rule(("get",), ("",), ("configmaps",), ("aws-auth",))
            about = ("Who else comes here: `l7gw clusters test` reads it. It names roles and users of AWS, and no secret.",)
            yield Part(about, (role(AWS_AUTH, [rule], "kube-system"), binding(AWS_AUTH, [self._holder], "kube-system")))

    def _binds(self) -> Iterator[Part]:
        """Roles that let the gateway make the RoleBindings of `bind:`, in the namespaces that grants and rules name."""
        binds = self._policy.binds(self._cluster.name)
        for space in sorted({space for bind in binds for space in bind.namespaces}):
            made = _Role()
            line = "the gateway makes RoleBindings before the first call of a grant or a session, and removes them"
            made.add(line, Rule(("create", "delete", "list"), (API,), ("rolebindings",)))
            bound: list[str] = []
            for kind, resource in (("ClusterRole", "clusterroles"), ("Role", "roles")):
                names = tuple(sorted({bind.role for bind in binds if bind.kind == kind and space in bind.namespaces}))
                if names:
                    made.add("", Rule(("bind",), (API,), (resource,), names))
                    bound += [f"{kind} {name}" for name in names]
            about = (
                f"What grants and rules bind in {space} (`bind:`). This adds to a stolen credential: it binds {', '.join(bound)}",
                f"to anybody in {space}, and removes any RoleBinding there.",
            )
            yield Part(about, (role(BINDS, made.rules, space), binding(BINDS, [self._holder], space)), tuple(made.lines))

    # ------------------------------------------------------------------ what must not be

    def _check_holder(self) -> None:
        """The gateway's rights must not be those of a caller. Raises Unresolved."""
        cluster, holder = self._cluster, self._holder
        if holder.kind == "Group":
            if holder.name in {cluster.prefix + group for group in self.groups}:
                what = f"callers of {cluster.name} can have the group {holder.name}: they would get the gateway's own rights"
                raise Unresolved(what, "--to group:NAME with a name that no caller has")
        elif holder.kind == "User" and holder.name in self._user_names():
            what = (
                f"callers of {cluster.name} are, or can be, the user {holder.name} there: they would get the gateway's own rights"
            )
            raise Unresolved(what, "a credential for the gateway that has another name")

    def _user_names(self) -> list[str]:
        """The users that callers are in the cluster, as far as they are known."""
        if self._cluster.impersonate == "groups":
            return [GATEWAY_USER]
        return [self._cluster.prefix + user for user in self._users()] if self._cluster.impersonate == "user" else []

    def hints(self) -> tuple[str, ...]:
        """How the callers' groups come to rights of their own, in lines: bindings that somebody may want to write."""
        cluster = self._cluster
        if cluster.impersonate == "none":
            return ()
        if not self.groups:
            if cluster.impersonate == "user":
                return ("No groups go up. Bind roles to the users, with the prefix.",)
            return ("No groups go up, so that callers have no rights here: name groups in the policy's rules, or in `groups:`.",)
        lines = ["What callers may do is bound to their groups as they arrive here, for instance:"]
        for group in self.groups:
            arrived = quote(cluster.prefix + group)
            lines.append(f"  kubectl create rolebinding l7gw-view-{slug(group)} -n NAMESPACE --clusterrole=view --group={arrived}")
        lines.append(f"or as little as they used: l7gw rbac suggest {cluster.name}")
        return tuple(lines)


def slug(name: str) -> str:
    """A name made fit to be part of an object's: letters, digits and hyphens."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-") or "x"
