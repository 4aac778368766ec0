"""Flags are told from arguments as pflag tells them."""

from __future__ import annotations

import pytest

from l7gw.policy.kubectl.words import LONGEST, MOST_WORDS, NotRead, split, words_of


@pytest.mark.parametrize(
    ("text", "arguments", "flags"),
    [
        ("get pods -n dev", ("get", "pods"), {"namespace": ["dev"]}),
        ("get -ndev pods", ("get", "pods"), {"namespace": ["dev"]}),
        ("get -n=dev pods", ("get", "pods"), {"namespace": ["dev"]}),
        ("exec -it a", ("exec", "a"), {"stdin": ["true"], "tty": ["true"]}),
        ("get -Aojson x", ("get", "x"), {"all-namespaces": ["true"], "output": ["json"]}),
        ("logs -f -p a", ("logs", "a"), {"follow": ["true"], "previous": ["true"]}),
        ("apply -f a -f b", ("apply",), {"filename": ["a", "b"]}),
        ("delete --wait=false pod a", ("delete", "pod", "a"), {"wait": ["false"]}),
        ("delete --dry-run pod a", ("delete", "pod", "a"), {"dry-run": ["true"]}),
        ("label pods a b-", ("label", "pods", "a", "b-"), {}),
    ],
)
def test_flags_stand_anywhere_and_take_their_value_from_where_it_is(
    text: str, arguments: tuple[str, ...], flags: dict[str, list[str]]
) -> None:
    read = words_of(split(text))
    assert (read.arguments, read.flags, read.behind) == (arguments, flags, None)


def test_what_follows_two_dashes_is_no_flag() -> None:
    read = words_of(split("exec a -- ls -n --x"))
    assert (read.arguments, read.behind) == (("exec", "a"), ("ls", "-n", "--x"))


def test_a_boolean_may_be_false() -> None:
    assert words_of(["get", "-w"]).has("watch") and not words_of(["get", "--watch=false"]).has("watch")


def test_a_line_is_bounded_and_must_be_one_of_a_shell() -> None:
    assert len(split("x" * LONGEST)) == 1 and len(split("x " * MOST_WORDS)) == MOST_WORDS
    for text in ("x" * (LONGEST + 1), "x " * (MOST_WORDS + 1), "exec 'a"):
        with pytest.raises(NotRead):
            split(text)
