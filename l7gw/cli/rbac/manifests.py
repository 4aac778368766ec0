"""Objects of RBAC as YAML for people: a comment before each part, and one rule a line with what it is for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from l7gw.cluster.rbac_render import Part
from l7gw.plainyaml import dumped
from l7gw.recording.terminal.unseen import safe


def text_of(parts: Iterable[Part]) -> str:
    """The parts as documents of YAML, which `kubectl apply -f -` takes. A part without objects is comments alone."""
    found = ""
    for part in parts:
        said = "".join(f"# {safe(line)}".rstrip() + "\n" for line in part.about)
        notes = iter(part.rules)
        texts = [_object(one, notes) for one in part.objects]
        separator = "---\n" if found and texts else ""
        found += separator + said + "---\n".join(texts)
    return found


def _object(made: dict[str, Any], notes: Iterable[str]) -> str:
    """One object. Each rule takes the next of the notes, "" for none."""
    if "rules" not in made:
        return dumped(made, flow=None)
    head = {key: value for key, value in made.items() if key != "rules"}
    lines = [dumped(head, flow=None).rstrip("\n"), "rules:" if made["rules"] else "rules: []"]
    for rule in made["rules"]:
        note = next(iter(notes), "")
        if note:
            lines.append(f"  # {safe(note)}")
        lines.append(f"  - {dumped(rule, flow=True).rstrip()}")
    return "\n".join(lines) + "\n"
