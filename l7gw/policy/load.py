"""policy.yaml as rules: every mistake at once, and nothing half loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from l7gw.config.document import Document, Reader
from l7gw.kube.act import EFFECTS
from l7gw.policy import patterns
from l7gw.policy.patterns import BadPattern
from l7gw.policy.rules import DEFAULT_EFFECTS, Match, Patterns, Rule, compiled

KEYS = (
    "name", "verdict", "reason", "users", "groups", "kinds", "clusters", "namespaces", "effects", "verbs", "resources",
    "names", "commands", "interactive",
)  # fmt: skip
APPROVALS, MASKING = "the approvals", "masking"
LATER = {
    "when": APPROVALS, "reviewers": APPROVALS, "wait": APPROVALS, "ttl": APPROVALS, "max-duration": APPROVALS,
    "mask": MASKING, "reveal": MASKING, "record": MASKING, "durable": MASKING,
}  # fmt: skip
KINDS = ("human", "agent", "workload")
MOST_RULES = 10_000
LONGEST_REASON = 500  # characters; a refused upgrade's body has 900 bytes


def load(path: Path) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """Guardrails and rules of a file. Raises ConfigurationError."""
    document = Document(path)
    top = document.reader(("guardrails", "rules"), {"defaults": MASKING})
    names: set[str] = set()
    guardrails = [_rule(document, node, names, "guardrail") for node in top.items("guardrails")]
    rules = [_rule(document, node, names, "rule") for node in top.items("rules")]
    if not top.has("rules") and not top.has("guardrails"):
        top.missing("rules", "without a rule everything but discovery is denied; say `rules: []` if that is meant")
    if len(guardrails) + len(rules) > MOST_RULES:
        document.wrong(top.node, f"more than {MOST_RULES} rules")
    document.finish()
    return tuple(rule for rule in guardrails if rule), tuple(rule for rule in rules if rule)


def _rule(document: Document, node: yaml.Node, names: set[str], what: str) -> Rule | None:
    reader = Reader(document, node, f"a {what}", KEYS, LATER)
    name = reader.text("name", required=True)
    reader.what = f"{what} {name!r}" if name else reader.what
    if name in names:
        reader.wrong("name", f"two rules have the name {name!r}")
    names.add(name)
    verdict = _verdict(reader, what)
    reason = reader.text("reason")
    if len(reason) > LONGEST_REASON:
        reader.wrong("reason", f"`reason` is longer than {LONGEST_REASON} characters")
    return Rule(
        name=name,
        allow=verdict == "allow",
        reason=reason,
        users=_patterns(reader, "users", patterns.glob),
        groups=_patterns(reader, "groups", patterns.glob),
        kinds=_choices(reader, "kinds", KINDS),
        clusters=_patterns(reader, "clusters", patterns.glob),
        namespaces=_patterns(reader, "namespaces", patterns.glob),
        effects=_effects(reader),
        verbs=_patterns(reader, "verbs", patterns.glob),
        resources=_patterns(reader, "resources", patterns.resource),
        names=_patterns(reader, "names", patterns.glob),
        commands=_commands(reader),
        interactive=reader.flag("interactive"),
    )


def _verdict(reader: Reader, what: str) -> str:
    verdict = reader.text("verdict", required=True)
    allowed = ("deny",) if what == "guardrail" else ("allow", "deny")
    if verdict == "hold":
        reader.wrong("verdict", "`hold` is not in this version", f"it comes with {APPROVALS}")
    elif verdict and verdict not in allowed:
        hint = "a guardrail only denies; allow in `rules`" if verdict == "allow" else ""
        reader.wrong("verdict", f"`verdict` of a {what} must be {' or '.join(allowed)}, not {verdict!r}", hint)
    return verdict


def _patterns(reader: Reader, key: str, compile_one: Callable[[str], Match]) -> Patterns | None:
    texts = reader.texts(key, one=True)
    if texts is None:
        return None
    try:
        return compiled(texts, compile_one)
    except BadPattern as error:
        reader.wrong(key, f"`{key}`: {error}")
        return None


def _choices(reader: Reader, key: str, known: Sequence[str]) -> frozenset[str] | None:
    texts = reader.texts(key, one=True)
    if texts is None:
        return None
    for text in texts:
        if text not in known:
            reader.wrong(key, f"`{key}`: {text!r} is none of {', '.join(known)}")
    return frozenset(texts)


def _effects(reader: Reader) -> frozenset[str]:
    texts = reader.texts("effects", one=True)
    if texts is None:
        return DEFAULT_EFFECTS
    if "*" in texts:
        return frozenset(EFFECTS)
    return _choices(reader, "effects", EFFECTS) or frozenset()


def _commands(reader: Reader) -> tuple[Callable[[tuple[str, ...]], bool], ...] | None:
    texts = reader.texts("commands", one=True)
    if texts is None:
        return None
    try:
        return tuple(patterns.command(text) for text in texts)
    except BadPattern as error:
        reader.wrong("commands", f"`commands`: {error}")
        return None
