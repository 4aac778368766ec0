"""policy.yaml as rules. All mistakes are reported at once, and a file with a mistake gives no rules."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

import yaml

from l7gw.config.document import Document, Reader, plain, shown
from l7gw.config.settings import KINDS
from l7gw.kube.act import EFFECTS
from l7gw.obligations import NO_HANDLING, NO_OBLIGATIONS, Handling, Obligations
from l7gw.policy import acting, binds, budgets, handling, holds, masks
from l7gw.policy.binds import Bind
from l7gw.policy.budgets import Budget
from l7gw.policy.cases import Case, cases_of
from l7gw.policy.commands import Command
from l7gw.policy.conditions import Condition
from l7gw.policy.grants import GrantEntry, grants_of
from l7gw.policy.holds import NO_HOLDING, Holding
from l7gw.policy.patterns import BadPattern
from l7gw.policy.rules import ALLOWED_EFFECTS, DENIED_EFFECTS, Rule
from l7gw.policy.value_lists import choices, compiled, globs, people, resources, verbs
from l7gw.policy.verdict import Decision

TOP_KEYS = ("guardrails", "rules", "grants", "defaults", "tests")
KEYS = (
    *("name", "verdict", "reason", "users", "groups", "kinds", "clusters", "namespaces", "effects", "verbs"),
    *("resources", "names", "as", "commands", "interactive", "when", "bind"),
    *masks.KEYS,
    *holds.KEYS,
    *budgets.KEYS,
    *handling.KEYS,
)
DEFAULTS_KEYS = (*masks.KEYS, *holds.DEFAULT_KEYS, *handling.KEYS)

MOST_RULES = 2000  # a call is compared with its principal's rules one by one; each takes 0.4 us, measured
LONGEST_NAME = 100  # characters; the name stands in every refusal
LONGEST_REASON = 300  # characters; name, reason and session must fit into the 900 bytes of a refused upgrade


class Loaded(NamedTuple):
    """What a file says, each in its order. The tests are not run."""

    guardrails: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    cases: tuple[Case, ...]
    grants: tuple[GrantEntry, ...]


def load(path: Path, detectors: Collection[str] | None = None) -> Loaded:
    """What a file says. `detectors` are the names of those that the configuration has; None where they are not known. Raises
    ConfigurationError with all its mistakes."""
    document = Document(path)
    top = document.reader(TOP_KEYS)
    said = top.inner("defaults", DEFAULTS_KEYS)
    obliged, handled = masks.obligations(said, NO_OBLIGATIONS, detectors), handling.handling(said, NO_HANDLING)
    handling.check_defaults(said, handled)
    defaults = _Defaults(obliged, handled, holds.holding(said, NO_HOLDING), detectors)
    if document.root is None or not (top.has("rules") or top.has("guardrails") or document.problems):
        document.wrong(None, "has no rules", "everything but discovery would be denied; say `rules: []` if that is meant")
    lines: dict[str, int] = {}

    guardrails = [_rule(document, node, lines, defaults, guardrail=True) for node in top.items("guardrails")]
    rules = [_rule(document, node, lines, defaults, guardrail=False) for node in top.items("rules")]
    if len(guardrails) + len(rules) > MOST_RULES:
        document.wrong(top.node, f"has more than {MOST_RULES} rules", "lists of values make one rule of many")
    grants = grants_of(top, defaults.holding.reviewers)
    cases = cases_of(top, frozenset(lines))
    document.finish()
    return Loaded(tuple(guardrails), tuple(rules), cases, grants)


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What `defaults` says for every rule. `detectors` are the names of the configuration's; None where they are not known."""

    obligations: Obligations
    handling: Handling
    holding: Holding
    detectors: Collection[str] | None

    def obliged(self, reader: Reader, says: Decision | None, *, guardrail: bool) -> Obligations:
        """What a rule obliges to. One that lets no call pass obliges to nothing, and may not say so."""
        if says == "allow" or (says == "hold" and not guardrail):
            return masks.obligations(reader, self.obligations, self.detectors)
        if says is not None:
            masks.refuse(reader)
        return NO_OBLIGATIONS

    def handled(self, reader: Reader, says: Decision | None, *, guardrail: bool) -> Handling:
        """How a rule has calls handled that pass by it."""
        if says == "allow" or (says == "hold" and not guardrail):
            return handling.handling(reader, self.handling)
        if says is not None:
            handling.refuse(reader)
        return NO_HANDLING

    def held(self, reader: Reader, says: Decision | None) -> Holding | None:
        """What a rule says of its holds, None where it holds nothing."""
        if says == "hold":
            held = holds.holding(reader, self.holding)
            holds.check_reviewed(reader, held)
            return held
        if says is not None and not (says == "allow" and reader.has("budget")):
            holds.refuse(reader)
        return None

    def counted(self, reader: Reader, says: Decision | None) -> Budget | None:
        """What a rule says of its budget, None where it counts nothing."""
        if says == "allow":
            return budgets.budget(reader, self.holding)
        budgets.refuse(reader)
        return None


def _rule(document: Document, node: yaml.Node, lines: dict[str, int], defaults: _Defaults, *, guardrail: bool) -> Rule:
    what = "guardrail" if guardrail else "rule"
    reader = Reader(document, node, f"this {what}", KEYS)
    name = _name(reader, node, lines)
    says = _verdict(reader, guardrail)
    allow = says == "allow"
    commands = compiled(reader, "commands", Command)
    effects = choices(reader, "effects", EFFECTS)
    rule = Rule(
        name=name,
        allow=allow,
        guardrail=guardrail,
        reason=reader.prose("reason", longest=LONGEST_REASON),
        users=people(reader, "users"),
        groups=people(reader, "groups"),
        kinds=choices(reader, "kinds", KINDS),
        clusters=globs(reader, "clusters"),
        namespaces=globs(reader, "namespaces"),
        effects=effects or (ALLOWED_EFFECTS if allow else DENIED_EFFECTS),
        verbs=verbs(reader),
        resources=resources(reader),
        names=globs(reader, "names"),
        acts_as=acting.acting_of(reader),
        commands=commands,
        interactive=reader.flag("interactive"),
        obligations=defaults.obliged(reader, says, guardrail=guardrail),
        handling=defaults.handled(reader, says, guardrail=guardrail),
        holding=defaults.held(reader, says),
        budget=defaults.counted(reader, says),
        bind=_bound(reader, says),
        when=_condition(reader),
        line=node.start_mark.line + 1,
    )
    if reader.has("interactive") and not (allow and reader.has("commands")):
        reader.wrong("interactive", "`interactive` is for a rule that allows `commands`", "others do not look at it")
    if commands is not None and "execute" not in rule.effects:
        reader.wrong("commands", "`commands` is about the effect execute, which `effects` does not list", "effects: [execute]")
    handling.check_recorded(reader, rule.handling, rule.effects)
    if rule.budget is not None:
        budgets.check_counts(reader, rule.budget, rule.effects)
    if not guardrail and says in ("allow", "hold"):
        acting.check(reader, effects)
    return rule


def _name(reader: Reader, node: yaml.Node, lines: dict[str, int]) -> str:
    name = reader.text("name", required=True)
    if len(name) > LONGEST_NAME:
        reader.wrong("name", f"`name` is longer than {LONGEST_NAME} characters", "say more in `reason`")
    elif name.startswith("built-in"):
        reader.wrong("name", f"{shown(name)}: names that begin with built-in are l7gw's own")
    elif name in lines:
        reader.wrong("name", f"the name {shown(name)} stands in line {lines[name]} already")
    if name:
        lines.setdefault(name, node.start_mark.line + 1)
    return name


def _bound(reader: Reader, says: Decision | None) -> Bind | None:
    if says != "allow":
        binds.refuse(reader)
        return None
    return binds.bind_of(reader)


def _verdict(reader: Reader, guardrail: bool) -> Decision | None:
    node = reader.node_of("verdict")
    if guardrail and isinstance(node, yaml.ScalarNode) and node.value == "allow":
        reader.wrong("verdict", "a guardrail only denies or holds", "allow in `rules`")
        return None
    return reader.choice("verdict", None, ("hold", "deny") if guardrail else get_args(Decision), required=True)


def _condition(reader: Reader) -> Condition | None:
    node = reader.node_of("when")
    if node is None:
        return None
    text = plain(node)
    if not isinstance(text, str):
        reader.wrong("when", "`when` must be a condition in CEL, as a text", "when: 'request.namespace != \"prod\"'")
        return None
    try:
        return Condition(" ".join(text.split("\n")))
    except BadPattern as error:
        reader.document.wrong(node, f"`when`: {error}", error.hint)
        return None
