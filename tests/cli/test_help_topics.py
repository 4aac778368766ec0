"""The list of `l7gw help` says something of each page and file, in a line that fits."""

from __future__ import annotations

import pytest

from l7gw.cli import help_topics, shipped


@pytest.mark.parametrize("told", [help_topics.topics(), help_topics.files()])
def test_each_entry_has_a_line_of_words(told: dict[str, str]) -> None:
    assert told and all(line and line == line.strip() and len(line) <= 100 for line in told.values())
    assert all(not line.startswith(("#", '"')) for line in told.values())


def test_a_page_that_the_list_does_not_know_yet_is_a_topic_by_its_title() -> None:
    there = {**shipped.pages(), "weather": "# The weather\n\nIt rains.\n"}
    assert help_topics.topics_of(there) == {**help_topics.topics(), "weather": "The weather"}
