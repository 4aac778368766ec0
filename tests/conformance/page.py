"""Results of test suites on l7gw. `tests/conformance/page.py run [h2spec] [autobahn] [faults] [fuzz]` runs suites, `render` writes
the page.

Each run is kept in docs/conformance/NAME.json, with title, when, command, summary and rows. A row's keys are columns; a list is
shown with slashes. Some runs have `versions`, and `counts`, which says what the numbers of a list count. The page is made from
these files alone.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.autobahn import run as autobahn
from tests.fuzz import run as fuzz
from tests.h2spec import run as h2spec
from tests.support import figures

HERE = Path(__file__).parent.parent
DOCS = HERE.parent / "docs"
KEPT = DOCS / "conformance"
PAGE = DOCS / "conformance.md"
INTRODUCTION = """\
# Conformance

What test suites last said of l7gw, others' and our own. `make conformance` asks them again and writes this page. `make test` and `make test-long` run
h2spec and Autobahn too, and fail on every case that does not pass.
"""
AUTOBAHN = {
    "1": "framing", "2": "pings and pongs", "3": "reserved bits", "4": "opcodes", "5": "fragments", "6": "UTF-8", "7": "closing",
    "9": "limits", "10": "automatic fragments",
}  # fmt: skip
H2SPEC = {
    "generic": "generic", "http2": "RFC 7540", "hpack": "RFC 7541",
}  # fmt: skip


def by_chapter(cases: Iterable[tuple[str, str, str | None]]) -> list[dict[str, object]]:
    """The rows of a page, one for each chapter. A case is (chapter, name, why it did not pass or None)."""
    rows: dict[str, dict[str, object]] = {}
    others: dict[str, dict[str, list[str]]] = {}
    for chapter, name, why in cases:
        row = rows.setdefault(chapter, {"chapter": chapter, "cases": 0, "passed": 0})
        row["cases"] += 1  # type: ignore[operator]
        row["passed"] += why is None  # type: ignore[operator]
        if why is not None:
            others.setdefault(chapter, {}).setdefault(why, []).append(name)
    for chapter, row in rows.items():
        row["not passed"] = "; ".join(f"{', '.join(names)}: {why}" for why, names in others.get(chapter, {}).items())
    return list(rows.values())


def ask_h2spec(folder: Path) -> dict[str, object]:
    found, forwarded = h2spec.against_gateway(folder)
    rows = by_chapter(
        (
            f"{H2SPEC[case.case.split('/')[0]]}, section {case.case.split('/')[1].split('.')[0]}",
            case.case,
            None if case.outcome == "passed" else f"{case.outcome}, unexpectedly",
        )
        for case in found
    )
    return {
        "title": "HTTP/2: h2spec 2.2.1 against the gateway",
        "summary": f"{sum(case.outcome == 'passed' for case in found)} of {len(found)} cases passed, over TLS, with requests that a "
        f"client certificate names the sender of; {forwarded} of them reached the cluster.",
        "rows": rows,
    }


def ask_autobahn(folder: Path) -> dict[str, object]:
    sections = [*autobahn.SECTIONS, *autobahn.LIMITS]
    found = {role: autobahn.cases(folder / role, sections, role) for role in autobahn.ROLES}
    rows = by_chapter(
        (
            f"{AUTOBAHN[case.case.split('.')[0]]}, as a {role}",
            case.case,
            None if case.good else f"{case}, unexpectedly",
        )
        for role, told in found.items()
        for case in told
    )
    passed = " and ".join(f"{sum(case.good for case in told)} of {len(told)} as a {role}" for role, told in found.items())
    return {
        "title": "WebSocket: Autobahn's test suite 25.10.1 against the codec",
        "summary": f"{passed} are OK or informational. The codec is behind an echo, with messages of up to "
        "16 MiB. Compression (12 and 13) is left out: no extension is ever negotiated.",
        "rows": rows,
    }


def ask_faults(folder: Path) -> dict[str, object]:
    """Run our own tests of abuse and faults, also those that take long. Other tests in their files run too."""
    kept = folder / "figures"
    tests = [HERE / f"test_{name}.py" for name in ("gateway_http2", "faults_slow", "faults_load", "faults_idle", "watches")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "long or not long", *tests],
        env={**os.environ, figures.KEPT: str(kept)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    rows.sort(key=lambda row: (row["threat"][0], int(row["threat"][1:])))
    return {
        "title": "Abuse and faults: what is promised, and what the tests measured",
        "summary": f"{len(rows)} figures, all within what is promised. The tests fail where one is not.",
        "rows": rows,
    }


def ask_fuzz(folder: Path) -> dict[str, object]:
    """Run each fuzz target for an hour, or for FUZZ_SECONDS, one after the other."""
    seconds = int(os.environ.get("FUZZ_SECONDS", "3600"))
    logs = {}
    for target in fuzz.targets():
        command = [sys.executable, fuzz.__file__, target, "--seconds", str(seconds)]
        logs[target] = subprocess.run(command, stderr=subprocess.PIPE, text=True).stderr
    return fuzzed(logs)


def fuzzed(logs: dict[str, str]) -> dict[str, object]:
    """The figures that libFuzzer printed at the end of each target's run."""
    rows = []
    for target, log in logs.items():
        told = re.search(r"Done (\d+) runs in (\d+) second", log)
        grown = re.findall(r"corp: (\d+)/", log)
        rows.append({
            "target": target,
            "executions": int(told[1]) if told else "ended early",
            "minutes": round(int(told[2]) / 60) if told else "",
            "inputs grown": int(grown[-1]) if grown else 0,
            "finds": log.count("Test unit written to"),
        })  # fmt: skip
    return {
        "title": "Fuzzing: the parsers under atheris",
        "summary": "Each target states an invariant (tests/fuzz) that held at every execution, unless there are finds. Inputs that reach code "
        "which no vector reaches are kept in tests/fuzz/corpus.",
        "rows": rows,
    }


SUITES = {"h2spec": ask_h2spec, "autobahn": ask_autobahn, "faults": ask_faults, "fuzz": ask_fuzz}


def run(name: str) -> None:
    """Run one suite and keep its results."""
    with tempfile.TemporaryDirectory() as folder:
        keep(name, SUITES[name](Path(folder)))


def keep(name: str, told: dict[str, object]) -> None:
    document = {
        "title": told["title"],
        "when": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": f"python tests/conformance/page.py run {name}",
        **told,
    }
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(f"{name}: {told['summary']}")


def page() -> str:
    """The text of docs/conformance.md, made from the kept runs."""
    return "\n".join([INTRODUCTION, *(section(json.loads(path.read_text())) for path in sorted(KEPT.glob("*.json")))])


def section(document: dict[str, Any]) -> str:
    """The part of the page about one suite."""
    lines = [f"## {document['title']}", ""]
    versions = ", ".join(f"{name} {version}" for name, version in document.get("versions", {}).items())
    lines += [f"`{document['command']}`, {document['when']}{f', with {versions}' if versions else ''}.", ""]
    if "summary" in document:
        lines += [document["summary"], ""]
    if "counts" in document:
        lines += [f"The numbers between slashes count, in this order: {', '.join(document['counts'])}.", ""]
    columns = list(document["rows"][0])
    lines += [_line(columns), _line(["---"] * len(columns))]
    lines += [
        _line(" / ".join(map(str, cell)) if isinstance(cell, list) else str(cell) for cell in row.values())
        for row in document["rows"]
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "render"])
    parser.add_argument("suites", nargs="*", help=f"of {', '.join(SUITES)}; all but fuzz, which takes hours, unless told")
    options = parser.parse_args()
    if options.what == "run":
        for name in options.suites or [name for name in SUITES if name != "fuzz"]:
            run(name)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
