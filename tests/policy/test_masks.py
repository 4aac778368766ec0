"""What rules say of masking: which values their callers see, and what ends their streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.errors import ConfigurationError
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from l7gw.policy.judge import Policy
from l7gw.policy.masks import KNOWN, document, in_words

DETECTORS = ("github-token", "jwt")
ANN = Principal("ann")
LIST = describe("GET", "/api/v1/secrets")


def policy(tmp_path: Path, text: str, detectors: tuple[str, ...] | None = DETECTORS) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return Policy.load(path, detectors)


def obliged(tmp_path: Path, keys: str, defaults: str = "") -> Obligations:
    text = f"{defaults}\nrules:\n- {{name: r, verdict: allow, {keys}}}\n"
    return policy(tmp_path, text).judge(ANN, "prod", LIST).obligations


def test_a_verdict_has_what_the_deciding_rule_says(tmp_path: Path) -> None:
    said = obliged(tmp_path, "mask: jwt, reveal: [secret-data, helm.sh/release.v1, Opaque], on-mask: end")
    assert said == Obligations(frozenset({"jwt"}), frozenset({"secret-data", "helm.sh/release.v1", "Opaque"}), ends_on_mask=True)
    assert obliged(tmp_path, "users: ['*']") == NO_OBLIGATIONS


def test_a_rule_overrides_each_of_the_defaults_by_itself(tmp_path: Path) -> None:
    defaults = "defaults: {mask: [jwt], reveal: [env], on-mask: end}"
    assert obliged(tmp_path, "users: ['*']", defaults) == Obligations(frozenset({"jwt"}), frozenset({"env"}), ends_on_mask=True)
    said = obliged(tmp_path, "reveal: ['*'], on-mask: go-on", defaults)
    assert said == Obligations(frozenset({"jwt"}), frozenset("*"), ends_on_mask=False)


def test_an_empty_list_in_a_rule_undoes_the_defaults(tmp_path: Path) -> None:
    defaults = "defaults: {mask: [jwt], reveal: [env]}"
    assert obliged(tmp_path, "mask: [], reveal: []", defaults) == NO_OBLIGATIONS
    assert obliged(tmp_path, "reveal: []", defaults) == Obligations(mask=frozenset({"jwt"}))


def test_discovery_and_denials_oblige_to_nothing(tmp_path: Path) -> None:
    rules = policy(tmp_path, "defaults: {reveal: ['*']}\nrules:\n- {name: r, verdict: deny}\n")
    assert rules.judge(ANN, "prod", LIST).obligations == NO_OBLIGATIONS
    assert rules.judge(ANN, "prod", describe("GET", "/version")).obligations == NO_OBLIGATIONS


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ("reveal: [secrets-data]", "did you mean secret-data?"),
        ("mask: [github-tokens]", "did you mean github-token?"),
        ("reveal: [nonsense]", KNOWN),
        ("reveal: [opaque]", "did you mean Opaque?"),
        ("on-mask: stop", ""),
        ("on-mask: ends", "did you mean `end`?"),
    ],
)
def test_a_name_that_masks_nothing_is_a_mistake_with_its_line(tmp_path: Path, keys: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        obliged(tmp_path, keys)
    assert [(problem.line, problem.hint) for problem in caught.value.problems] == [(3, hint)]


def test_where_the_detectors_are_not_known_any_name_of_their_form_is_taken(tmp_path: Path) -> None:
    text = "rules:\n- {name: r, verdict: allow, mask: [employee-id]}\n"
    assert policy(tmp_path, text, None).rules[0].obligations.mask == {"employee-id"}


@pytest.mark.parametrize("section", ["rules", "guardrails"])
@pytest.mark.parametrize("key", ["mask: [jwt]", "reveal: ['*']", "on-mask: end"])
def test_what_denies_shows_nothing_and_may_not_speak_of_it(tmp_path: Path, section: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match="is for a rule that allows"):
        policy(tmp_path, f"{section}:\n- {{name: r, verdict: deny, {key}}}\n")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (NO_OBLIGATIONS, "all that masking finds"),
        (Obligations(reveal=frozenset({"env", "jwt"})), "all that masking finds, but not env, jwt"),
        (
            Obligations(mask=frozenset({"email", "env"}), reveal=frozenset({"env"})),
            "all that masking finds, and with it email, env",
        ),
        (Obligations(reveal=frozenset("*")), "nothing"),
        (Obligations(mask=frozenset({"jwt"}), reveal=frozenset("*")), "jwt"),
        (Obligations(mask=frozenset("*"), reveal=frozenset("*")), "all that masking finds"),
        (Obligations(ends_on_mask=True), "all that masking finds; a stream ends at the first masked value"),
    ],
)
def test_what_a_caller_would_not_see_is_told_in_words(said: Obligations, words: str) -> None:
    assert in_words(said) == f"masked for the caller: {words}"


def test_obligations_are_one_json_object() -> None:
    said = Obligations(frozenset({"b", "a"}), frozenset("*"), ends_on_mask=True)
    assert document(said) == {"mask": ["a", "b"], "reveal": ["*"], "on-mask": "end"}
