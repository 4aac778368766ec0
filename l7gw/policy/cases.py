"""The tests of a policy file: calls as somebody types them, each with the verdict that is expected."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import yaml
from msgspec.structs import replace

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
from l7gw.policy.looked import Looked, look_at, with_result
from l7gw.policy.rules import in_words
from l7gw.policy.verdict import Decision, Needed, Verdict

KEYS = ("as", "cluster", "call", "object", "result", "verdict", "rule")
AS_KEYS = ("user", "groups", "kind", "issuer", "actor", "address")
MOST_CASES = 1000  # of one file; they are run whenever it is read
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

PERSON: Kind = "human"
Judge = Callable[[Principal, str, Act, Looked | None], Verdict]
_ORDER: dict[Decision, int] = {"allow": 0, "hold": 1, "deny": 2}
_GIVEN: dict[Needed, str] = {
    "object": "`object: FILE` says what is sent",
    "result": "`result: FILE` says what a dry run of the call gives",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One test. `call` is its text, `calls` what that asks of the API server. `rule` is "" where any rule may decide. `result` is
    what a dry run of the call gives, None where the test does not say it."""

    line: int
    principal: Principal
    cluster: str
    call: str
    calls: tuple[Call, ...]
    verdict: Decision
    rule: str
    result: Manifest | None = None


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
    result = _result(reader, document.path.parent)
    return Case(node.start_mark.line + 1, principal, reader.text("cluster"), call, tuple(calls), verdict, rule, result)


def _result(reader: Reader, folder: Path) -> Manifest | None:
    """What a dry run gives. Mistakes are reported."""
    file = reader.text("result")
    try:
        return result_of(folder / file) if file else None
    except NotRead as error:
        reader.wrong("result", f"`result`: {error}", error.hint)
        return None


def _principal(reader: Reader) -> Principal | None:
    if not reader.has("as"):
        reader.missing("as", "as: {user: ann, groups: [engineers], kind: human}")
        return None
    inner = reader.inner("as", AS_KEYS)
    user, groups = inner.text("user", required=True), inner.texts("groups", one=True) if inner.has("groups") else None
    kind = inner.choice("kind", PERSON, KINDS)
    actor, issuer, address = (inner.text(key) for key in ("actor", "issuer", "address"))
    for key, names in (("user", (user,)), ("groups", groups or ()), ("actor", (actor,))):
        for name in names:
            if name and (fault := name_rules.fault(name)):
                inner.wrong(key, f"`as`: {shown(name)} {fault}", "identity lets nobody in under it")
    if address and not _is_address(address):
        inner.wrong("address", f"`as`: {shown(address)} is no IP address", "as the gateway sees it, such as 192.0.2.7")
    return Principal(user, groups or (), kind=kind, issuer=issuer, actor=actor, address=address) if user else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


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
    return [replace(call, object=sent) if call.method in ("POST", "PUT", "PATCH", "DELETE") else call for call in calls]


def result_of(path: Path) -> Manifest:
    """What a dry run gives, from a file. Raises NotRead."""
    found = objects_of(path)
    if len(found) > 1:
        raise NotRead(f"{path} has {len(found)} objects", "a dry run gives one")
    return found[0]


# ---------------------------------------------------------------------- runs


def look_at_sent(call: Call, result: Manifest | None = None) -> Looked | None:
    """What conditions see of a call beside its head; None where it is not known what is sent. `result` is what a dry run of it
    gives, None where that is not known."""
    sent = None if call.object is None else look_at(call.object)
    return sent if result is None else with_result(sent, look_at(result))


def worst(verdicts: list[Verdict], calls: Sequence[Call] = ()) -> int:
    """Which of the verdicts on a command's calls is the command's: the worst, and of several the last, since that is what the
    command is for. A denial is worse than what cannot be said. Calls that the command does without do not count."""

    def badness(number: int) -> tuple[bool, int, bool, int]:
        verdict = verdicts[number]
        return not (calls and calls[number].spare), _ORDER[verdict.decision], verdict.needs is None, number

    return max(range(len(verdicts)), key=badness)


def run(cases: tuple[Case, ...], path: Path, judge: Judge) -> list[Problem]:
    """A mistake for each test whose call gets another verdict, or gets it by another rule. `path` is the policy's file."""
    found = []
    for case in cases:
        verdicts = [judge(case.principal, case.cluster, call.act, look_at_sent(call, case.result)) for call in case.calls]
        number = worst(verdicts, case.calls)
        verdict = verdicts[number]
        by = verdict.hold.names if verdict.hold is not None else (verdict.rule,)
        if verdict.needs is None and verdict.decision == case.verdict and (not case.rule or case.rule in by):
            continue
        wanted = case.verdict + (f" by rule {case.rule!r}" if case.rule else "")
        hint = f"; {_GIVEN[verdict.needs]}" if verdict.needs is not None else ""
        of = f" ({in_words(case.calls[number].act)})" if sum(not call.spare for call in case.calls) > 1 else ""
        what = f"this test fails: {shown(case.call)} by {shown(case.principal.user)} should be {wanted}"
        says = verdict.decision if verdict.needs is None else "nothing"
        found.append(Problem(str(path), case.line, what, f"the policy says {says}{of}: {verdict.reason}{hint}"))
    return found
