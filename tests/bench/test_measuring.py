"""What a measurement takes for good, and what it must refuse."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from bench.cells import Cell
from bench.measuring import Load, LoadFailed, cpu_seconds
from bench.proxies import Proxy

GOOD = {"kind": "small", "count": 10, "fails": 0, "error": "", "proto": "HTTP/1.1", "seconds": 1.0, "p50_us": 5.0}
PROXY = Proxy("go", os.getpid(), "https://127.0.0.1:1")


def load(folder: Path, *lines: str) -> Path:
    """A load that prints these lines, one for each that it reads, the first at once."""
    program = folder / "load"
    program.write_text("#!/bin/sh\n" + "\n".join(f"echo '{line}'\nread -r _" for line in lines) + "\n")
    program.chmod(0o755)
    return program


def said(folder: Path, streams: int = 0, **other: object) -> dict[str, object]:
    program = load(folder, "warm", json.dumps({**GOOD, **other}))
    with Load(PROXY, program, Cell("a cell", "small", 1, streams), 1, calls=1) as started:
        return started.go()


def test_what_a_load_counted_is_read(tmp_path: Path) -> None:
    assert said(tmp_path) == GOOD


@pytest.mark.parametrize("wrong", [{"fails": 1}, {"count": 0}, {"proto": "HTTP/2.0"}], ids=str)
def test_a_load_that_failed_did_nothing_or_spoke_another_protocol_is_no_figure(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(LoadFailed, match="a cell"):
        said(tmp_path, **wrong)


def test_a_load_of_http2_that_fell_back_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="a cell"):
        said(tmp_path, streams=1)
    assert said(tmp_path, streams=1, proto="HTTP/2.0")["proto"] == "HTTP/2.0"


def test_a_load_that_ends_before_it_is_warm_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="a cell"), Load(PROXY, load(tmp_path), Cell("a cell", "small", 1), 1, calls=1):
        pass


def test_the_cpu_time_of_a_process_is_its_own() -> None:
    before = cpu_seconds(os.getpid())
    began = time.process_time()
    while time.process_time() - began < 0.02:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.02
    assert cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)
