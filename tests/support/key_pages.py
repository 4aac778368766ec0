"""`make reference`: what the reference has from running code. Writes what each typical mistake is answered, and the pages' tables."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.shapes import Mapping
from l7gw.errors import Problem
from l7gw.policy.keys.file import POLICY
from tests.support.key_documents import folder_of_files, refusal, whole

PACKAGE = Path(__file__).parent.parent.parent / "l7gw"
MISTAKES = ((FILE_KEYS, PACKAGE / "config" / "keys" / "mistakes.json"), (POLICY, PACKAGE / "policy" / "keys" / "mistakes.json"))


def answer(root: Mapping, folder: Path, path: str, wrong: str) -> str:
    """What the reader answers where the key of this path has this value: the mistake, and the hint in brackets. The folder must have the
    files of `folder_of_files`."""
    found = refusal(root, folder, whole(root, path, wrong))
    return in_words(found) if found is not None else ""


def in_words(problem: Problem) -> str:
    return problem.what + (f" ({problem.hint})" if problem.hint else "")


def mistakes(root: Mapping, file: Path, folder: Path) -> str:
    """The text of a file of mistakes, with what is answered now."""
    known = json.loads(file.read_text())
    return (
        json.dumps(
            {path: [wrong, answer(root, folder, path, wrong)] for path, (wrong, _) in known.items()}, indent=1, ensure_ascii=False
        )
        + "\n"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        there = folder_of_files(Path(made))
        for one, at in MISTAKES:
            at.write_text(mistakes(one, at, there))
