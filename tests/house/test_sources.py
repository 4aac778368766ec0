"""Everything that a comment, a docstring or a vector cites is in the tree, and every test that a page names exists."""

from __future__ import annotations

import fnmatch
import re

from tests.support import cited_sources as sources
from tests.support.cited_sources import ABBREVIATED, CITED, CODE, DOCS, ROOT, TESTS

# Codes that stand bare: not behind `threats`, and no set of control characters, which have such names too.
BARE = re.compile(rf"(?<![\w./:%-]){CODE}\b(?!=| control)")
# Sources that a reader of the tree cannot look up.
ELSEWHERE = re.compile(r"\b(?:the design\b|design (?:section )?[0-9]|the issue\b|case files?\b|shared/|threat catalogue)")


def _cited(page: str, text: str) -> list[str]:
    """The codes or sections of a page that a text cites. Of a range, its two ends."""
    return [one for found in CITED[page].findall(text) for one in re.split(r", | and | to ", found)]


# ---------------------------------------------------------------------- citations


def test_each_threat_that_is_cited_has_an_entry() -> None:
    known = sources.threats()
    assert not [(place, one) for place, text in sources.prose() for one in _cited("threats", text) if one not in known]


def test_each_section_about_kubernetes_that_is_cited_is_there() -> None:
    known = sources.sections()
    assert not [(place, one) for place, text in sources.prose() for one in _cited("kubernetes-wire", text) if one not in known]


def test_a_threat_is_cited_in_no_other_form() -> None:
    """The form is `threats C5`. A reader who does not know the page cannot understand a bare code."""
    rest = [(place, CITED["threats"].sub("", text)) for place, text in sources.prose()]
    assert not [(place, found) for place, text in rest for found in BARE.findall(text)]


def test_a_fact_about_kubernetes_is_cited_in_no_other_form() -> None:
    rest = [(place, CITED["kubernetes-wire"].sub("", text)) for place, text in sources.prose()]
    own = ("tests/support/cited_sources.py", "tests/house/test_sources.py")
    assert not [place for place, text in rest if re.search(r"(?<!docs/)kubernetes-wire", text) and not place.startswith(own)]


def test_an_rfc_is_cited_by_its_section_in_no_other_form() -> None:
    """The form is `RFC 9112 section 6.3`."""
    other = re.compile(r"\bRFC ?[0-9]{3,4} (?:§|sec\.|[0-9])")
    assert not [(place, found) for place, text in sources.prose() for found in other.findall(text)]


def test_nothing_is_cited_that_is_not_in_the_tree() -> None:
    assert not [(place, found) for place, text in sources.prose() for found in ELSEWHERE.findall(text)]


def test_each_page_that_is_named_is_there() -> None:
    pages = [(path.name, path.read_text()) for path in (*ROOT.glob("*.md"), *DOCS.glob("*.md"))]
    for place, text in (*sources.prose(), *pages):
        for name in re.findall(r"\bdocs/[\w-]+\.md\b", text):
            assert (ROOT / name).exists(), (place, name)


def test_a_page_has_each_heading_once() -> None:
    """Two branches that move sections can be joined without a conflict, and then a section stands twice."""
    for page in (*ROOT.glob("*.md"), *DOCS.glob("*.md")):
        headings = [line for line in page.read_text().splitlines() if line.startswith("## ")]
        assert sorted(headings) == sorted(set(headings)), page.name


def test_a_link_leads_to_a_page_and_a_heading_that_are_there() -> None:
    def anchor(heading: str) -> str:
        return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")

    for page in (*ROOT.glob("*.md"), *DOCS.glob("*.md")):
        for name, wanted in re.findall(r"\]\(([\w./-]+\.md)?(?:#([^)]+))?\)", page.read_text()):
            meant = page.parent / name if name else page
            assert meant.is_file(), (page.name, name)
            headings = re.findall(r"^#+ (.*)$", meant.read_text(), re.MULTILINE)
            assert not wanted or wanted in map(anchor, headings), (page.name, name, wanted)


def test_abbreviations_of_sources_are_spelled_out_and_none_is_left_over() -> None:
    texts = [text for _, text in sources.prose()] + [sources.WIRE.read_text()]
    used = {name for text in texts for name in ABBREVIATED.findall(text)}
    assert used == set(sources.abbreviations())


# ---------------------------------------------------------------------- docs/threats.md


def test_threats_are_numbered_without_gaps() -> None:
    found: dict[str, list[int]] = {}
    for code in sources.threats():
        found.setdefault(code[0], []).append(int(code[1:]))
    assert list(found) == list("ABCDEFGHIJ")
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in found.values())


def test_a_threat_without_a_test_says_what_is_missing() -> None:
    for threat in sources.threats().values():
        assert threat.tests or "**Not in this version:** " in threat.text or "**Not shown:** " in threat.text, threat.code
        assert "**Here**" in threat.text or not threat.tests, threat.code


def test_the_tests_that_show_an_answer_exist() -> None:
    for threat in sources.threats().values():
        for name in threat.tests:
            match = re.fullmatch(r"((?:\w+/)*test_\w+\.py)::(test_\w+)(?:\[([\w*-]+)\])?", name)
            assert match, (threat.code, name)
            file, function, vectors = match.groups()
            assert (TESTS / file).is_file() and function in sources.functions(TESTS / file), (threat.code, name)
            if vectors:
                folder = TESTS / "vectors" / file.replace("/test_", "_").removesuffix(".py")
                assert fnmatch.filter((path.name for path in folder.iterdir()), vectors), (threat.code, name)


def test_figures_are_of_threats() -> None:
    known = sources.threats()
    for path in TESTS.rglob("test_*.py"):
        for first in re.findall(r"\bfigure\(\s*([^,]+),", path.read_text()):
            assert all(code in known for code in re.findall(rf'"({CODE})"', first)), (path.name, first)


# ---------------------------------------------------------------------- the other pages


def test_golden_vectors_are_the_bytes_of_their_files() -> None:
    shown = sources.golden()
    assert len(shown) > 20
    for name, data in shown.items():
        assert (TESTS / "vectors" / name).read_bytes().partition(b"\n\n")[2] == data, name


def test_a_test_that_a_page_names_exists() -> None:
    """A test is found by the beginning of its name, because pages cut long names."""
    files = [path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts]
    known = {name for path in files for name in (path.stem, *sources.functions(path))}
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"\btest_\w+", page.read_text()):
            assert any(one.startswith(name) for one in known), (page.name, name)
