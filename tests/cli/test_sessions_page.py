"""docs/sessions.md shows what the commands print, and has each key of their JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from l7gw.cli.columns import Column, table
from l7gw.cli.sessions.show import NEWEST
from l7gw.cli.sessions.story import Story
from l7gw.recording import events as e
from l7gw.recording.failed_logins import FailedLogins
from l7gw.recording.masked import Masked
from tests.support.told_calls import BEGAN, POD, made

PAGE = (Path(__file__).parent.parent.parent / "docs" / "sessions.md").read_text()
CLIENT = "kubectl/v1.33.1"


def block(command: str) -> str:
    found = re.search(rf"```console\n\$ {command}[^\n]*\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_story_on_the_page_is_what_show_prints() -> None:
    masked = Masked()
    masked.add(e.MaskRecorded(1, 4, "secret-data", "data.password", 7, "89abcdef", False))
    get = e.RunStarted(BEGAN, "1f0c9a3e-1111-4222-8333-444455556666", f"{CLIENT} (linux/amd64) kubernetes/8adc0f0", "kubectl get")
    delete = e.RunStarted(BEGAN, "2a4c5ef0-2222-4333-8444-555566667777", CLIENT, "kubectl delete")
    execute = e.RunStarted(BEGAN, "3b5d6ff1-3333-4444-8555-666677778888", CLIENT, "kubectl exec")
    script = f"{POD}/exec?command=sh&command=-c&command=rm%20-rf%20/tmp/x&stdin=true&tty=true&container=main"
    denied: dict[str, Any] = {"verdict": "deny", "rule": "no deletes", "reason": "denied by guardrail 'no deletes': ask sre first"}
    calls = [
        made(1, get, "GET", "/api"), made(2, get, "GET", "/apis"), made(3, get, "GET", "/openapi/v3"),
        made(4, get, "GET", "/api/v1/namespaces/dev/secrets/s", down=1234, masked=masked),
        made(5, delete, "DELETE", POD, seconds=3, status=403, outcome="denied", down=309, **denied),
        made(6, execute, "POST", script, seconds=60, rule="oncall", status=101, outcome="cut", why="the policy changed", up=3, down=4096,
             ended=BEGAN + 125 * 1_000_000),
    ]  # fmt: skip
    lines = Story(calls, only=None, unfolded=False, most=None).lines("prod", BEGAN, 80)
    assert "\n".join(lines) + "\n" == block("l7gw sessions show")


def test_the_list_on_the_page_has_the_columns_of_a_table_in_eighty_columns() -> None:
    columns = [Column("session"), Column("began"), Column("lasted"), Column("calls", right=True), Column("denied", right=True)]
    columns += [Column("who", broken=True), Column("cluster", broken=True)]
    rows = [
        ["01a22171-8a53", "11-28 10:02", "20m open", "14", "1", "ann@example.com", "prod"],
        ["01a22171-8a15", "11-28 09:16", "16m", "40", "", "failed log-ins (3 addresses)", "prod"],
        ["01a22171-8895", "11-27 18:52", "14h24m", "1032", "", "bot (agent)", "stage"],
    ]
    assert "\n".join(table(columns, rows, 77)) in block("l7gw sessions list")


def test_the_page_has_each_key_and_bound() -> None:
    call = made(1, None, "GET", "/api").document()
    failed = FailedLogins([[e.VerdictRecorded(1, 1, "", "refused", "from ::1: no")]], whole=True).document()
    for key in [*call, "failed_logins", *failed, *failed["by"][0]]:
        assert f"`{key}`" in PAGE, key
    assert f"The newest {NEWEST} calls" in PAGE
