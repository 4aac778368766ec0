"""What a rule says of recording and of time: read with its defaults, and each mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.errors import ConfigurationError
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.obligations import NO_HANDLING, Handling
from l7gw.policy.handling import document, in_words, until_decided
from l7gw.policy.judge import Policy
from l7gw.policy.load import load

ANN = Principal("ann")
READ = "effects: [read, discovery]"
GET = describe("GET", "/api/v1/namespaces/dev/pods/a")


def handled(folder: Path, rule: str, before: str = "") -> Handling:
    (folder / "p.yaml").write_text(f"{before}rules:\n- {{name: r, {rule}}}\n")
    return Policy.load(folder / "p.yaml").judge(ANN, "c", GET).handling


def test_a_rule_beats_the_defaults_key_by_key(tmp_path: Path) -> None:
    defaults = "defaults: {record: metadata, durable: all, max-duration: 1h}\n"
    assert handled(tmp_path, "verdict: allow") == NO_HANDLING
    assert handled(tmp_path, "verdict: allow", defaults) == Handling("metadata", "all", 3600)
    assert handled(tmp_path, "verdict: allow, durable: none", defaults) == Handling("metadata", "none", 3600)
    assert handled(tmp_path, f"verdict: allow, record: none, {READ}, max-duration: 30m", defaults) == Handling("none", "all", 1800)


def test_a_held_call_is_handled_as_the_rule_says_and_not_as_the_guardrail(tmp_path: Path) -> None:
    held = "verdict: hold, reviewers: {groups: [sre]}"
    guard = f"guardrails:\n- {{name: g, {held}, effects: [read]}}\n"
    for rule in ("verdict: allow", held):
        assert handled(tmp_path, f"{rule}, max-duration: 5m", guard) == Handling(max_duration=300)
    assert handled(tmp_path, "verdict: deny", "defaults: {max-duration: 5m}\n") == NO_HANDLING


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("verdict: allow, record: some", "`record` must be all, metadata or none, not 'some'"),
        ("verdict: allow, durable: always", "`durable` must be none, writes or all, not 'always'"),
        ("verdict: allow, max-duration: 0s", "`max-duration` must be within 1s and 24h"),
        ("verdict: allow, max-duration: 25h", "`max-duration` must be within 1s and 24h"),
        ("verdict: allow, effects: [read, execute, delete], record: none",
         "`record: none` is for a rule that only reads, and this rule allows delete, execute"),
        ("verdict: allow, effects: [read, secrets], record: none", "`record: none` is for a rule that only reads, and this rule allows secrets"),
        ("verdict: deny, max-duration: 5m", "`max-duration` is for a rule that allows"),
        ("verdict: deny, record: all", "`record` is for a rule that allows"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_line(tmp_path: Path, text: str, what: str) -> None:
    assert problems(tmp_path, f"rules:\n- {{name: r, {text}}}\n") == [(2, what)]


def test_nothing_is_recorded_of_a_rule_alone_and_never_by_default(tmp_path: Path) -> None:
    said = "`record: none` is said by a rule, and not for all of them"
    assert problems(tmp_path, "defaults: {record: none}\nrules: []\n") == [(1, said)]
    whole = "verdict: allow, record: none"  # without `effects` it allows more than reads
    assert [line for line, _ in problems(tmp_path, f"rules:\n- {{name: r, {whole}}}\n")] == [2]
    guard = "{name: g, verdict: hold, reviewers: {groups: [a]}, durable: all}"
    assert problems(tmp_path, f"guardrails:\n- {guard}\n") == [(2, "`durable` is for a rule that allows")]


def problems(folder: Path, text: str) -> list[tuple[int, str]]:
    (folder / "p.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(folder / "p.yaml")
    return [(problem.line, problem.what) for problem in caught.value.problems]


def test_it_is_told_in_words_and_as_json() -> None:
    said = Handling("metadata", "all", 1800)
    assert in_words(NO_HANDLING) == []
    assert in_words(said) == [
        "recorded: without bodies and the bytes of streams",
        "on the disk before it goes to the cluster",
        "a stream ends after 30m",
    ]
    assert document(said) == {"record": "metadata", "durable": "all", "max-duration": 1800}


@pytest.mark.parametrize(
    ("found", "record", "durable"),
    [
        ([], None, None),
        ([Handling()], None, None),
        ([Handling(record="metadata", durable="none")], "metadata", "none"),
        ([Handling(record="metadata", durable="none"), Handling()], None, None),
        ([Handling(record="metadata", durable="writes"), Handling(record="all", durable="none")], "all", "all"),
        ([Handling(durable="all"), Handling()], None, "all"),
    ],
)
def test_a_call_of_which_the_rule_is_not_known_is_recorded_as_the_strictest_says(
    found: list[Handling], record: str | None, durable: str | None
) -> None:
    assert until_decided(found) == Handling(record=record, durable=durable)  # type: ignore[arg-type]
