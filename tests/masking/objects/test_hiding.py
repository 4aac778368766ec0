"""Values are put out of sight in both views, or in that of the recording alone."""

from __future__ import annotations

from functools import partial

from l7gw.kube.objects import json_nodes
from l7gw.masking.find import Find
from l7gw.masking.objects.hiding import MOST_LEARNED, Cut, Hiding
from l7gw.masking.placeholder import Tagger
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from l7gw.steps import STEP, InSteps
from tests.support.masked import b64

KEY = b"k" * 32


def hidden(data: bytes, obligations: Obligations = NO_OBLIGATIONS, *, prefix: str = "", fixed: bool = False, sent: bool = False):  # type: ignore[no-untyped-def]
    return json_nodes.read(data, strict=False), Hiding(KEY, "test", obligations, prefix=prefix, fixed=fixed, sent=sent)


def test_a_find_names_the_place_under_its_prefix() -> None:
    node, hiding = hidden(b'{"a":"hunter2!"}', prefix="items[3]")
    hiding.hide(node.member("a"), "env")
    tag = Tagger(KEY, "test", "").tag(b"hunter2!")
    assert hiding.done.finds == [Find(detector="env", where="items[3].a", length=8, tag=tag)]
    assert node.render("shown") == f'{{"a":"l7gw-masked-env-{tag}"}}'.encode()


def test_tags_are_of_the_namespace_that_is_set() -> None:
    node, hiding = hidden(b'{"a":"hunter2!","b":"hunter2!"}')
    hiding.hide(node.member("a"), "env")
    hiding.namespace = "shop"
    hiding.hide(node.member("b"), "env")
    assert hiding.done.finds[0].tag == Tagger(KEY, "test", "").tag(b"hunter2!")
    assert hiding.done.finds[1].tag == Tagger(KEY, "test", "shop").tag(b"hunter2!")


def test_to_learn_a_value_takes_units_by_its_length_so_that_the_loop_turns() -> None:
    for value, at_once in ((b"S3cret-value", STEP // 4), (bytes(10 * 1024 - 1), STEP // 40)):
        learned: list[bytes] = []

        def learn(namespace: str, value: bytes, learned: list[bytes] = learned) -> None:
            learned.append(value)

        hiding = Hiding(KEY, "test", NO_OBLIGATIONS, learn=learn)
        work = InSteps(partial(_learn_all, hiding, value), lambda: None)
        while not work.over:
            before = len(learned)
            work.go_on()
            assert len(learned) - before <= at_once + 1
        assert len(learned) == 50


def _learn_all(hiding: Hiding, value: bytes) -> None:
    for _ in range(50):
        hiding.learn(value)


def test_of_one_object_so_many_values_are_remembered_and_of_the_next_again() -> None:
    learned: list[tuple[str, bytes]] = []
    hiding = Hiding(KEY, "test", NO_OBLIGATIONS, learn=lambda namespace, value: learned.append((namespace, value)))
    for namespace in ("shop", "bank", "bank"):
        hiding.namespace = namespace
        hiding.next_object()
        for number in range(MOST_LEARNED + 10):
            hiding.learn(b"value %d" % number)
    assert [namespace for namespace, _ in learned] == ["shop"] * MOST_LEARNED + ["bank"] * MOST_LEARNED * 2
    learned.clear()
    hiding.next_object()
    for _ in range(5):
        hiding.learn(bytes(128 * 1024))
    assert len(learned) == 3  # each counts by its length too


def test_a_value_is_masked_once() -> None:
    node, hiding = hidden(b'{"a":"hunter2!"}')
    hiding.hide(node.member("a"), "env")
    hiding.hide(node.member("a"), "config-map")
    assert len(hiding.done.finds) == 1


def test_parts_of_a_text_are_masked_and_each_may_be_revealed() -> None:
    node, hiding = hidden('{"a":"ö one two"}'.encode(), Obligations(reveal=frozenset(("second",))))
    hiding.cut(node.member("a"), "ö one two", [Cut(start=2, end=5, detector="first"), Cut(start=6, end=9, detector="second")])
    first, second = hiding.done.finds
    assert node.render("shown").decode() == f'{{"a":"ö l7gw-masked-first-{first.tag} two"}}'
    assert node.render("recorded").decode() == f'{{"a":"ö l7gw-masked-first-{first.tag} l7gw-masked-second-{second.tag}"}}'


def test_a_place_of_several_names_is_shown_where_each_of_them_is_revealed() -> None:
    for revealed, is_shown in ({"first"}, False), ({"second"}, False), ({"first", "second"}, True), ({"*"}, True):
        node, hiding = hidden(b'{"a":"one"}', Obligations(reveal=frozenset(revealed)))
        hiding.cut(node.member("a"), "one", [Cut(start=0, end=3, detector="first", others=("second",))])
        assert (node.render("shown") == b'{"a":"one"}') == is_shown, revealed
        assert b"one" not in node.render("recorded")


def test_a_value_of_which_a_part_was_masked_can_be_masked_whole() -> None:
    node, hiding = hidden(f'{{"a":"one two","b":"{b64("one two")}","c":"no base64"}}'.encode())
    a, b, c = (node.member(name) for name in "abc")
    hiding.cut(a, "one two", [Cut(start=4, end=7, detector="x")])
    hiding.cut_octets(b, b"one two", [Cut(start=4, end=7, detector="x")])
    for one in (a, b, c):
        hiding.hide_again(one, "hook-h", encoded=one is not a)
    whole = Tagger(KEY, "test", "").placeholder("hook-h", b"one two")
    last = Tagger(KEY, "test", "").placeholder("hook-h", b"no base64")
    assert node.render("shown").decode() == f'{{"a":"{whole}","b":"{b64(whole)}","c":"{last}"}}'
    assert node.render("recorded") == node.render("shown")


def test_parts_of_bytes_are_masked_in_base64() -> None:
    node, hiding = hidden(f'{{"a":"{b64(b"one two")}"}}'.encode())
    hiding.cut_octets(node.member("a"), b"one two", [Cut(start=4, end=7, detector="x", tag="01234567")])
    assert node.render("shown").decode() == f'{{"a":"{b64("one l7gw-masked-x-01234567")}"}}'


def test_where_the_length_stays_a_short_place_has_no_tag() -> None:
    node, hiding = hidden(f'{{"a":"hunter2!","b":"{b64("x" * 30)}"}}'.encode(), fixed=True)
    hiding.hide(node.member("a"), "env")
    hiding.hide_octets(node.member("b"), "env")
    assert len(node.render("shown")) == len(node.render("recorded")) == len(f'{{"a":"hunter2!","b":"{b64("x" * 30)}"}}')
    assert [len(find.tag) for find in hiding.done.finds] == [0, 8]


def test_a_placeholder_that_a_caller_sends_is_no_value() -> None:
    data = b'{"a":"l7gw-masked-secret-data-01234567"}'
    node, hiding = hidden(data, sent=True)
    hiding.hide(node.member("a"), "env")
    assert node.render("recorded") == data
    node, hiding = hidden(data)
    hiding.hide(node.member("a"), "env")
    assert node.render("recorded") != data


def test_empty_values_and_null_stay() -> None:
    data = b'{"a":"","b":null,"c":{},"d":"="}'
    node, hiding = hidden(data)
    for name in "ab":
        hiding.hide(node.member(name), "env")
        hiding.hide_octets(node.member(name), "env")
    assert node.render("shown") == data


def test_a_warning_is_given_once() -> None:
    _, hiding = hidden(b"{}")
    hiding.warn("x")
    hiding.warn("x")
    assert hiding.done.warnings == ["x"]
