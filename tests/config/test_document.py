"""YAML with positions: texts that are refused before nodes are built, and how each kind of value is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.config.document import DEEPEST, LARGEST, Document, plain
from l7gw.errors import ConfigurationError


def refused(tmp_path: Path, data: bytes | str) -> str:
    path = tmp_path / "f.yaml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(ConfigurationError) as caught:
        Document(path)
    assert len(caught.value.problems) == 1
    return str(caught.value).replace(str(path), "f.yaml")


def document(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    return Document(path)


def told(it: Document) -> list[tuple[int, str]]:
    return [(problem.line, problem.what) for problem in it.sorted_problems()]


@pytest.mark.parametrize(
    "data, where, what",
    [
        ("a: &x [1]\n", "f.yaml:1", "aliases"),
        ("a: 1\nb: *x\n", "f.yaml:2", "aliases"),
        ("a: !!python/object/apply:os.system [id]\n", "f.yaml:1", "tags"),
        ("a: 1\nb: !x 2\n", "f.yaml:2", "tags"),
        ("a: 1\nb: [\n", "f.yaml:3", "not YAML"),
        ("a: 1\n--- \nb: 2\n", "f.yaml:2", "not YAML"),
        (b"a: 1\nb: \xff\n", "f.yaml:2", "not UTF-8"),
        ("a: 1\nb: \x01\n", "f.yaml:2", "a character"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_reported_with_its_line(tmp_path: Path, data: bytes | str, where: str, what: str) -> None:
    message = refused(tmp_path, data)
    assert message.startswith(f"{where}: ") and what in message


def test_a_billion_laughs_is_refused_before_it_is_built(tmp_path: Path) -> None:
    bomb = "a: &a [x,x]\n" + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    assert "aliases" in refused(tmp_path, bomb)


def test_a_file_of_the_largest_size_or_depth_passes_and_one_more_is_refused(tmp_path: Path) -> None:
    whole = "a: 1\n"
    assert document(tmp_path, whole + "#" * (LARGEST - len(whole))).root is not None
    assert "larger" in refused(tmp_path, whole + "#" * (LARGEST - len(whole) + 1))
    assert document(tmp_path, "[" * DEEPEST + "]" * DEEPEST).root is not None
    assert "nested" in refused(tmp_path, "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))
    assert "nested" in refused(tmp_path, "[" * 100_000)


def test_a_missing_file_is_reported_with_the_hint_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read(?s:.*)hint: say which"):
        Document(tmp_path / "none.yaml", "say which")


def test_an_unknown_key_is_reported_with_the_nearest_one_and_a_repeated_key_too(tmp_path: Path) -> None:
    it = document(tmp_path, "listn: 1\nlisten: 2\nlisten: 3\nadmin: 4\n1: x\n'': y\n")
    reader = it.reader(("listen", "tls"), {"admin": "health"})
    assert [(p.line, p.what, p.hint) for p in it.problems[:3]] == [
        (1, "unknown key `listn` in the file", "did you mean `listen`?"),
        (3, "`listen` stands twice in the file", ""),
        (4, "`admin` is not in this version", "it comes with health"),
    ]
    assert len(it.problems) == 5 and reader.has("listen")


@pytest.mark.parametrize(
    "value", ["no", "on", "7", "1.5", "2024-01-01", "2024-99-99", "~", "[a]", "{a: b}", '"a\\nb"', '"\\e[31m"']
)
def test_a_value_that_yaml_may_read_otherwise_is_no_text_without_quotes(tmp_path: Path, value: str) -> None:
    it = document(tmp_path, f"\na: {value}\n")
    assert it.reader(("a",)).text("a", "d") == "d"
    ((line, what),) = told(it)
    assert line == 2 and what.startswith("`a` must be one line of text") and what.isprintable()


def test_a_value_that_is_no_choice_is_reported_with_the_nearest_one(tmp_path: Path) -> None:
    it = document(tmp_path, "a: write\n")
    it.reader(("a",)).choice("a", "none", ("none", "writes"))
    assert (it.problems[0].what, it.problems[0].hint) == ("`a` must be none or writes, not 'write'", "did you mean `writes`?")


@pytest.mark.parametrize("text, size", [("1", 1), ("4KiB", 4096), ("2GiB", 2 * 1024**3), ('"4KiB"', 4096)])
def test_a_size_is_read_in_binary_units(tmp_path: Path, text: str, size: int) -> None:
    it = document(tmp_path, f"a: {text}\n")
    assert it.reader(("a",)).size("a", 5, least=1, most=1024**4) == size and not it.problems


@pytest.mark.parametrize("text", ["2GB", "-1", "1.5GiB", "2 GiB", "x", "[1]", "0x10", "²"])
def test_a_value_that_is_no_size_is_reported(tmp_path: Path, text: str) -> None:
    it = document(tmp_path, f"a: {text}\n")
    assert it.reader(("a",)).size("a", 5, least=1, most=10) == 5
    assert "such as 2GiB" in it.problems[0].what


@pytest.mark.parametrize("value, passes", [(9, False), (10, True), (20, True), (21, False)])
def test_a_size_stays_within_its_bounds(tmp_path: Path, value: int, passes: bool) -> None:
    it = document(tmp_path, f"a: {value}\n")
    it.reader(("a",)).size("a", 15, least=10, most=20)
    assert (not it.problems) is passes


def test_a_list_value_that_is_no_text_is_reported_at_its_own_line(tmp_path: Path) -> None:
    it = document(tmp_path, "a:\n- x\n- 7\n- ''\n- [y]\nb: []\nc: {}\n")
    reader = it.reader(("a", "b", "c"))
    assert reader.texts("a") == ("x",) and reader.texts("b") == () and reader.texts("c") is None
    assert [line for line, _ in told(it)] == [3, 4, 5, 6, 7]


def test_prose_of_several_lines_becomes_one(tmp_path: Path) -> None:
    it = document(tmp_path, "a: |\n  one\n  two\n")
    assert it.reader(("a",)).prose("a", longest=7) == "one two" and not it.problems
    it.reader(("a",)).prose("a", longest=6)
    assert told(it) == [(1, "`a` must be text of 1 to 6 characters")]


def test_a_node_without_a_plain_value_is_none(tmp_path: Path) -> None:
    it = document(tmp_path, "[{? [a] : b}, 2024-99-99, " + "9" * 5000 + "]")
    assert it.root is not None
    assert [plain(node) for node in it.root.value] == [None, None, None]
