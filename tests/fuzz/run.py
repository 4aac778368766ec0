"""Run one fuzz target under atheris: `tests/fuzz/run.py TARGET [--seconds N | --runs N | --keep]`.

A target is a file beside this one with `def one(data: bytes) -> None`, whose docstring states the one invariant; it raises where
that is broken. It may have `WORDS`, the tokens of its grammar, and `RUNS`, how many mutations the ordinary tests try.
Seeds are the files in `corpus/TARGET` and the bytes of `tests/vectors/TARGET`. What is found goes to a folder outside the tree; a
find worth keeping becomes a vector. `--keep` takes into the tree's corpus what a run has grown and the seeds do not reach.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).parent
LONGEST = 4096  # bytes of one input
SLOWEST = 10  # seconds for one input; a slower one is a find
MOST_MEMORY = 2048  # MiB


def targets() -> list[str]:
    """The names of all targets."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem != "run")


def seeds(target: str) -> list[bytes]:
    """The inputs from which fuzzing starts; at least one."""
    from tests.support.vector_files import vectors

    kept = [path.read_bytes() for path in sorted((HERE / "corpus" / target).glob("*"))]
    return kept + [vector.data for vector in vectors(target)] or [b""]


def mutations(start: Sequence[bytes], words: Sequence[bytes], runs: int) -> Iterator[bytes]:
    """`runs` inputs that are made of the seeds, the same at each call. The tests try them where there is no atheris."""
    dice = random.Random(runs)
    for _ in range(runs):
        data = bytearray(dice.choice(start))
        for _ in range(dice.randint(1, 4)):
            _mutate(data, start, words, dice)
        yield bytes(data[:LONGEST])


def _mutate(data: bytearray, start: Sequence[bytes], words: Sequence[bytes], dice: random.Random) -> None:
    at = dice.randint(0, len(data))
    kind = dice.randrange(7 if words else 6)
    if kind == 0:
        data[at : at + 1] = bytes((dice.randrange(256),))
    elif kind == 1 and at < len(data):
        data[at] ^= 1 << dice.randrange(8)
    elif kind == 2:
        del data[at : at + dice.randint(1, 8)]
    elif kind == 3:
        data[at:at] = data[at : at + dice.randint(1, 32)]
    elif kind == 4:
        data[at:at] = bytes(dice.choices(b"\0\1\x7f\x80\xff\r\n", k=dice.randint(1, 4)))
    elif kind == 5:  # the rest of another seed
        other = dice.choice(start)
        data[at:] = other[dice.randint(0, len(other)) :]
    elif words:
        data[at:at] = dice.choice(words)


def finds_folder(target: str) -> Path:
    """The folder of a target's finds and grown corpus."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l7gw" / "fuzz" / target


def steps(one: Callable[[bytes], None], data: bytes) -> set[tuple[str, int, int]]:
    """The steps of a target on an input: pairs of lines of l7gw that ran one after the other."""
    found: set[tuple[str, int, int]] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if f"{os.sep}l7gw{os.sep}" not in frame.f_code.co_filename:
            return None
        name, last = frame.f_code.co_filename, 0

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                found.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        one(data)
    finally:
        sys.settrace(before)
    return found


def keep(target: str, grown: Path) -> int:
    """Add to the corpus each grown input, the shortest first, with a step of the code that no
    seed takes. Gives how many were added."""
    one = importlib.import_module(f"tests.fuzz.{target}").one
    taken: set[tuple[str, int, int]] = set()
    for data in seeds(target):
        taken |= steps(one, data)
    corpus = HERE / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    kept = 0
    for data in sorted((path.read_bytes() for path in grown.iterdir()), key=lambda data: (len(data), data)):
        new = steps(one, data) - taken
        if new:
            taken |= new
            kept += 1
            (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=targets())
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--seconds", type=int, default=60)
    span.add_argument("--runs", type=int)
    span.add_argument("--keep", action="store_true", help="run nothing: take into the tree what earlier runs have grown")
    parser.add_argument("--finds", type=Path, help="where finds go; the cache folder unless told")
    options = parser.parse_args()
    folder: Path = options.finds or finds_folder(options.target)
    if options.keep:
        print(f"{keep(options.target, folder / 'grown')} inputs are new in the corpus of {options.target}")
        return
    try:
        import atheris
    except ImportError:
        parser.exit(2, "atheris is not installed: it has wheels for CPython 3.11 on x86-64\n")
    logging.disable(logging.WARNING)  # what the package says of junk would fill the screen
    with atheris.instrument_imports(include=["l7gw"]):
        module = importlib.import_module(f"tests.fuzz.{options.target}")
    for part in ("grown", "seeds"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(options.target)):
        (folder / "seeds" / f"{number:04}").write_bytes(seed)
    arguments = [
        sys.argv[0],
        f"-artifact_prefix={folder}/",
        f"-max_len={LONGEST}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-runs={options.runs}" if options.runs else f"-max_total_time={options.seconds}",
        "-print_final_stats=1",
    ]
    words: Sequence[bytes] = getattr(module, "WORDS", ())
    if words:
        dictionary = folder / "words"
        dictionary.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in words))
        arguments.append(f"-dict={dictionary}")
    atheris.Setup([*arguments, str(folder / "grown"), str(folder / "seeds")], module.one)
    atheris.Fuzz()


if __name__ == "__main__":
    # Not this folder, where a target's name may hide a module of the standard library.
    sys.path[0] = str(HERE.parent.parent)
    main()
