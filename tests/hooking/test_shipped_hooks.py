"""The hooks that are shipped in deploy/hooks, as a user would name them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from l7gw.config.settings import Hook, HookPart
from l7gw.errors import ConfigurationError
from l7gw.hooking.hooked import Hooked
from l7gw.hooking.loader import load_hooks
from l7gw.hooks import Stream, View
from tests.test_hooks import ACT

SHIPPED = Path(__file__).parent.parent.parent / "deploy" / "hooks"
VALID, INVALID = "EMP-1234566", "EMP-1234567"
CANARY = b"l7gw-canary-change-me"


def load(folder: Path, target: str, *parts: HookPart) -> Hooked:
    module, _, name = target.partition(":")
    hook = Hook(name="h", module=module, class_name=name, path=folder, raw=False, parts=parts, line=1)
    return load_hooks([hook], folder / "l7gw.yaml")[0]


def fed(hook: Hooked, *frames: bytes, up: bool = False) -> list[list[tuple[int, int]] | str]:
    wire = hook.tripwire(Stream(ACT, "stdout", up))
    return [hook.fed(wire, data) for data in frames] if wire is not None else []


def test_a_canary_ends_the_stream_wherever_frames_part_it() -> None:
    hook = load(SHIPPED, "canary:Canary", "frame")
    told = "the output holds a canary"
    assert fed(hook, b"total 4\n", b"x " + CANARY + b" y") == [[], told]
    for at in range(1, len(CANARY)):
        assert fed(hook, b"a" * 50 + CANARY[:at], CANARY[at:]) == [[], told]
    assert fed(hook, *(CANARY[at : at + 1] for at in range(len(CANARY)))) == [[]] * (len(CANARY) - 1) + [told]
    assert fed(hook, CANARY[:-1], b"x") == [[], []]


def test_the_hook_of_the_page_can_be_used_as_it_stands(tmp_path: Path) -> None:
    page = (SHIPPED.parent.parent / "docs/hooks.md").read_text()
    (named,) = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["hooks"]
    module, _, name = named["object"].partition(":")
    (tmp_path / f"{module}.py").write_text(page.split("```python\n")[1].split("```")[0])
    hook = load(tmp_path, named["object"])
    assert (module, name) == ("acme_hooks", "Acme") and hook.parts == {"act", "object", "frame"}
    assert fed(hook, b"x", b"BEGIN DUMP") == [[], "a dump was printed"]


def test_what_is_typed_is_not_searched_for_canaries() -> None:
    assert load(SHIPPED, "canary:Canary").tripwire(Stream(ACT, "stdin", True)) is None


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "short\n"])
def test_a_list_without_a_canary_or_with_a_short_one_is_a_mistake(tmp_path: Path, text: str) -> None:
    shutil.copy(SHIPPED / "canary.py", tmp_path)
    (tmp_path / "canaries.txt").write_text(text)
    with pytest.raises(ConfigurationError, match=r"Canary\(\) failed: ValueError at canary.py:\d+: 'canaries.txt needs one text"):
        load(tmp_path, "canary:Canary")


def test_an_employee_number_is_known_by_its_checksum() -> None:
    hook = load(SHIPPED, "employee_number:EmployeeNumber")
    assert hook.parts == {"object", "frame"}
    line = f"{VALID} {INVALID} x{VALID} {VALID}0 {VALID}.".encode()
    assert fed(hook, line) == [[(0, 11), (len(line) - 12, len(line) - 1)]]
    value = {"spec": {"owner": f"ask {VALID}", "other": INVALID, "lone": "\ud800"}, "items": [{"n": VALID}]}
    view = View(ACT, sent=False, api_version="v1", kind="Team", namespace="", name="", make=lambda: value)
    assert hook.masks(view) == ["spec.owner", "items[0].n"]
