"""Rules that are probably mistakes are doubted, and no rule that may be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.config.settings import ClientCertificate, IdentityEntry, KindRule, Mapped, OidcIssuer
from l7gw.policy.doubts import doubts
from l7gw.policy.load import load
from l7gw.policy.rules import Rule


def one(tmp_path: Path, keys: str) -> Rule:
    path = tmp_path / "policy.yaml"
    path.write_text(f"rules:\n- {{name: r, {keys}}}\n")
    return load(path)[1][0]


@pytest.mark.parametrize(
    "resource", ["pods/*", "pods/e*", "*/scale", "widgets.example.com/exec", "*.example.com/x", "pods.metrics.k8s.io"]
)
def test_a_resource_that_may_exist_is_accepted(tmp_path: Path, resource: str) -> None:
    rule = one(tmp_path, f"verdict: deny, resources: ['{resource}']")
    assert rule.resources is not None and doubts([rule], None) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            "resources: [deploymets.apps]",
            "Kubernetes' own group apps does not have: deploymets.apps; did you mean deployments.apps?",
        ),
        ("resources: ['*/exce']", "is about a subresource that Kubernetes itself does not have: */exce; did you mean exec?"),
        ("resources: ['*.apps/scal']", "that Kubernetes itself does not have: *.apps/scal; did you mean scale?"),
        ("resources: ['pod*/exce']", "that Kubernetes itself does not have: pod*/exce; did you mean exec?"),
        (
            "commands: ['cat /etc/*', 'rm **']",
            "denies `cat /etc/*` without further arguments alone: with `**` behind it, any may follow",
        ),
        ("clusters: [prod, prdo, 'x*']", "is about clusters that are not configured: prdo, x*; did you mean prod?"),
    ],
)
def test_a_rule_that_is_probably_a_mistake_is_a_doubt(tmp_path: Path, keys: str, words: str) -> None:
    rule = one(tmp_path, f"verdict: deny, {keys}")
    (doubt,) = doubts([rule], ["prod", "dev"])
    assert doubt.startswith("rule 'r' ") and doubt.endswith(words)


@pytest.mark.parametrize(
    ("keys", "is_doubted"),
    [
        ("verdict: deny, resources: [pods], verbs: [exec]", True),  # exec is a verb of pods/exec, not of pods
        ("verdict: deny, resources: [pods/exec], verbs: [exec]", False),
        ("verdict: deny, resources: [pods/exec], verbs: [get]", False),
        ("verdict: deny, resources: [pods], effects: [execute]", True),
        ("verdict: deny, resources: [configmaps], effects: [secrets]", True),
        ("verdict: deny, resources: [deployments.apps/scale], effects: [workload]", False),
        ("verdict: deny, verbs: [exec], effects: [read]", True),
        ("verdict: deny, verbs: [post], effects: [other]", False),
        ("verdict: deny, effects: [impersonate]", True),  # no call of this version has the effect
        ("verdict: deny, resources: [x.example.com/exec], verbs: [exec]", False),  # others' resources may have any subresource
        ("verdict: deny, resources: ['*/scale'], effects: [write], namespaces: [prod], names: [web]", False),
        ("verdict: deny, commands: ['rm **']", False),
        ("verdict: allow, resources: [secrets], effects: [read]", True),  # the call has the effect secrets too
        ("verdict: allow, resources: [secrets], effects: [read, secrets]", False),
        ("verdict: allow, resources: [deployments.apps/scale], effects: [write]", True),  # the call has the effect workload too
        ("verdict: allow, resources: [deployments.apps/scale], effects: [read, write]", False),
        ("verdict: allow, commands: ['ps **'], effects: [execute]", False),
        ("verdict: allow, effects: [read]", False),
        ('verdict: allow, kinds: ["*"]', False),
        ("verdict: deny", False),
    ],
)
def test_a_rule_that_no_call_fits_is_doubted(tmp_path: Path, keys: str, is_doubted: bool) -> None:
    found = doubts([one(tmp_path, keys)], None)
    assert found == (["rule 'r' matches no call: none has its `verbs`, `resources` and `effects` together"] if is_doubted else [])


@pytest.mark.parametrize(
    ("keys", "does"),
    [
        ("verdict: deny, when: 'result.spec.replicas > 3'", "denies"),
        ("verdict: deny, namespaces: [prod], resources: [deployments.apps], when: 'object.spec.replicas > 3'", "denies"),
        ("verdict: hold, reviewers: {users: [lea]}, effects: [read, write], when: 'object.spec.replicas > 3'", "holds"),
        ("verdict: deny, verbs: [create, update, patch, delete], when: 'result.spec.replicas > 3'", ""),
        ("verdict: deny, effects: [write, delete], when: 'result.spec.replicas > 3'", ""),
        ("verdict: deny, when: 'request.name == \"a\"'", ""),
        ("verdict: allow, when: 'result.spec.replicas > 3'", ""),
    ],
)
def test_a_rule_that_stops_readers_because_they_send_nothing_is_doubted(tmp_path: Path, keys: str, does: str) -> None:
    found = doubts([one(tmp_path, keys)], None)
    assert [doubt.partition(":")[0] for doubt in found] == ([f"rule 'r' {does} whatever reads"] if does else [])


def test_where_the_clusters_are_not_known_none_is_doubted(tmp_path: Path) -> None:
    assert doubts([one(tmp_path, "verdict: deny, clusters: [prdo]")], None) == []


PEOPLE = OidcIssuer(issuer="https://a", audiences=("l7gw",), groups="groups")
NO_GROUPS = OidcIssuer(issuer="https://b", audiences=("l7gw",), prefix="b:")
AGENTS = OidcIssuer(issuer="https://c", audiences=("l7gw",), groups="groups", prefix="ci:", kind=KindRule(fixed="agent"))
CERTIFICATES = ClientCertificate(Path("ca.crt"), prefix="cert:")


@pytest.mark.parametrize(
    ("reviewers", "identity", "strange"),
    [
        ("groups: [sre]", [PEOPLE], ""),
        ("groups: ['b:sre']", [NO_GROUPS], "groups b:sre"),
        ("users: ['b:lea', 'b*', '*a']", [NO_GROUPS], ""),
        ("users: [lea, 'a*']", [NO_GROUPS], "users lea, a*"),
        ("groups: ['ci:sre']", [AGENTS], "groups ci:sre"),  # only people approve
        ("groups: ['ci:sre']", [AGENTS, PEOPLE], ""),  # an issuer without a prefix may name anything
        ("groups: ['cert:sre'], emergency: {groups: [oncall]}", [CERTIFICATES], "emergency groups oncall"),
        ("owner: true", [NO_GROUPS], ""),
    ],
)
def test_reviewers_whom_no_issuer_can_name_are_doubted(
    tmp_path: Path, reviewers: str, identity: list[IdentityEntry], strange: str
) -> None:
    rule = one(tmp_path, f"verdict: hold, reviewers: {{{reviewers}}}")
    told = f"rule 'r' has reviewers whom no issuer of people in `identity` can name: {strange}"
    assert doubts([rule], None, identity) == ([told] if strange else [])
    assert doubts([rule], None) == []


def test_who_answers_in_slack_or_by_the_webhook_can_be_named_but_forces_nothing(tmp_path: Path) -> None:
    rule = one(tmp_path, "verdict: hold, reviewers: {users: [lea], groups: ['sr*'], emergency: {groups: [sre]}}")
    (told,) = doubts([rule], None, [AGENTS], [Mapped("lea", ("sre",))])
    assert told.endswith("can name: emergency groups sre")


@pytest.mark.parametrize("identity", [[AGENTS], [CERTIFICATES], [CERTIFICATES, AGENTS], [CERTIFICATES, PEOPLE]])
def test_an_owner_who_cannot_show_a_fresh_login_is_doubted(tmp_path: Path, identity: list[IdentityEntry]) -> None:
    rule = one(tmp_path, "verdict: hold, reviewers: {owner: true}")
    told = "rule 'r' has `owner: true`, and no token says when its owner logged in: `identity` has no OIDC issuer of people"
    assert doubts([rule], None, identity) == ([] if PEOPLE in identity else [told])
    assert doubts([rule], None) == []


def test_a_minimum_beyond_the_reviewers_that_are_named_is_doubted(tmp_path: Path) -> None:
    for keys, doubted in (
        ("users: [lea], minimum: 2", True),
        ("users: [lea], owner: true, minimum: 2", False),
        ("users: ['l*'], minimum: 2", False),
    ):
        found = doubts([one(tmp_path, f"verdict: hold, reviewers: {{{keys}}}")], None)
        assert found == (["rule 'r' needs 2 approvals, and its reviewers are fewer"] if doubted else [])
