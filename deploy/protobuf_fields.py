"""Writes l7gw/kube/objects/protobuf_fields.json: how Kubernetes' own kinds stand in protobuf, and what JSON calls their fields.

    python deploy/protobuf_fields.py > l7gw/kube/objects/protobuf_fields.json

Numbers and types come from the published `generated.proto` files, names and embedding from the `json` tags of the Go types beside
them (a field may be called otherwise in JSON: `$ref`). Both lie in the Go modules that tests/support/kubernetes/go.mod requires.

A message is one text: `NUMBER NAME TYPE` for each field, parted by semicolons. An empty NAME is an embedded struct whose fields
JSON writes as the outer one's; with a TYPE that begins with `[]` the message itself is a list. `map:TYPE` is a map with text keys.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = ["api", "apimachinery", "apiextensions-apiserver", "kube-aggregator", "metrics"]
LEFT_OUT = ("testapigroup", "runtime.schema")  # in no real API


def modules() -> tuple[str, list[Path]]:
    """The version of Kubernetes, such as v1.36.3, and the folders of its modules. They are fetched where they are missing."""
    wanted = [f"k8s.io/{name}" for name in MODULES]
    listed = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Path}} {{.Version}} {{.Dir}}", "k8s.io/kubernetes", *wanted],
        cwd=ROOT / "tests/support/kubernetes",
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(" ", 2) for line in listed.stdout.splitlines()]
    return rows[0][1], [Path(folder) for _, _, folder in rows[1:]]


def packages(folders: list[Path]) -> Iterator[tuple[str, Path]]:
    """The name of each protobuf package, and its file."""
    for folder in folders:
        for path in sorted(folder.rglob("generated.proto")):
            found = re.search(r"^package k8s\.io\.(\S+);", path.read_text(), re.MULTILINE)
            assert found is not None, path
            if not any(name in found[1] for name in LEFT_OUT):
                yield found[1], path


def short(package: str) -> str:
    """`core/v1` of `api.core.v1`, `meta/v1` of `apimachinery.pkg.apis.meta.v1`, `runtime` of `apimachinery.pkg.runtime`."""
    words = package.split(".")
    return "/".join(words[-2:]) if re.fullmatch(r"v\d+\w*", words[-1]) else words[-1]


def go_text(path: Path) -> str:
    """All hand-written Go of a package."""
    files = sorted(path.parent.glob("*.go"))
    return "\n".join(one.read_text() for one in files if not one.name.startswith(("zz_", "generated.")) and "_test" not in one.name)


def go_fields(go: str, message: str) -> tuple[dict[int, str], bool]:
    """The JSON name of each field number ("" where it is embedded), and whether the struct is a kind."""
    found = re.search(rf"^type {message} struct \{{(.*?)^\}}", go, re.MULTILINE | re.DOTALL)
    names: dict[int, str] = {}
    body = found[1] if found else ""
    for tags in re.findall(r"`([^`]*)`", body):
        number = re.search(r'protobuf:"\w+,(\d+),', tags)
        name = re.search(r'json:"([^",]*)', tags)
        if number is not None and name is not None:
            assert name[1] or "inline" in tags, (message, tags)
            names[int(number[1])] = name[1]
    return names, re.search(r'(?:metav1\.|v1\.|^\s*)TypeMeta\s+`json:",inline"', body, re.MULTILINE) is not None


def messages(name: str, path: Path) -> tuple[dict[str, str], list[str]]:
    """The messages of a package, and which of them are kinds."""
    here, go = short(name), go_text(path)
    found: dict[str, str] = {}
    kinds: list[str] = []
    for message, body in re.findall(r"^message (\w+) \{(.*?)^\}", path.read_text(), re.MULTILINE | re.DOTALL):
        names, is_kind = go_fields(go, message)
        is_list = re.search(rf"^type {message} \[\]", go, re.MULTILINE) is not None
        rows = []
        for label, kind, written, number in re.findall(r"^  (\w+|)\s?(map<.*>|\S+) (\w+) = (\d+);", body, re.MULTILINE):
            kind = re.sub(r"map<string, *(\S+)>", r"map:\1", kind)
            before, colon, last = kind.rpartition(":")
            if last.startswith(".k8s.io."):
                package, _, last = last.removeprefix(".k8s.io.").rpartition(".")
                last = f"{short(package)}.{last}"
            elif last[0].isupper():
                last = f"{here}.{last}"
            mark = "[]" if label == "repeated" else ""
            json_name = "" if is_list else names.get(int(number), written)
            rows.append(f"{number} {json_name} {mark}{before}{colon}{last}")
        found[f"{here}.{message}"] = ";".join(rows)
        if (is_kind and message != "Unknown") or (here, message) == ("core/v1", "List"):
            kinds.append(message)
    return found, kinds


def group(go: str) -> str | None:
    """The name of the API group that a package registers, "" for the core group."""
    found = re.search(r'GroupName\s*=\s*"([^"]*)"', go)
    return found[1] if found else None


def table() -> dict[str, object]:
    """The whole table."""
    version, folders = modules()
    all_messages: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for name, path in packages(folders):
        here = short(name)
        found, of_these = messages(name, path)
        all_messages |= found
        served = group(go_text(path)) if of_these else None
        for kind in of_these:
            assert served is not None, name
            api = f"{served}/{here.split('/')[-1]}".removeprefix("/")
            kinds[f"{api} {kind}"] = f"{here}.{kind}"
    return {"kubernetes": version, "kinds": dict(sorted(kinds.items())), "messages": dict(sorted(all_messages.items()))}


def text() -> str:
    """The table as the file has it: one message a line, so that the difference between two versions can be read."""
    return json.dumps(table(), indent=0) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
