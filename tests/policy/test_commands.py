"""Commands: how they are split, what an allow covers and what a deny overlaps."""

from __future__ import annotations

import posixpath
import re
import shlex

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from l7gw.policy.commands import CLIMBS, Command, split
from l7gw.policy.patterns import BadPattern


@pytest.mark.parametrize(
    "text, words",
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a'b'\"c\"", ["abc"]),
        (r"a\ b \*", ["a b", "*"]),
        ("* '*' \"*\"", ["\0", "*", "*"]),
        ("''", [""]),
        (r'"a\"b\c"', [r'a"b\c']),
        ("'|;$'", ["|;$"]),
        ('"it\'s"', ["it's"]),
    ],
)
def test_a_command_is_split_by_shell_rules(text: str, words: list[str]) -> None:
    assert split(text) == words


@given(st.lists(st.text("ab '\"\\$|*", min_size=0, max_size=6), min_size=1, max_size=4))
def test_words_quoted_by_the_standard_library_are_read_back_word_for_word(words: list[str]) -> None:
    assert split(shlex.join(words)) == words


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "'",
        '"',
        "a\\",
        "a | b",
        "a; b",
        "a & b",
        "a > b",
        "$(a)",
        "`a`",
        '"$a"',
        "(a)",
        "a ** b",
        "a x**",
        "cat ../x",
        "cat /a/..",
    ],
)
def test_a_command_that_cannot_mean_what_it_says_is_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        Command(text)


@pytest.mark.parametrize(
    "text, covered, not_covered",
    [
        ("ps", [("ps",)], [("ps", "x"), ("/bin/ps",), (), ("PS",)]),
        ("ps **", [("ps",), ("ps", "a", "b/c")], [("psx",), ("ps", "../x")]),
        ("**", [("x",), ("x", "/y")], [("x", "..")]),
        ("cat /var/log/*", [("cat", "/var/log/a"), ("cat", "/var/log/")], [("cat", "/var/log/a/b"), ("cat", "/var/log/..")]),
        ("cat *", [("cat", "a"), ("cat", "")], [("cat", "/a"), ("cat",), ("cat", "a", "b")]),
        ("ls */*", [("ls", "a/b")], [("ls", "a"), ("ls", "a/b/c")]),
        ("a '*'", [("a", "*")], [("a", "b")]),
    ],
)
def test_a_command_covers_only_the_argvs_meant(
    text: str, covered: list[tuple[str, ...]], not_covered: list[tuple[str, ...]]
) -> None:
    command = Command(text)
    assert all(map(command.covers, covered)) and not any(map(command.covers, not_covered))


@pytest.mark.parametrize("argument", ["..", "../x", "/a/../b", "a/..", "--file=../x", "-C..", "a:..:b", "/a/../../etc"])
def test_an_argument_that_climbs_is_never_covered_and_always_overlapped(argument: str) -> None:
    assert not Command("cat **").covers(("cat", argument))
    assert Command("cat /etc/*").overlaps(("cat", argument))


@pytest.mark.parametrize("argument", ["a..b", "...", "./...", "1..10", ".", "a.b"])
def test_dots_that_climb_nowhere_are_let_through(argument: str) -> None:
    assert Command("cat **").covers(("cat", argument))


@pytest.mark.parametrize(
    "argv",
    [
        *(("sh", "-c", "cat /var/log/a"), ("cat", "/var/log/a", "/etc/shadow"), ("/bin/cat", "/var/log/a")),
        *(("cat", "-", "/var/log/a"), ("busybox", "cat", "/var/log/a"), ("env", "-S", "cat /var/log/a")),
        *(("cat /var/log/a",), ("cat", "/var/log/./a"), ("cat", "//var/log/a"), ("cat", "/var/log/a", "")),
        *(("CAT", "/var/log/a"), ("cat\n", "/var/log/a"), ("cat", "/var/log/.."), ("cat", "/var//log/a")),
    ],
)
def test_obfuscations_do_not_pass_an_allow_list(argv: tuple[str, ...]) -> None:
    assert not Command("cat /var/log/*").covers(argv)


SHELLS = [("sh",), ("bash",), ("/bin/sh",), ("busybox", "sh"), ("env", "sh"), ("nice", "sh"), ("xargs", "sh"), ("sudo", "-n", "sh")]
SCRIPTS = [
    "cat /etc/shadow",
    "c'a't /etc/shadow",
    "$(echo Y2F0IC9ldGMvc2hhZG93|base64 -d)",
    "cat${IFS}/etc/shadow",
    "cat /var/log/a;id",
]
SCRIPTS += ["eval cat /etc/shadow", ". /var/log/a", "cat /var/log/a"]
DIRECT = [
    ("cat", "/var/log/a", ";", "id"), ("cat", "/var/log/$(id)/x"), ("cat", "-n", "/var/log/a"),
    ("env", "-S", "cat /etc/shadow"), ("env", "LD_PRELOAD=/tmp/x", "cat", "/var/log/a"), ("cat", "/var/log/../../etc/shadow"),
    ("cat", "--", "/var/log/a"), ("./cat", "/var/log/a"), ("cat\u200b", "/var/log/a"), ("\uff43at", "/var/log/a"), ("cat", "/VAR/log/a"),
    ("busybox", "cat", "/var/log/a"), ("python3", "-c", "import os;os.system('id')"), ("perl", "-e", "exec 'id'"), ("awk", "BEGIN{system(\"id\")}"),
    ("tar", "cf", "-", "/etc"), ("dd", "if=/etc/shadow"), ("find", "/", "-exec", "id", ";"), ("vi", "-c", ":!id"), ("cat", "/var/log"), ("cat",),
]  # fmt: skip


def test_two_hundred_obfuscations_are_all_refused_by_an_allow_list() -> None:
    """No shell, no wrapper and no other spelling is `cat` of one file in one folder (threats D13)."""
    flags = ("-c", "-ic", "-lc")
    argvs = {(*shell, flag, script) for shell in SHELLS for flag in flags for script in SCRIPTS} | set(DIRECT)
    assert len(argvs) > 200
    command = Command("cat /var/log/*")
    assert command.covers(("cat", "/var/log/a"))
    assert [argv for argv in argvs if command.covers(argv)] == []


# ---------------------------------------------------------------------- a deny and the spellings of a path


@pytest.mark.parametrize(
    ("denied", "argument"),
    [
        *(("/etc/*", spelling) for spelling in ("/etc//shadow", "/etc/./shadow", "//etc/shadow", "/etc/shadow/", "/etc/shadow/.")),
        *(("/etc/*", spelling) for spelling in ("/./etc/shadow", "/x/../etc/shadow", "/etc/x/../shadow", "/etc/../etc/shadow")),
        *(("/etc/*", spelling) for spelling in ("etc/shadow", "./etc/shadow", "shadow", "./shadow", ".//shadow", "etc/./shadow")),
        *(("/etc/*", f"/proc/{link}/etc/shadow") for link in ("self/root", "1/cwd", "self//root", "./self/root", "1/task/1/root", "1/fd/3")),
        *(("/etc/*", spelling) for spelling in ("proc/self/root/etc/shadow", "//proc/1/root/./etc/shadow", "/proc/1/fd/./3/shadow")),
        *(("if=/etc/*", spelling) for spelling in ("if=/proc/self/root/etc/shadow", "if=/proc/1/cwd/shadow")),
        *(("/etc", spelling) for spelling in ("/proc/1/cwd", "/proc/1/root/etc")),
        *(("/etc//*", spelling) for spelling in ("/etc/shadow", "/etc/./shadow")),  # a pattern's own spelling does not matter either
        *(("/etc", spelling) for spelling in ("/etc/", "/etc/.", "//etc", "/etc//", ".", "./", "etc")),
        *(("/", spelling) for spelling in ("//", "/.", "/./", "///", ".")),
        *(("secrets/*.env", spelling) for spelling in ("./secrets/a.env", "secrets//a.env", "/app/secrets/a.env", "/secrets/./a.env")),
        *(("if=/etc/*", spelling) for spelling in ("if=/etc//shadow", "if=/etc/./shadow", "if=shadow", "if=etc/shadow", "if=../shadow")),
        *(("--file=/etc/*", spelling) for spelling in ("--file=/etc//shadow", "--file=./shadow")),
        *(("-f/etc/*", spelling) for spelling in ("-f/etc//shadow", "-f/etc/./shadow")),
        *(("a=b/c", spelling) for spelling in ("./a=b/c", "a=b//c", "/x/a=b/c")),
    ],
)  # fmt: skip
def test_a_deny_matches_every_spelling_of_what_it_names_and_an_allow_none(denied: str, argument: str) -> None:
    command = Command(f"cat {denied}")
    assert command.overlaps(("cat", argument))
    assert not command.covers(("cat", argument))


@pytest.mark.parametrize(
    ("denied", "argv"),
    [
        ("cat /etc/*", ("cat", "/var/log/a")),
        ("cat /etc/*", ("cat", "/etc/a/b")),
        ("cat /etc/*", ("cat", "a/b")),
        ("cat /etc/*", ("cat", "-n")),
        ("cat /etc/*", ("cat", "/proc/1/fd/1")),  # an open file, which is a log as a rule
        ("cat /etc/*", ("cat", "/proc/1/environ")),
        ("cat /etc/*", ("cat", "/var/lib/myproc/1/root/a")),
        ("cat /etc/*", ("cat", "")),
        ("cat /etc/*", ("cat", "/etcetera/shadow")),
        ("cat *", ("cat", "/etc/shadow")),
        ("ls .", ("ls", "/etc")),
        ("cat ''", ("cat", "/etc")),
        ("cat ''", ("cat", "x")),
        ("dd if=/etc/*", ("dd", "of=/etc/x")),
        ("dd if=/etc/*", ("dd", "/etc/x")),
        ("rm **", ("/bin/ls", "x")),
    ],
)
def test_a_deny_of_a_place_leaves_other_places_alone(denied: str, argv: tuple[str, ...]) -> None:
    assert not Command(denied).overlaps(argv)


@pytest.mark.parametrize(
    ("denied", "argv"),
    [
        ("rm **", ("/bin/rm", "-rf", "x")),
        ("rm **", ("/usr/bin/rm",)),
        ("rm **", ("./rm", "x")),
        ("/bin/rm **", ("rm", "x")),
        ("/bin/rm **", ("/bin//rm", "x")),
        ("/bin/*", ("sh",)),
        ("* /etc/shadow", ("/bin/cat", "/etc//shadow")),
    ],
)
def test_a_denied_program_is_denied_by_whatever_path_it_is_run(denied: str, argv: tuple[str, ...]) -> None:
    assert Command(denied).overlaps(argv)
    assert not Command(denied).covers(argv)


NAMES = st.text("ab.=-*", min_size=1, max_size=3).filter(lambda name: name != "." and not CLIMBS.search(f"/{name}/"))
NOWHERE = st.sampled_from(["/", "//", "/./", "/.//", "/x/../", "/x/./..//"])  # between two names, and before the first


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str, str]:
    """A path, another spelling of it that the kernel resolves alike, and the working directory that it is resolved in."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4))
    cut = draw(st.integers(-1, len(names) - 1))  # how many of them the working directory has; -1: the spelling is absolute
    written = draw(NOWHERE) if cut < 0 else "./" if names[cut].startswith("-") else draw(st.sampled_from(["", "./", ".//"]))
    for number, name in enumerate(names[max(cut, 0) :]):
        written += (draw(NOWHERE) if number else "") + name
    return "/" + "/".join(names), written + draw(st.sampled_from(["", "/", "/."])), "/" + "/".join(names[: max(cut, 0)])


@given(spelled(), st.data())
def test_a_deny_matches_whatever_the_kernel_resolves_to_what_it_names(one: tuple[str, str, str], data: st.DataObject) -> None:
    path, written, directory = one
    assert posixpath.normpath(posixpath.join(directory, written)).replace("//", "/") == path, "the spelling is one of this path"
    pattern = [data.draw(st.sampled_from([shlex.quote(name), "*"])) for name in path[1:].split("/")]
    assert Command("cat /" + "/".join(pattern)).overlaps(("cat", written))
    assert Command("/bin/" + shlex.quote(path.rpartition("/")[2])).overlaps((path.rpartition("/")[2],))


WORDS = st.text("ab/.*=-", min_size=1, max_size=8)


@given(st.lists(WORDS, min_size=1, max_size=3), st.lists(st.text("ab/.=-", max_size=8), min_size=1, max_size=3), st.booleans())
def test_an_allow_matches_what_its_plain_twin_matches_and_a_deny_at_least_that(
    words: list[str], argv: list[str], further: bool
) -> None:
    assume(all("**" not in word and not CLIMBS.search(word) for word in words))
    command = Command(" ".join([*words, *(["**"] if further else [])]))
    enough = len(argv) == len(words) or (further and len(argv) > len(words))
    fits = all(re.fullmatch(re.escape(word).replace(r"\*", "[^/]*"), argument) for word, argument in zip(words, argv))
    climbs = any(re.search(r"(?<!\.)\.\.(?![A-Za-z0-9._-])", argument) for argument in argv)
    assert command.covers(tuple(argv)) is bool(enough and fits and not climbs)
    assert command.overlaps(tuple(argv)) or not (enough and fits)
