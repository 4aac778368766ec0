"""What hooks say of a call beside the policy, and the copy of it that they are given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from l7gw import hooks
from l7gw.config.settings import HookPart
from l7gw.hooking.hook_set import HookSet, act_of
from l7gw.hooking.hooked import Hooked
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, acting
from l7gw.kube.acting_as import ActsAs
from l7gw.policy.verdict import Verdict

ANN = Principal("ann", ("engineers",), "human", "https://idp.example.com", "", "10.0.0.9", unfit=("x",))
EXEC = Act(
    verb="exec", path="/api/v1/namespaces/default/pods/web-0/exec", query="command=mysql&command=-phunter2&stdin=true",
    effects=frozenset(("execute",)), is_resource=True, version="v1", resource="pods", subresource="exec", namespace="default",
    name="web-0", argv=("mysql", "-phunter2"), container="db", stdin=True, long_running=True,
)  # fmt: skip
ALLOW = Verdict(allowed=True, rule="all", reason="allowed by rule 'all'")


class Denies:
    def __init__(self, does: Callable[[hooks.Act], Any]) -> None:
        self.act = does


def hooked(name: str, does: Callable[[hooks.Act], Any], *parts: HookPart, raw: bool = False) -> Hooked:
    return Hooked(name, Denies(does), parts or ("act",), folder=Path(__file__).parent, raw=raw)


class Masked:
    """Texts without one word."""

    def text(self, text: str) -> str:
        return text.replace("hunter2", "(masked)")

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self.text, argv))


MASKED = Masked()


def judged(*loaded: Hooked, verdict: Verdict = ALLOW) -> Verdict:
    return HookSet(loaded).judge(verdict, ANN, "prod", EXEC, MASKED)


def test_without_hooks_the_verdict_is_the_policys() -> None:
    assert judged() is ALLOW


def test_hooks_that_deny_nothing_leave_the_verdict() -> None:
    assert judged(hooked("a", lambda act: None)) is ALLOW


def test_the_first_hook_that_denies_is_named_as_the_rule() -> None:
    verdict = judged(hooked("a", lambda act: None), hooked("b", lambda act: "not today"), hooked("c", lambda act: 1 / 0))
    assert verdict == Verdict(allowed=False, rule="hook-b", reason="denied by hook 'b': not today")


def test_a_hook_that_fails_denies() -> None:
    verdict = judged(hooked("a", lambda act: 1 / 0))
    assert (verdict.allowed, verdict.rule) == (False, "hook-a")
    assert verdict.reason == "the hook a failed, and nothing passes without it; tell whoever runs l7gw"


def test_only_hooks_for_acts_are_asked() -> None:
    assert judged(hooked("a", lambda act: "no", "object")) is ALLOW


def test_a_hook_sees_masked_arguments_and_a_raw_one_what_was_sent() -> None:
    seen: list[hooks.Act] = []
    judged(hooked("a", seen.append), hooked("b", seen.append, raw=True))
    assert [act.argv for act in seen] == [("mysql", "-p(masked)"), ("mysql", "-phunter2")]


def test_the_reason_of_a_raw_hook_is_masked_before_anybody_reads_it() -> None:
    verdict = judged(hooked("a", lambda act: f"{act.argv[1]} is a password", raw=True))
    assert verdict.reason == "denied by hook 'a': -p(masked) is a password"


def test_the_copy_has_what_is_asked_and_no_credential() -> None:
    act = act_of(ANN, "prod", EXEC, MASKED)
    assert act.caller == hooks.Caller("ann", ("engineers",), "human", "https://idp.example.com", "", "10.0.0.9")
    assert (act.cluster, act.verb, act.resource, act.subresource, act.container) == ("prod", "exec", "pods", "exec", "db")
    assert (act.namespace, act.name, act.effects, act.stdin, act.tty) == ("default", "web-0", {"execute"}, True, False)
    assert act.path == EXEC.path and act.as_user is None
    as_jane = act_of(ANN, "prod", acting(EXEC, ActsAs("jane", ("team",))), MASKED)
    assert (as_jane.caller, as_jane.as_user, as_jane.as_groups) == (act.caller, "jane", ("team",))
    names = {field.name for field in dataclasses.fields(act)} | {field.name for field in dataclasses.fields(act.caller)}
    assert not names & {"query", "headers", "token", "authorization", "body"}


def test_text_of_the_caller_is_masked_wherever_it_stands() -> None:
    proxied = msgspec.structs.replace(EXEC, subresource="proxy", path="/api/v1/namespaces/default/pods/web-0/proxy/hunter2")
    assert act_of(ANN, "prod", proxied, MASKED).path.endswith("/proxy/(masked)")
    selected = msgspec.structs.replace(EXEC, label_selector="pin=hunter2", field_selector="metadata.name=hunter2")
    act = act_of(ANN, "prod", selected, MASKED)
    assert (act.label_selector, act.field_selector) == ("pin=(masked)", "metadata.name=(masked)")


def test_a_hook_cannot_change_the_act() -> None:
    act = act_of(ANN, "prod", EXEC, MASKED)
    with pytest.raises(dataclasses.FrozenInstanceError):
        act.verb = "get"  # type: ignore[misc]


def test_the_parts_of_a_set_are_those_of_its_hooks_in_their_order() -> None:
    a, b = hooked("a", lambda act: None, "act", "frame"), hooked("b", lambda act: None, "frame", "object")
    it = HookSet((a, b))
    assert (it.all, it.acts, it.objects, it.frames) == ((a, b), (a,), (b,), (a, b))
    it.tick()
