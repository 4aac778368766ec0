"""Rules that are probably mistakes: they name a cluster that is not configured, a resource or subresource that Kubernetes does not
have, keys that no single call matches, callers whom `identity` does not give, or reviewers who can never approve; they have regular
expressions for globs; they stop what has not what their condition asks for; they decide everything; or another rule decides every
call before them.

A guardrail with such a mistake guards nothing. It is a doubt and no error, because one policy may serve several gateways with
other clusters, and a resource may be a custom or an aggregated one. What is certainly a mistake is an error of `load`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from l7gw.config.aws_settings import AwsIdentity
from l7gw.config.document import nearest
from l7gw.config.settings import ClientCertificate, IdentityEntry, Mapped, OidcIssuer
from l7gw.hold_terms import Reviewers
from l7gw.kube.builtin import BUILT_IN, GROUPS, SUBRESOURCES, plurals_of
from l7gw.policy.callers import Known
from l7gw.policy.commands import Command
from l7gw.policy.every_call import every_call
from l7gw.policy.holds import Holding
from l7gw.policy.pattern_doubts import globs_in, of_patterns, strange_in
from l7gw.policy.patterns import glob
from l7gw.policy.rules import Rule
from l7gw.policy.shadows import Earlier
from l7gw.policy.too_wide import of_width


def doubts(
    rules: Iterable[Rule],
    clusters: Collection[str] | None,
    identity: Collection[IdentityEntry] | None = None,
    mapped: Collection[Mapped] = (),
    known: Known | None = None,
) -> list[str]:
    """Each doubt as a sentence, in the order of the rules, which begin with the guardrails. `clusters` and `identity` are the
    configured ones, None where they are not known. `mapped` are the people who answer in Slack or by the webhook, `known` is what
    `identity` says of callers."""
    found: list[str] = []
    before = Earlier()
    for rule in rules:
        what = f"{'guardrail' if rule.guardrail else 'rule'} {rule.name!r}"
        found += [f"{what} {doubt}" for doubt in _of_rule(rule, clusters, identity, mapped)]
        if known is not None:
            users, groups = globs_in("users", rule.users), globs_in("groups", rule.groups)
            found += [f"{what} {doubt}" for doubt in known.doubts(users, groups, rule.kinds)]
        found += [f"{what} {doubt}" for doubt in _reached(rule, before)]
        before.add(rule)
    return found


def _of_rule(
    rule: Rule, clusters: Collection[str] | None, identity: Collection[IdentityEntry] | None, mapped: Collection[Mapped]
) -> Iterator[str]:
    """Doubts of a rule by itself."""
    yield from of_patterns(rule)
    if rule.clusters is not None and clusters is not None:
        regular = strange_in("clusters", rule.clusters)
        yield from of_clusters(tuple(text for text in rule.clusters.texts if text not in regular), clusters)
    if not rule.allow:
        yield from _short_commands(rule.commands or (), holds=rule.holding is not None)
        yield from _stops_readers(rule)
    if (held := held_by(rule)) is not None:
        yield from of_reviewers(held.reviewers, identity, mapped)
    yield from of_width(rule)


def _reached(rule: Rule, before: Earlier) -> Iterator[str]:
    """Whether a call comes to the rule: one that it matches, and that no rule `before` it decides."""
    strange = list(_resources(rule.resources.texts)) if rule.resources is not None else []
    if strange:
        yield from strange
    elif not _can_match(rule):
        yield "matches no call: none has its `verbs`, `resources` and `effects` together"
    elif (hiding := before.hiding(rule)) is not None:
        of = f"{'guardrail' if hiding.guardrail else 'rule'} {hiding.name!r}{f' in line {hiding.line}' if hiding.line else ''}"
        yield f"is never reached: {of} decides every call that it matches"


def held_by(rule: Rule) -> Holding | None:
    """How the rule holds calls, or what is beyond its budget; None where it holds nothing."""
    return rule.holding if rule.budget is None else rule.budget.holding


def of_reviewers(reviewers: Reviewers, identity: Collection[IdentityEntry] | None, mapped: Collection[Mapped]) -> Iterator[str]:
    """Doubts about who may approve. Only people do, so an issuer of agents or workloads names no reviewer; nor does AWS."""
    if identity is not None:
        of_people = [one for one in identity if not isinstance(one, AwsIdentity) and one.kind.fixed in (None, "human")]
        of_groups = [issuer for issuer in of_people if isinstance(issuer, ClientCertificate) or issuer.groups]
        groups = [group for one in mapped for group in one.groups]
        for key, texts, issuers, named in (
            ("users", reviewers.users, of_people, [one.user for one in mapped]),
            ("groups", reviewers.groups, of_groups, groups),
            ("emergency groups", reviewers.emergency, of_groups, []),  # nobody forces an approval in Slack
        ):
            unnamed = [text for text in texts if not any(map(glob(text), named))]
            strange = [text for text in unnamed if not any(_may_begin(text, issuer.prefix) for issuer in issuers)]
            if strange:
                yield f"has reviewers whom no issuer of people in `identity` can name: {key} {', '.join(strange)}"
        if reviewers.owner and not say_logins(identity):
            yield "has `owner: true`, and no token says when its owner logged in: `identity` has no OIDC issuer of people"
    users = set(reviewers.users)
    if not reviewers.groups and not any("*" in user for user in users) and len(users) + reviewers.owner < reviewers.minimum:
        yield f"needs {reviewers.minimum} approvals, and its reviewers are fewer"


def say_logins(identity: Collection[IdentityEntry]) -> list[str]:
    """The issuers of people whose tokens may say when the person logged in (claim auth_time), without which nobody approves as the
    owner of an agent. Whether they do, a token shows."""
    return [one.issuer for one in identity if isinstance(one, OidcIssuer) and one.kind.fixed in (None, "human")]


def _may_begin(text: str, prefix: str) -> bool:
    """Whether a name with this prefix may match the glob."""
    head, star, _ = text.partition("*")
    return head.startswith(prefix) or (star != "" and prefix.startswith(head))


def _stops_readers(rule: Rule) -> Iterator[str]:
    """Doubts about a denial or a hold by what is sent, or by what that would do, which no reading has."""
    named = sorted(rule.when.reads) if rule.when is not None else []
    if not named:
        return
    anywhere = replace(rule, namespaces=None, names=None)
    if any(not anywhere.mismatch(act) for act in every_call() if act.is_resource and "read" in act.effects):
        does = "holds" if rule.holding is not None else "denies"
        yield (
            f"{does} whatever reads: its `when` asks for `{named[0]}`, which a reading has not, and what cannot be judged counts "
            "as a match; `verbs: [create, update, patch]` are those that send something"
        )


def _can_match(rule: Rule) -> bool:
    """Whether the rule matches one of `every_call()`, whoever makes the call, in whichever namespace."""
    resources = rule.resources
    if resources is not None and any(_is_others(text) for text in resources.texts):
        return True  # a group that is not Kubernetes' own may have any resource
    anywhere = replace(rule, namespaces=None, names=None, commands=None)
    return any(
        not anywhere.mismatch(act)
        for act in every_call()
        if resources is None or (act.is_resource and resources.match(act.resource, act.group, act.subresource))
    )


def _is_others(text: str) -> bool:
    """Whether a pattern of resources is about a group that is not Kubernetes' own."""
    group = text.partition("/")[0].partition(".")[2]
    return group not in GROUPS and "*" not in group


def of_clusters(texts: tuple[str, ...], known: Collection[str]) -> Iterator[str]:
    """Doubts about patterns of clusters of which no configured one matches."""
    strange = [text for text in texts if not any(map(glob(text), known))]
    if strange:
        yield f"is about clusters that are not configured: {', '.join(strange)}{_meant(strange[0], known)}"


def _short_commands(commands: tuple[Command, ...], *, holds: bool) -> Iterator[str]:
    """Denied or held commands that do not end with `**`: `cat /etc/shadow /dev/null` evades a deny of `cat /etc/*`."""
    short = [f"`{command.text}`" for command in commands if not command.further]
    if short:
        does = "holds" if holds else "denies"
        yield f"{does} {', '.join(short)} without further arguments alone: with `**` behind it, any may follow"


def _resources(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        if _is_others(text):
            continue
        base, slash, sub = text.partition("/")
        plural, _, group = base.partition(".")
        if "*" not in base and (group, plural) not in BUILT_IN:
            near = nearest(plural, plurals_of(group))
            hint = f"; did you mean {near}.{group}?" if near else ""
            yield f"is about a resource that Kubernetes' own group {group} does not have: {base}{hint}"
        elif slash and not any(map(glob(sub), SUBRESOURCES)):
            yield f"is about a subresource that Kubernetes itself does not have: {text}{_meant(sub, SUBRESOURCES)}"


def _meant(word: str, known: Collection[str]) -> str:
    near = nearest(word, sorted(known))
    return f"; did you mean {near}?" if near else ""
