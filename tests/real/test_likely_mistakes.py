"""The likeliest mistakes of a first hour, each made in front of a real cluster: the words of docs/first-hour.md are those that kubectl,
the log and the commands say then, and name what to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.both_ways import versions
from tests.support.kubernetes.cluster import RealCluster
from tests.support.likely_mistakes import MISTAKES, Mistake, Mistakes, likely_mistakes

PAGE = Path(__file__).parent.parent.parent / "docs" / "first-hour.md"
OLDEST, NEWEST = (version for version, _, _ in sorted((one for one in versions() if not one[2]), key=lambda one: one[1]))
SAID = re.compile(r"(.+?): (`+) ?(.+?) ?\2")
FEW = {
    "the kubeconfig trusts another CA",
    "`server:` begins with http://",
    "no role is bound to the caller's groups",
    "a group without its prefix in a rule",
    "others may read a private key",
    "`listen: 8443`",
    "kubectl talks to the cluster itself",
}


def rows() -> dict[str, list[tuple[str, str]]]:
    """Of each mistake, who says something and what; `…` stands for anything."""
    found = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| mistake |"):
            mistake, seen, does = line.strip("| ").split(" | ")
            matches = [SAID.fullmatch(part) for part in seen.split("<br>")]
            assert all(matches) and does, line
            found[mistake] = [(match[1], match[3]) for match in matches if match is not None]
    return found


TABLE = rows()


@pytest.fixture(scope="module")
def it(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistakes]:
    with likely_mistakes(tmp_path_factory.mktemp("mistakes"), cluster) as running:
        yield running


def check(it: Mistakes, mistake: Mistake, version: str) -> None:
    said = mistake.made(it, version)
    for who, words in TABLE[mistake.name]:
        pattern = re.compile(".*".join(map(re.escape, words.split("…"))))
        assert any(pattern.search(line) for line in said[who].splitlines()), f"{who} does not say {words!r}, but:\n{said[who]}"


def test_the_page_has_each_mistake_and_words_that_name_the_remedy() -> None:
    assert set(TABLE) == {mistake.name for mistake in MISTAKES} and len(MISTAKES) >= 20
    for mistake in MISTAKES:
        assert any(mistake.remedy in words for _, words in TABLE[mistake.name]), mistake.name


@pytest.mark.parametrize("mistake", [one for one in MISTAKES if one.name in FEW], ids=lambda one: one.name)
def test_what_is_said_of_a_mistake_names_the_remedy_as_the_page_has_it(it: Mistakes, mistake: Mistake) -> None:
    check(it, mistake, NEWEST)


@pytest.mark.long
@pytest.mark.parametrize("mistake", [one for one in MISTAKES if one.name not in FEW], ids=lambda one: one.name)
def test_what_is_said_of_every_other_mistake_does_too(it: Mistakes, mistake: Mistake) -> None:
    check(it, mistake, NEWEST)


@pytest.mark.long
@pytest.mark.parametrize("mistake", [one for one in MISTAKES if "kubectl" in dict(TABLE[one.name])], ids=lambda one: one.name)
def test_the_oldest_kubectl_says_the_same(it: Mistakes, mistake: Mistake) -> None:
    check(it, mistake, OLDEST)
