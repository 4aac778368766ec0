"""What `policy explain` is asked about: a verb and a resource as kubectl users say them, or a whole command."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.cli.policy.typed_call import METHODS, Typed, request_of
from l7gw.policy.kubectl.commands import COMMANDS
from l7gw.policy.vocabulary import KUBECTL, SPELLINGS


def typed(verb: str, resource: str = "", *argv: str, **more: Any) -> Typed:
    given: dict[str, Any] = {
        "namespace": None, "all_namespaces": False, "subresource": None, "stdin": False, "tty": False, "sent": None, "as_user": "", "as_groups": ()
    }  # fmt: skip
    return Typed(verb=verb, resource=resource, argv=argv, **{**given, **more})


@pytest.mark.parametrize("verb", sorted({*METHODS, *KUBECTL} - {"exec", "cp"}))
@pytest.mark.parametrize("resource", ["pods", "pods/web-0"])
def test_every_verb_with_a_resource_is_a_request_or_says_what_to_type(verb: str, resource: str) -> None:
    try:
        method, target = request_of(typed(verb, resource), "dev")
    except click.UsageError as error:
        assert "hint: " in error.message
    else:
        assert method.isupper() and target.startswith("/api/v1/namespaces/dev/pods")


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(
    st.sampled_from([*METHODS, *KUBECTL, *COMMANDS, "kubectl"]) | words,
    st.sampled_from([*SPELLINGS]) | words,
    st.lists(words, max_size=4),
)
def test_whatever_is_typed_is_calls_or_usage_and_never_a_bug(verb: str, resource: str, argv: list[str]) -> None:
    asked = typed(verb, resource, *argv)
    try:
        calls = asked.calls()
    except (click.UsageError, ValueError):  # NotRead is a ValueError
        return
    assert calls
