"""Policies to start from. They are printed to be copied and changed; nothing includes them."""

from __future__ import annotations

from pathlib import Path

NAMES = ("read-only-agents", "break-glass", "prod-needs-two", "no-secrets", "pci")
_FOLDER = Path(__file__).parent / "shipped"


def text_of(name: str) -> str | None:
    """The policy file of a pack, None where there is no pack of this name. A space may stand for a hyphen."""
    name = name.replace(" ", "-")
    return (_FOLDER / f"{name}.yaml").read_text() if name in NAMES else None


def about(name: str) -> str:
    """What a pack is for: the comment at its head, in one line."""
    lines = (text_of(name) or "").splitlines()
    head = [line[2:] for line in lines[: next(at for at, line in enumerate(lines) if not line.startswith("# "))]]
    return " ".join(head)
