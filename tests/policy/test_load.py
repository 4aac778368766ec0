"""policy.yaml: each mistake is reported with its line, and a file with a mistake gives no rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.errors import ConfigurationError, Problem
from l7gw.kube.act import EFFECTS
from l7gw.policy.load import LONGEST_NAME, LONGEST_REASON, load
from l7gw.policy.rules import Rule


def problems(tmp_path: Path, text: str) -> list[Problem]:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    return caught.value.problems


def one(tmp_path: Path, keys: str) -> Rule:
    path = tmp_path / "policy.yaml"
    path.write_text(f"rules:\n- {{name: r, {keys}}}\n")
    return load(path)[1][0]


def test_effects_default_to_all_but_other_and_of_a_deny_to_all_but_other_and_discovery(tmp_path: Path) -> None:
    assert one(tmp_path, "verdict: allow").effects == set(EFFECTS) - {"other"}
    assert one(tmp_path, "verdict: deny").effects == set(EFFECTS) - {"other", "discovery"}
    assert one(tmp_path, 'verdict: allow, effects: ["*"]').effects == set(EFFECTS)
    assert one(tmp_path, "verdict: deny, effects: [discovery]").effects == {"discovery"}


def test_all_mistakes_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = "guardrails:\n- name: a\n  verdict: allow\n"
    text += "rules:\n- name: a\n  verdict: allow\n  groups: []\n  verbs:\n  - get\n  - gte\n- 7\n"
    assert [problem.line for problem in problems(tmp_path, text)] == [3, 5, 7, 10, 11]


@pytest.mark.parametrize("key", ["users", "groups"])
@pytest.mark.parametrize(
    "text, shown",
    [
        ("ann\u3164", "'ann\\u3164' holds U+3164"),
        ("an\u00adn", "'an\\xadn'"),
        ("Team\u00a0Blue", "'Team\\xa0Blue'"),
        ("Team *\u2800", "'Team *\\u2800' holds U+2800"),
        ("Bu\u0308ro", "'Bu\\u0308ro' is not in Unicode's composed form (NFC)"),
        ("\u212bngstrom", "'\\u212bngstrom'"),
        ("ann ", "'ann ' begins or ends with a space"),
    ],
)
def test_a_name_that_nobody_can_have_is_reported_with_its_line_and_escaped(tmp_path: Path, key: str, text: str, shown: str) -> None:
    (problem,) = problems(tmp_path, f"rules:\n- name: r\n  verdict: allow\n  {key}:\n  - bob\n  - '{text}'\n")
    assert problem.line == 6 and shown in problem.what and key in problem.what


def test_a_glob_over_names_may_end_where_a_name_may_not(tmp_path: Path) -> None:
    assert one(tmp_path, "verdict: allow, groups: ['Team *', 'Büro-*', '*']").groups is not None


@pytest.mark.parametrize(
    "text",
    [
        "groups: {sre: [ops], ops: [sre]}\nrules: []\n",
        "rules:\n- {name: r, verdict: allow, groups: [{sre: [ops]}]}\n",
        "rules:\n- {name: r, verdict: hold, reviewers: {groups: [[sre]]}}\n",
        "rules:\n- name: r\n  verdict: allow\n  groups: &g [*g]\n",
    ],
)
def test_a_group_is_a_name_and_holds_no_other_so_that_none_is_in_a_loop(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


@pytest.mark.parametrize(
    "keys, hint",
    [
        ("verdict: alow", "did you mean `allow`?"),
        ("verdict: allow, verbs: [logs]", "the verb is get, of pods/log"),
        ("verdict: allow, resources: [deployments]", "did you mean deployments.apps?"),
        ("verdict: allow, resources: [pod/exec]", "did you mean pods/exec?"),
        ("verdict: allow, effects: [exec]", "did you mean execute?"),
        ("verdict: deny, resources: [podz]", "did you mean pods?"),
        ("verdict: deny, resources: [widgets]", "a resource of another group is written with it, as in widgets.example.com"),
        ("verdict: deny, resources: [pods/exce]", "did you mean pods/exec?"),
        (
            "verdict: deny, resources: [pods/ex*s]",
            "it has attach, binding, ephemeralcontainers, eviction, exec, log, portforward, proxy, resize, status",
        ),
        ("verdict: deny, resources: [deployments.apps/exec]", "it has scale, status"),
        ("verdict: deny, resources: [secrets/status]", "it has none"),
        ("verdict: allow, kinds: [agents]", "did you mean agent?"),
        ("verdict: allow, user: ann", "did you mean `users`?"),
        ("verdict: deny, commands: [ps], interactive: true", "others do not look at it"),
        ("verdict: allow, interactive: true", "others do not look at it"),
        ("verdict: allow, effects: [read], commands: [ps]", "effects: [execute]"),
        ("verdict: allow, commands: ['a | b']", "quote it if the argument has it: '|'"),
    ],
)
def test_a_mistake_has_a_hint_with_the_word_that_was_meant(tmp_path: Path, keys: str, hint: str) -> None:
    found = problems(tmp_path, f"rules:\n- {{name: r, {keys}}}\n")
    assert [(problem.line, problem.hint) for problem in found] == [(2, hint)]


@pytest.mark.parametrize("text", ["", "rules:\n- {verdict: allow}\n", "rules:\n- {name: r}\n", "rules: {}\n", "x: 1\n", "[]\n"])
def test_an_incomplete_policy_is_one_mistake(tmp_path: Path, text: str) -> None:
    assert len(problems(tmp_path, text)) == 1


def test_names_and_reasons_are_bounded(tmp_path: Path) -> None:
    name, reason = "n" * LONGEST_NAME, "x" * LONGEST_REASON
    path = tmp_path / "policy.yaml"
    path.write_text(f"rules:\n- {{name: {name}, verdict: deny, reason: {reason}}}\n")
    assert load(path)[1][0].reason == reason
    assert len(problems(tmp_path, f"rules:\n- {{name: {name}n, verdict: deny, reason: {reason}x}}\n")) == 2


def test_a_name_cannot_pose_as_a_built_in_rule(tmp_path: Path) -> None:
    assert "l7gw's own" in problems(tmp_path, "rules:\n- {name: 'built-in: discovery', verdict: deny}\n")[0].what


def test_an_empty_list_of_rules_is_a_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules: []\n")
    assert load(tmp_path / "policy.yaml") == ((), (), (), ())
