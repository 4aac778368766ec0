"""A table is as wide as its terminal, and no letter of its texts is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7gw.cli.columns import LEAST, WORDS, Column, cells, natural, statement, table, wrapped

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


def test_no_line_of_a_sentence_begins_with_a_space_of_the_gap_before_it() -> None:
    text = "run  kubectl port-forward  kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0  329502b5-b78c-4445-81da"
    for size in range(60, 90):
        assert not any(line.startswith(" ") for line in wrapped(text, size, WORDS)), size


@given(st.text("ab ", max_size=200), st.integers(60, 160))
def test_a_statement_fits_its_terminal_and_has_all_letters(said: str, within: int) -> None:
    lines = statement("green", 8, "cluster prod: TLS", 40, said, within)
    assert all(len(line) <= within for line in lines) and lines[0].startswith("green   cluster prod: TLS")
    assert "".join(lines).replace(" ", "").replace("TLS:", "TLS", 1) == f"greenclusterprod:TLS{said.replace(' ', '')}"
    assert len(statement("green", 8, "cluster prod: TLS", 40, said, None)) == 1
