"""A table is as wide as its terminal, and no letter of its texts is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7gw.cli.columns import LEAST, Column, cells, natural, table, wrapped

COLUMNS = [Column("session"), Column("calls", right=True), Column("who", broken=True), Column("cluster", broken=True)]
ROWS = [
    ["01a22171-8a53", "12", "ann.lastname@example.com", "production"],
    ["01a22171-8a15", "1024", "failed log-ins (3 addresses)", "stage"],
    ["01a22170-0000", "7", "system:serviceaccount:builds:deployer (workload)", "stage"],
]
GOLDEN = """\
session        calls  who                 cluster
01a22171-8a53     12  ann.lastname        production
                      @example.com
01a22171-8a15   1024  failed log-ins (3   stage
                      addresses)
01a22170-0000      7  system              stage
                      :serviceaccount
                      :builds:deployer
                      (workload)"""
WHOLE = """\
session        calls  who                                               cluster
01a22171-8a53     12  ann.lastname@example.com                          production
01a22171-8a15   1024  failed log-ins (3 addresses)                      stage
01a22170-0000      7  system:serviceaccount:builds:deployer (workload)  stage"""


def test_texts_are_broken_where_the_terminal_is_narrow_and_nowhere_else() -> None:
    assert "\n".join(table(COLUMNS, ROWS, 52)) == GOLDEN
    for within in (natural(COLUMNS, ROWS), 200, None):
        assert "\n".join(table(COLUMNS, ROWS, within)) == WHOLE


def test_a_table_without_rows_has_its_head() -> None:
    assert [*table(COLUMNS, [], 80)] == ["session  calls  who  cluster"]


@given(st.text("ab@-:/ (\u4e2d"), st.integers(2, 30))
def test_a_broken_text_has_all_letters_and_fits(text: str, size: int) -> None:
    lines = [*wrapped(text, size)]
    assert all(cells(line) <= size for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(st.lists(st.tuples(*[st.text("ab@-:/ (\u4e2d", max_size=60)] * 2), max_size=5), st.integers(60, 120))
def test_a_table_fits_where_what_can_be_broken_may_have_ten_columns(texts: list[tuple[str, str]], within: int) -> None:
    rows = [["01a22171-8a53", "1", *pair] for pair in texts]
    assert LEAST <= 10 and all(cells(line) <= within for line in table(COLUMNS, rows, within))
