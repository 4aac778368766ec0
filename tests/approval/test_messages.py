"""Messages of the approvals: what is read is bounded, and what is unknown in a review is refused."""

from __future__ import annotations

import msgspec
import pytest

from l7gw.approval.messages import LONGEST_NOTE, MOST_CALLS, Asked, Requester, Review, Shown, encode
from l7gw.hold_terms import HoldTerms, Reviewers, RuleTerms

TERMS = HoldTerms(rules=(RuleTerms("r", Reviewers(groups=("sre",))),), wait="wait", ttl=600, use_within=600)


def test_a_review_is_read_from_the_least_that_says_something() -> None:
    assert msgspec.json.decode(b'{"verdict": "approve"}', type=Review) == Review(verdict="approve")


@pytest.mark.parametrize(
    "body",
    [
        b'{"verdict": "perhaps"}',
        b"{}",
        b'{"verdict": "approve", "restofrun": 5}',
        b'{"verdict": "approve", "rest_of_run": %d}' % (MOST_CALLS + 1),
        b'{"verdict": "approve", "rest_of_run": -1}',
        b'{"verdict": "approve", "for_seconds": 1801}',
        b'{"verdict": "approve", "note": "%s"}' % (b"n" * (LONGEST_NOTE + 1)),
        b'{"verdict": "approve", "version": 2}',
    ],
)
def test_a_review_with_an_unknown_field_or_a_value_out_of_bounds_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Review)


def test_a_call_that_is_asked_about_comes_back_from_its_json_as_it_was() -> None:
    asked = Asked(
        principal=Requester(user="ann"),
        person="ann",
        session="s",
        run="r",
        exchange=1,
        cluster="prod",
        command="kubectl delete pod web-0",
        verb="delete",
        terms=TERMS,
        binding="b",
        intent="i",
        shown=Shown(diff="-a\n+b"),
    )
    assert msgspec.json.decode(encode(asked), type=Asked) == asked
    assert asked.bound == "b"


def test_what_is_shown_has_only_the_views_that_there_are() -> None:
    assert encode(Shown(diff="+a")) == b'{"diff":"+a"}'
