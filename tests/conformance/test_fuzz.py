"""Every fuzz target holds its invariant: over its seeds, over mutations of them, and for a while under atheris."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.support.ahead import ahead

RUNS = 3000  # mutations for each target that names no other number


@pytest.mark.parametrize("target", run.targets())
def test_a_target_states_its_invariant(target: str) -> None:
    one = importlib.import_module(f"tests.fuzz.{target}").one
    assert list(inspect.signature(one).parameters) == ["data"]
    assert inspect.getdoc(one)


@pytest.mark.parametrize("target", run.targets())
def test_the_invariant_holds_over_the_seeds_and_their_mutations(target: str) -> None:
    module = importlib.import_module(f"tests.fuzz.{target}")
    seeds = run.seeds(target)
    for data in [b"", *seeds, *run.mutations(seeds, getattr(module, "WORDS", ()), getattr(module, "RUNS", RUNS))]:
        try:
            module.one(data)
        except Exception as error:
            raise AssertionError(f"{target} breaks on {data!r}") from error


def test_mutations_are_the_same_at_each_run() -> None:
    first, second = (list(run.mutations([b"GET / HTTP/1.1", b"abc"], [b"word"], 200)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 150
    assert any(b"word" in data for data in first)


@pytest.fixture(scope="module")
def atheris(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    pytest.importorskip("atheris")
    folder = tmp_path_factory.mktemp("atheris")
    with ahead(request, lambda target, seconds: _under_atheris(target, folder / f"{target}-{seconds}", seconds)) as begun:
        yield begun


@pytest.mark.parametrize("seconds", [5])
@pytest.mark.parametrize("target", run.targets())
def test_the_invariant_holds_for_five_seconds_under_atheris(
    target: str, seconds: int, atheris: dict[str, Future[None]], request: pytest.FixtureRequest
) -> None:
    atheris[request.node.name].result()


@pytest.mark.long
@pytest.mark.timeout(200)
@pytest.mark.parametrize("seconds", [30])
@pytest.mark.parametrize("target", run.targets())
def test_the_invariant_holds_for_half_a_minute_under_atheris(
    target: str, seconds: int, atheris: dict[str, Future[None]], request: pytest.FixtureRequest
) -> None:
    atheris[request.node.name].result()


def test_a_broken_invariant_is_told_and_kept(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    target = tmp_path / "tests" / "fuzz"
    target.mkdir(parents=True)
    root = Path(run.__file__).parent.parent
    (target / "run.py").write_text((root / "fuzz" / "run.py").read_text())
    support = target.parent / "support"
    support.mkdir()
    (support / "vector_files.py").write_text((root / "support" / "vector_files.py").read_text())
    (target / "broken.py").write_text("def one(data):\n    assert data[:1] != b'A'\n")
    (target / "corpus" / "broken").mkdir(parents=True)
    (target / "corpus" / "broken" / "seed").write_bytes(b"Abc")
    done = subprocess.run(
        [sys.executable, target / "run.py", "broken", "--runs", "1000", "--finds", tmp_path / "finds"],
        capture_output=True,
        timeout=100,
    )
    assert done.returncode != 0
    kept = [path.read_bytes() for path in (tmp_path / "finds").glob("crash-*")]
    assert kept and all(data.startswith(b"A") for data in kept)


def test_of_what_a_run_has_grown_the_shortest_that_reach_new_code_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ping, same, longer, message = b"\x89\x00", b"\x89\x01p", b"\x89\x00\x89\x00\x82\x01x", b"\x82\x01x"
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "seeds", lambda target: [ping])
    grown = tmp_path / "grown"
    grown.mkdir()
    for number, data in enumerate([same, longer, message, ping]):
        (grown / str(number)).write_bytes(data)
    assert run.keep("wire_websocket", grown) >= 1
    kept = [path.read_bytes() for path in (tmp_path / "corpus" / "wire_websocket").iterdir()]
    assert message in kept and ping not in kept


def _under_atheris(target: str, finds: Path, seconds: int) -> None:
    finds.mkdir()
    done = subprocess.run(
        [sys.executable, Path(run.__file__), target, "--seconds", str(seconds), "--finds", finds],
        capture_output=True,
        text=True,
        timeout=seconds + 80,
    )
    kept = {path.name: path.read_bytes() for path in finds.glob("*-*")}
    assert done.returncode == 0, f"{done.stdout[-2000:]}{done.stderr[-4000:]}\n{kept}"
