"""policy.yaml as rules. All mistakes are reported at once, and a file with a mistake gives no rules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

import yaml

from l7gw import name_rules
from l7gw.config.document import Document, Reader, Word, nearest, plain, shown, word_of
from l7gw.config.settings import KINDS
from l7gw.kube.act import EFFECTS
from l7gw.kube.builtin import BUILT_IN, plurals_of
from l7gw.obligations import NO_HANDLING, NO_OBLIGATIONS, Handling, Obligations
from l7gw.policy import acting, budgets, handling, holds, masks
from l7gw.policy.budgets import Budget
from l7gw.policy.cases import Case, cases_of
from l7gw.policy.commands import Command
from l7gw.policy.conditions import Condition
from l7gw.policy.holds import NO_HOLDING, Holding
from l7gw.policy.patterns import BadPattern, Globs, Resources, glob
from l7gw.policy.rules import ALLOWED_EFFECTS, DENIED_EFFECTS, Rule
from l7gw.policy.verdict import Decision
from l7gw.policy.vocabulary import KUBECTL, VERBS, meant

TOP_KEYS = ("guardrails", "rules", "defaults", "tests")
KEYS = (
    *("name", "verdict", "reason", "users", "groups", "kinds", "clusters", "namespaces", "effects", "verbs"),
    *("resources", "names", "as", "commands", "interactive", "when"),
    *masks.KEYS,
    *holds.KEYS,
    *budgets.KEYS,
    *handling.KEYS,
)
DEFAULTS_KEYS = (*masks.KEYS, *holds.DEFAULT_KEYS, *handling.KEYS)

MOST_RULES = 2000  # a call is compared with its principal's rules one by one; each takes 0.4 us, measured
MOST_VALUES = 1000  # in one list; more people should be a group of the identity provider
LONGEST_NAME = 100  # characters; the name stands in every refusal
LONGEST_REASON = 300  # characters; name, reason and session must fit into the 900 bytes of a refused upgrade

T = TypeVar("T")


def load(path: Path, detectors: Collection[str] | None = None) -> tuple[tuple[Rule, ...], tuple[Rule, ...], tuple[Case, ...]]:
    """The guardrails, the rules and the tests of a file, in their order; the tests are not run. `detectors` are the names of those
    that the configuration has; None where they are not known. Raises ConfigurationError with all its mistakes."""
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
    cases = cases_of(top, frozenset(lines))
    document.finish()
    return tuple(guardrails), tuple(rules), cases


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
    commands = _compiled(reader, "commands", Command)
    effects = _choices(reader, "effects", EFFECTS)
    rule = Rule(
        name=name,
        allow=allow,
        guardrail=guardrail,
        reason=reader.prose("reason", longest=LONGEST_REASON),
        users=_people(reader, "users"),
        groups=_people(reader, "groups"),
        kinds=_choices(reader, "kinds", KINDS),
        clusters=_globs(reader, "clusters"),
        namespaces=_globs(reader, "namespaces"),
        effects=effects or (ALLOWED_EFFECTS if allow else DENIED_EFFECTS),
        verbs=_verbs(reader),
        resources=_resources(reader),
        names=_globs(reader, "names"),
        acts_as=acting.acting_of(reader),
        commands=commands,
        interactive=reader.flag("interactive"),
        obligations=defaults.obliged(reader, says, guardrail=guardrail),
        handling=defaults.handled(reader, says, guardrail=guardrail),
        holding=defaults.held(reader, says),
        budget=defaults.counted(reader, says),
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


# ---------------------------------------------------------------------- lists of values


def _values(reader: Reader, key: str) -> list[tuple[str, yaml.Node]] | None:
    """The texts at a key, None where it is absent. Mistakes are reported and left out, so the list may be empty."""
    found = reader.listed(key, one=True)
    if found is not None and len(found) > MOST_VALUES:
        reader.wrong(key, f"`{key}` has more than {MOST_VALUES} values")
        return found[:MOST_VALUES]
    return found


def _compiled(reader: Reader, key: str, make: Callable[[str], T]) -> tuple[T, ...] | None:
    """What `make` makes of each value, None where the key is absent. Values that it refuses are reported and left out."""
    values = _values(reader, key)
    if values is None:
        return None
    made = []
    for text, node in values:
        try:
            made.append(make(text))
        except BadPattern as error:
            reader.document.wrong(node, f"`{key}`: {error}", error.hint)
    return tuple(made)


def _people(reader: Reader, key: str) -> Globs | None:
    texts = _compiled(reader, key, _people_text)
    return None if texts is None else Globs(texts)


def _people_text(text: str) -> str:
    """A glob over names of users or groups. One that no name can match is refused: it would look as if it matched."""
    if fault := name_rules.fault(text):
        raise BadPattern(f"{shown(text)} {fault}", "a group that comes in such a form is denied as what it looks like")
    return _glob_text(text)


def _globs(reader: Reader, key: str) -> Globs | None:
    texts = _compiled(reader, key, _glob_text)
    return None if texts is None else Globs(texts)


def _glob_text(text: str) -> str:
    glob(text)
    return text


def _resources(reader: Reader) -> Resources | None:
    texts = _compiled(reader, "resources", _resource_text)
    return None if texts is None else Resources(texts)


def _resource_text(text: str) -> str:
    full = meant(text)
    if full:
        raise BadPattern(f"{shown(text)} is no resource of the core group", f"did you mean {full}?")
    Resources((text,))
    _check_exists(text)
    return text


def _check_exists(text: str) -> None:
    """Raises BadPattern for a resource that no cluster has. A guardrail that names one would guard nothing.

    Only Kubernetes itself adds resources to the core group, and subresources to the resources that it serves.
    """
    base, slash, sub = text.partition("/")
    plural, _, group = base.partition(".")
    if "*" in base:
        return
    subresources = BUILT_IN.get((group, plural))
    if subresources is None and not group:
        near = nearest(plural, plurals_of(""))
        hint = f"did you mean {near}?" if near else "a resource of another group is written with it, as in widgets.example.com"
        raise BadPattern(f"{shown(plural)} is no resource of the core group", hint)
    if slash and subresources is not None and not any(map(glob(sub), subresources)):
        near = nearest(sub, subresources)
        hint = f"did you mean {base}/{near}?" if near else f"it has {', '.join(subresources) or 'none'}"
        raise BadPattern(f"{shown(text)} is no subresource of {base}", hint)


def _verbs(reader: Reader) -> Globs | None:
    texts = _compiled(reader, "verbs", _verb_text)
    return None if texts is None else Globs(texts)


def _verb_text(text: str) -> str:
    if any(map(glob(text), VERBS)):
        return text
    if text in KUBECTL:
        verb, sub = KUBECTL[text]
        raise BadPattern(f"{shown(text)} is kubectl's word", f"the verb is {verb}" + (f", of pods/{sub}" if sub else ""))
    near = nearest(text, VERBS)
    raise BadPattern(f"{shown(text)} is no verb", f"did you mean {near}?" if near else "one of " + ", ".join(VERBS))


def _choices(reader: Reader, key: str, known: tuple[Word, ...]) -> frozenset[Word] | None:
    """The chosen words of `known`; `*` chooses all. None where the key is absent."""
    values = _values(reader, key)
    if values is None:
        return None
    chosen: set[Word] = set()
    for text, node in values:
        if text == "*":
            chosen.update(known)
        elif (word := word_of(text, known)) is not None:
            chosen.add(word)
        else:
            near = nearest(text, known)
            hint = f"did you mean {near}?" if near else "one of " + ", ".join(known)
            reader.document.wrong(node, f"`{key}`: {shown(text)} is not known", hint)
    return frozenset(chosen)
