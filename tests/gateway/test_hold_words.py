"""What the requester of a held call is told: short, whole, and what to do next."""

from __future__ import annotations

import json

import pytest

from l7gw.approval.messages import Claimed, Hold, Requester, ReviewersView, ReviewView, Shown
from l7gw.gateway.hold_words import ComeBack, bears_processing, come_back, ended, used, warning
from l7gw.hold_terms import HoldTerms, Reviewers, RuleTerms
from l7gw.kube.status import LARGEST_UPGRADE_BODY, encode

ID = "01a21f1d-2ff1-7774-a6fa-2c674726f0ab"


def hold(**fields: object) -> Hold:
    about: dict[str, object] = {
        "id": ID, "state": "pending", "session": "s", "run": "r", "exchange": 1, "principal": Requester(user="ann"), "cluster": "prod",
        "command": "kubectl delete pods web-0 -n dev", "claimed": Claimed(), "verb": "delete", "group": "", "resource": "pods",
        "subresource": "", "namespace": "dev", "name": "web-0", "argv": None, "effects": ("delete",), "rule": "agents change", "rules": (),
        "message": "", "wait": "come-back", "created": "2026-11-27T10:00:00.000000Z", "expires": "2026-11-27T10:10:00.000000Z",
        "ended": None, "why": "", "needed": 1, "reviewers": ReviewersView(groups=("sre",)), "reviews": (), "shown": Shown(),
    }  # fmt: skip
    return Hold(**{**about, **fields})  # type: ignore[arg-type]


def terms(message: str = "", names: int = 1) -> HoldTerms:
    rules = tuple(RuleTerms(f"rule {number} of a long name", Reviewers(groups=(f"team-{number}",))) for number in range(names))
    return HoldTerms(rules=rules, wait="come-back", ttl=600, use_within=600, message=message)


def test_who_comes_back_is_told_what_to_do_first() -> None:
    refusal = come_back(hold(), terms("Ask in #prod."))
    assert isinstance(refusal, ComeBack) and refusal.code == 403 and refusal.hold == ID
    assert refusal.message == (
        f"nothing was done: this call needs an approval by group team-0, and waits for it as hold {ID}. After the approval, within 10m,"
        f" run the same command again; not before. A reviewer approves it with: l7gw holds approve {ID}"
        " (held by rule 'rule 0 of a long name' until 2026-11-27T10:10:00Z). Ask in #prod."
    )


@pytest.mark.parametrize("upgrade", [True, False])
def test_the_longest_words_have_at_most_900_bytes_and_keep_what_to_do(upgrade: bool) -> None:
    refusal = come_back(hold(rule="r" * 100), terms("m" * 300, names=50))
    _, body = encode("application/json", 403, "Forbidden", refusal.message, session=ID, rule=refusal.rule, hold=ID, upgrade=upgrade)
    told = json.loads(body)
    assert len(body) <= LARGEST_UPGRADE_BODY
    assert "run the same command again" in told["message"] and f"l7gw holds approve {ID}" in told["message"]
    assert {"reason": "L7GWHold", "message": ID} in told["details"]["causes"]


@pytest.mark.parametrize(
    ("state", "why", "words"),
    [
        ("denied", "denied by lea: not today", "denied by lea: not today. Do not run it again unless the reviewer says so"),
        ("expired", "", "nobody approved it in time"),
        ("void", "the object has changed", "nothing was done: the object has changed"),
    ],
)
def test_the_end_of_a_hold_is_told_with_its_reason(state: str, why: str, words: str) -> None:
    refusal = ended(hold(state=state, why=why))
    assert not isinstance(refusal, ComeBack) and refusal.message == f"{words} (hold {ID}, rule 'agents change')"
    assert used(hold()).code == 409


def test_a_warning_names_the_rule_and_who_approved_each_once() -> None:
    review = ReviewView(user="lëa", verdict="approve", note="", time="")
    text = warning(hold(wait="wait", reviews=(review, review), rule='a "b" \\'), 12.4)
    assert text.startswith("held by rule 'a \"b\" \\\\', ") and text.endswith(f"approved by lëa after 12 s (hold {ID})")


@pytest.mark.parametrize(
    ("agent", "bears"),
    [
        ("kubectl/v1.36.3 (linux/amd64) kubernetes/abc", True),
        ("Go-http-client/2.0", True),
        ("terraform/1.2 (linux/amd64) kubernetes/abc", True),
        ("OpenAPI-Generator/36.0.0/python", False),
        ("", False),
    ],
)
def test_a_client_of_go_bears_interim_answers(agent: str, bears: bool) -> None:
    assert bears_processing((("accept", "x"), ("user-agent", agent))) is bears
