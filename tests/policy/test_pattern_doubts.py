"""Regular expressions where globs are read are doubted, and so are names that Kubernetes cannot have; names of people and of objects
are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.policy.doubts import doubts
from l7gw.policy.pattern_doubts import is_regular
from tests.policy.test_doubts import one


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("names: ['^web-.*$']", "in `names`, where globs are read and `*` alone is special: '^web-.*$'; did you mean 'web-*'?"),
        ("names: ['web-.+']", "'web-.+'; did you mean 'web-*'?"),
        ("namespaces: ['(dev|test)']", "in `namespaces`, where globs are read and `*` alone is special: '(dev|test)'; did you mean 'dev', 'test'?"),
        ("namespaces: ['team-(a|b)-.*']", "did you mean 'team-a-*', 'team-b-*'?"),
        ("namespaces: ['dev|test']", "has a regular expression in `namespaces`"),
        ("namespaces: ['web-?']", "has a regular expression in `namespaces`"),
        ("clusters: ['prod.*']", "'prod.*'; did you mean 'prod*'?"),
        ("users: ['.*@example.com']", "'.*@example.com'; did you mean '*@example.com'?"),
        ("users: ['^ann@example\\.com$']", "did you mean 'ann@example.com'?"),
        ("groups: ['oidc:.*']", "did you mean 'oidc:*'?"),
        ("groups: ['sre-[0-9]+']", "has a regular expression in `groups`, where globs are read and `*` alone is special: 'sre-[0-9]+'"),
        ("groups: ['team-.+$']", "did you mean 'team-*'?"),
        ("commands: ['^ls **'], effects: [execute]", "has a regular expression in `commands`, and words are read there"),
    ],
)  # fmt: skip
def test_a_regular_expression_is_doubted_and_the_glob_named(tmp_path: Path, keys: str, words: str) -> None:
    (doubt,) = doubts([one(tmp_path, f"verdict: allow, kinds: [human], {keys}")], ["prod"])
    assert doubt.startswith("rule 'r' has a regular expression") and words in doubt


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("namespaces: [dev/web]", "names namespaces that Kubernetes cannot have: 'dev/web'; `names` is about objects"),
        ("namespaces: [Dev, team.a, ok]", "names namespaces that Kubernetes cannot have: 'Dev', 'team.a'"),
        (f"namespaces: [{'x' * 64}]", "names namespaces that Kubernetes cannot have"),
        ("names: [pod/web-0]", "names objects with a slash, which none has: 'pod/web-0'; did you mean 'web-0'?"),
    ],
)
def test_a_name_that_kubernetes_cannot_have_is_doubted(tmp_path: Path, keys: str, words: str) -> None:
    (doubt,) = doubts([one(tmp_path, f"verdict: allow, kinds: [human], {keys}")], None)
    assert words in doubt


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("users", "ann.*"), ("users", "*.smith@example.com"), ("users", "ann.+k8s@example.com"), ("users", "auth0|5f7c512b"),
        ("users", "web01$"), ("users", "CORP\\ann"), ("groups", "CORP\\developers*"), ("groups", "Engineers (EU)"),
        ("groups", "[EU-West] admins"), ("groups", "/platform/*"), ("groups", "c++"), ("groups", "a*b*"),
        ("users", "system:serviceaccount:dev:*"), ("users", "arn:aws:iam::111122223333:role/*"), ("names", "kube-root-ca.*"),
        ("names", "*.widgets.example.com"), ("names", "system:controller:*"), ("namespaces", "*-team-*"), ("clusters", "prod-*"),
    ],
)  # fmt: skip
def test_a_glob_that_looks_odd_is_none(key: str, text: str) -> None:
    assert not is_regular(key, text)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAMES = {
    "namespaces": LABEL,
    "clusters": LABEL,
    "names": st.lists(LABEL, min_size=1, max_size=3).map(".".join) | st.lists(LABEL, min_size=2, max_size=3).map(":".join),
    "users": st.builds("{}{}@{}.com".format, LABEL, st.just("") | LABEL.map("+{}".format), LABEL)
    | st.builds("{}:{}".format, LABEL, LABEL),
    "groups": st.builds("{}{}{}".format, LABEL, st.sampled_from((" ", ":", "/", "_", "-", ".", " (", "\\", "#")), LABEL),
}


@pytest.mark.parametrize("key", NAMES)
@given(data=st.data(), first=st.integers(0, 20), second=st.integers(0, 20))
def test_a_name_with_a_star_in_it_is_no_regular_expression(key: str, data: st.DataObject, first: int, second: int) -> None:
    name = data.draw(NAMES[key])
    begin, end = sorted((first % (len(name) + 1), second % (len(name) + 1)))
    assert not is_regular(key, f"{name[:begin]}*{name[end:]}")
