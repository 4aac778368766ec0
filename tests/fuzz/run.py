"""Run one fuzz target under atheris: `tests/fuzz/run.py TARGET [--seconds N | --runs N]`.

A target is a file beside this one with `def one(data: bytes) -> None`, whose docstring states the one invariant; it raises where
that is broken. It may have `WORDS`, the tokens of its grammar, and `RUNS`, how many mutations the ordinary tests try.
Seeds are the files in `corpus/TARGET` and the bytes of `tests/vectors/TARGET`. What is found goes to a folder outside the tree; a
find worth keeping becomes a vector.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
LONGEST = 4096  # bytes of one input
SLOWEST = 10  # seconds for one input: more is a find
MOST_MEMORY = 2048  # MiB


def targets() -> list[str]:
    """The names of all targets."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem != "run")


def seeds(target: str) -> list[bytes]:
    """What fuzzing starts from; at least one."""
    from tests.vector import vectors

    kept = [path.read_bytes() for path in sorted((HERE / "corpus" / target).glob("*"))]
    return kept + [vector.data for vector in vectors(target)] or [b""]


def mutations(start: Sequence[bytes], words: Sequence[bytes], runs: int) -> Iterator[bytes]:
    """`runs` inputs bred from the seeds, the same at each call: what the tests try where there is no atheris."""
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
    """Where a target's finds and its grown corpus are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l7gw" / "fuzz" / target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=targets())
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--seconds", type=int, default=60)
    span.add_argument("--runs", type=int)
    parser.add_argument("--finds", type=Path, help="where finds go; the cache folder unless told")
    options = parser.parse_args()
    try:
        import atheris
    except ImportError:
        parser.exit(2, "atheris is not installed: it has wheels for CPython 3.11 on x86-64\n")
    with atheris.instrument_imports(include=["l7gw"]):
        module = importlib.import_module(f"tests.fuzz.{options.target}")
    folder: Path = options.finds or finds_folder(options.target)
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
