"""What is read of callgrind's files, and what is said where it is missing."""

from __future__ import annotations

import shutil

import pytest

from bench.cells import CELLS, chosen
from bench.instructions import PAGE_CELLS, PAGE_PROXIES, calls_of, functions, missing, total, warm_of
from bench.proxies import OURS

DUMP = "# callgrind format\npid: 12\npart: 1\nevents: Ir\nsummary: 246016937\n\nob=(1) /lib/x.so\nfn=(1) f\n770 35\n"
ANNOTATED = """--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
246,016,937 (100.0%)  PROGRAM TOTALS

Ir                   file:function
--------------------------------------------------------------------------------
40,000,000 (16.26%)  ./Python/ceval.c:_PyEval_EvalFrameDefault'2 [/usr/lib/libpython3.11.so.1.0]
 2,000,000 ( 0.81%)  ???:0x00000000001d0280 [/usr/lib/libcrypto.so.3]
   900,000 ( 0.37%)  ./malloc/malloc.c:malloc [/usr/lib/libc.so.6]
"""


def test_the_total_of_a_dump_is_its_summary() -> None:
    assert total(DUMP) == 246_016_937 and total(DUMP + "totals: 246016938\n") == 246_016_938


def test_a_dump_without_a_total_is_no_zero() -> None:
    with pytest.raises(ValueError, match="no total"):
        total("# callgrind format\n")


def test_the_dearest_functions_are_told_without_the_object_that_they_are_in() -> None:
    assert functions(ANNOTATED, 2) == [(40_000_000, "_PyEval_EvalFrameDefault'2"), (2_000_000, "0x00000000001d0280")]


def test_a_machine_without_valgrind_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "callgrind_control" else f"/usr/bin/{name}")
    assert missing() == "callgrind_control is not on PATH: install valgrind (apt-get install valgrind)"
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert missing() == ""


def test_each_cell_has_calls_to_count_and_calls_before() -> None:
    assert all(calls_of(cell) >= 1 and warm_of(cell) >= 1 for cell in CELLS)


def test_the_page_counts_cells_that_there_are_and_not_all_of_them() -> None:
    counted = chosen(";".join(PAGE_CELLS))
    assert len(PAGE_CELLS) <= len(counted) < len(CELLS) and {*PAGE_PROXIES.split(",")} <= {*OURS, "relay"}
