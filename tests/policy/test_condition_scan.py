"""What a condition may say, and what it may not because it could take long or stands for nothing."""

from __future__ import annotations

import pytest

from l7gw.policy.condition_scan import LONGEST, MOST_NAMED, MOST_PLUSES, patterns_apart, scan
from l7gw.policy.patterns import BadPattern


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('request.namespace != "prod" || "oncall" in principal.groups', ["request.namespace", "principal.groups"]),
        ("object.spec.replicas > 3 && object.spec.replicas < 9", ["object.spec.replicas"]),
        ("object.metadata.labels['team/x'] == 'a'", ["object.metadata.labels"]),
        ("has(object.spec.paused)", ["object.spec.paused"]),
        ("object.spec.containers.all(c, c.image.startsWith('registry/'))", ["object.spec.containers"]),
        ("size(object.data) > 0 && object != null", ["object.data", "object"]),
        ("request.argv.size() > 0 && request.argv[0] == 'ps'", ["request.argv"]),
        ("request.name.matches('^a+$') && result.kind == 'Pod'", ["request.name", "result.kind"]),
        ("'object.a // request' == r'\\' || '''it's''' == \"'\"", []),
        ("object.l.exists(e, e in principal.groups)", ["object.l", "principal.groups"]),
        ("object.l.filter(e, e.n == 1).size() == 1 && type(object.l) == list", ["object.l"]),
    ],
)
def test_a_condition_names_fields_that_are_known(text: str, named: list[str]) -> None:
    assert [str(one) for one in scan(text)] == named


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1 to 2048 bytes"),
        ("request.nmespace == 'a'", "`request.nmespace` is not known"),
        ("request['verb'] == 'a'", "`request` stands without a field"),
        ("principal == null", "`principal` stands without a field"),
        ("now() > 1", "`now` is no function"),
        ("now > 1", "there is no clock"),
        ("user == 'a'", "'user' is not known"),
        ("object.a.splt(',')", "`splt` is no function"),
        ("object.a.all(x, x.b.all(y, y))", "more than one of"),
        ("object.a.all(x, x) && object.b.exists(y, y)", "more than one of"),
        ("object.a.all(x, x == object.b)", "`all` has object in what it does with each element"),
        ("object.a.exists(x, x + 'a' == 'b')", r"`exists` has \+ in what"),
        ("object.a.exists(x, x in request.argv)", "`exists` has argv in what"),
        ("object.a.map(x, x) == []", "`map` takes long"),
        (
            "object.a.all(x, principal.user == x || principal.user == x || principal.user == x || principal.user == x)",
            "more than 3 times",
        ),
        ("object.a.all(object, true)", "needs a name for an element"),
        ("object.a.all(1, true)", "needs a name for an element"),
        ("x.all(x, x)", "'x' is not known"),
        ("object.a.matches(object.b)", "takes one pattern, written as a text"),
        ("object.a.matches('a' + object.b)", "takes one pattern, written as a text"),
        ("matches(object.a, 'a')", "takes one pattern, written as a text"),
        ("object.a.matches('" + "a" * 300 + "')", "is longer than 200"),
        ("object.a == 'b", "has no end"),
        ('object.a == """b', "has no end"),
        ("true // object", "has a comment"),
        ("object.a == 'b\\'", "has no end"),
        ("r'\\' + user == 'b'", "'user' is not known"),  # a raw text ends at its second quote
        ("object.a" + " + 'b'" * (MOST_PLUSES + 1) + " == 'c'", "adds more than"),
        ("object.a == 1" + " || object.a == 1" * MOST_NAMED, "names `object` or `result` more than"),
        ("true || " + " " * LONGEST + "false", "1 to 2048 bytes"),
    ],
)
def test_what_stands_for_nothing_or_could_take_long_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadPattern, match=words):
        scan(text)


def test_the_longest_condition_is_taken() -> None:
    assert scan("true".ljust(LONGEST)) == ()
    assert scan("object.a == 1" + " || object.a == 1" * (MOST_NAMED - 1)) != ()


def test_patterns_are_taken_out_of_the_text_and_texts_that_look_like_them_are_not() -> None:
    text = """object.a.matches( r'^a"\\' ) && object.b.all(x, x.matches("b")) && object.c == ".matches('d')" && object.e.contains('f')"""
    apart, patterns = patterns_apart(text, "p")
    assert apart == """object.a.p_0() && object.b.all(x, x.p_1()) && object.c == ".matches('d')" && object.e.contains('f')"""
    assert patterns == ("r'^a\"\\'", '"b"')
    assert patterns_apart("true", "p") == ("true", ())
