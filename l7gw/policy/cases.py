"""The tests of a policy file: calls as somebody types them, each with the verdict that is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import yaml

from l7gw import name_rules
from l7gw.config.document import Document, Reader, shown
from l7gw.config.settings import KINDS, Kind
from l7gw.errors import Problem
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.policy.kubectl.calls import Call, described
from l7gw.policy.kubectl.commands import calls_of
from l7gw.policy.kubectl.manifests import Manifest, objects_of
from l7gw.policy.kubectl.words import NotRead, split, words_of
from l7gw.policy.looked import Looked, look_at
from l7gw.policy.rules import in_words
from l7gw.policy.verdict import Decision, Verdict

KEYS = ("as", "cluster", "call", "object", "verdict", "rule")
AS_KEYS = ("user", "groups", "kind")
MOST_CASES = 1000  # of one file; they are run whenever it is read
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

PERSON: Kind = "human"
Judge = Callable[[Principal, str, Act, Looked | None], Verdict]
_ORDER: dict[Decision, int] = {"allow": 0, "hold": 1, "deny": 2}


@dataclass(frozen=True, slots=True)
class Case:
    """One test. `call` is its text, `calls` what that asks of the API server. `rule` is "" where any rule may decide."""

    line: int
    principal: Principal
    cluster: str
    call: str
    calls: tuple[Call, ...]
    verdict: Decision
    rule: str


def cases_of(top: Reader, rules: frozenset[str]) -> tuple[Case, ...]:
    """The tests that can be run. `rules` are the names of the file's rules. Mistakes are reported."""
    nodes = top.items("tests")
    if len(nodes) > MOST_CASES:
        top.wrong("tests", f"`tests` has more than {MOST_CASES} tests", "they are run whenever the file is read")
        nodes = nodes[:MOST_CASES]
    found = [_case(top.document, node, rules) for node in nodes]
    return tuple(case for case in found if case is not None)


def _case(document: Document, node: yaml.Node, rules: frozenset[str]) -> Case | None:
    reader = Reader(document, node, "this test", KEYS)
    verdict = reader.choice("verdict", None, get_args(Decision), required=True)
    call, rule = reader.text("call", required=True), reader.text("rule")
    if rule and rule not in rules and not rule.startswith("built-in"):
        reader.wrong("rule", f"`rule`: no rule is named {shown(rule)}")
    principal = _principal(reader)
    if verdict is None or not call or principal is None:
        return None
    try:
        calls = typed_calls(call, reader.text("object"), document.path.parent)
    except NotRead as error:
        reader.wrong("call", f"`call`: {error}", error.hint)
        return None
    return Case(node.start_mark.line + 1, principal, reader.text("cluster"), call, tuple(calls), verdict, rule)


def _principal(reader: Reader) -> Principal | None:
    if not reader.has("as"):
        reader.missing("as", "as: {user: ann, groups: [engineers], kind: human}")
        return None
    inner = reader.inner("as", AS_KEYS)
    user, groups = inner.text("user", required=True), inner.texts("groups", one=True) if inner.has("groups") else None
    kind = inner.choice("kind", PERSON, KINDS)
    for name in (user, *(groups or ())):
        if name and (fault := name_rules.fault(name)):
            inner.wrong("user" if name == user else "groups", f"`as`: {shown(name)} {fault}", "identity lets nobody in under it")
    return Principal(user, groups=groups or (), kind=kind) if user else None


# ---------------------------------------------------------------------- calls


def typed_calls(text: str, file: str, folder: Path) -> list[Call]:
    """The calls of a command as typed: `kubectl ...`, or a request such as `GET /metrics`. `file` names a file of the object that
    is sent, "" for none; both it and a file behind -f are relative to `folder`. Raises NotRead."""
    words = split(text)
    objects = objects_of(folder / file) if file else None
    if words[:1] == ["kubectl"]:
        return kubectl_calls(words[1:], objects, folder)
    if len(words) == 2 and words[0] in METHODS:
        path, _, query = words[1].partition("?")
        pairs = [(key, value) for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)]
        return [Call(words[0], described(words[0], path, pairs), objects[0] if objects else None)]
    raise NotRead(f"{shown(text)} is no call", "such as 'kubectl get pods -n dev', or 'GET /metrics'")


def kubectl_calls(words: list[str], objects: list[Manifest] | None, folder: Path) -> list[Call]:
    """The calls of the words behind `kubectl`. `objects` are what is sent, None where the words say it. Raises NotRead."""
    named = words_of(words).flags.get("filename")
    if named and objects is None:
        objects = [one for name in named for one in objects_of(folder / name)]
    calls = calls_of(words, objects if named else None)
    if named or not objects:
        return calls
    sent = objects[0]
    return [Call(call.method, call.act, sent) if call.method in ("POST", "PUT", "PATCH", "DELETE") else call for call in calls]


# ---------------------------------------------------------------------- runs


def look_at_sent(call: Call) -> Looked | None:
    """What conditions see of a call beside its head; None where it is not known what is sent."""
    return None if call.object is None else look_at(call.object)


def worst(verdicts: list[Verdict]) -> int:
    """Which of the verdicts on a command's calls is the command's: the worst, and of several the last, since that is what the
    command is for."""
    return max(range(len(verdicts)), key=lambda number: (_ORDER[verdicts[number].decision], number))


def run(cases: tuple[Case, ...], path: Path, judge: Judge) -> list[Problem]:
    """A mistake for each test whose call gets another verdict, or gets it by another rule. `path` is the policy's file."""
    found = []
    for case in cases:
        verdicts = [judge(case.principal, case.cluster, call.act, look_at_sent(call)) for call in case.calls]
        number = worst(verdicts)
        verdict = verdicts[number]
        by = verdict.hold.names if verdict.hold is not None else (verdict.rule,)
        if verdict.decision == case.verdict and (not case.rule or case.rule in by):
            continue
        wanted = case.verdict + (f" by rule {case.rule!r}" if case.rule else "")
        hint = "; `object: FILE` says what is sent" if verdict.needs == "object" else ""
        of = f" ({in_words(case.calls[number].act)})" if len(case.calls) > 1 else ""
        what = f"this test fails: {shown(case.call)} by {shown(case.principal.user)} should be {wanted}"
        found.append(Problem(str(path), case.line, what, f"the policy says {verdict.decision}{of}: {verdict.reason}{hint}"))
    return found
