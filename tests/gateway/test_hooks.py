"""Hooks in a running gateway: what they deny, what they end, and that one that fails lets nothing pass."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import until
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene

ACTS = """
import json
from dataclasses import asdict
from pathlib import Path

class Acts:
    def act(self, act):
        Path(__file__).with_name("seen").open("a").write(json.dumps(asdict(act), default=sorted) + "\\n")
        if act.name == "denied":
            return "nobody reads this"
        if act.name == "broken":
            raise ValueError("hunter2")
"""
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def write(folder: Path, source: str) -> dict[str, Any]:
    """A folder with one module, and the hook's entry without a name."""
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "acme.py").write_text(source)
    (folder / "acme.py").chmod(0o644)
    return {"path": str(folder)}


@pytest.fixture
def acts(tmp_path: Path) -> Iterator[Scene]:
    entry = write(tmp_path / "hooks", ACTS)
    with scene(tmp_path, hooks=[{"name": "acts", "object": "acme:Acts", **entry}]) as it:
        yield it


def get(it: Scene, name: str) -> tuple[int, Any]:
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {CONFIG_MAPS}/{name}"))
        status, _, body = client.answer()
    return status, json.loads(body) if status >= 400 else body


def test_a_call_is_denied_by_a_hook_with_its_reason_and_the_hook_is_the_rule(acts: Scene) -> None:
    assert get(acts, "fine")[0] == 200
    status, body = get(acts, "denied")
    assert (status, body["reason"]) == (403, "Forbidden")
    assert body["message"] == "l7gw: denied by hook 'acts': nobody reads this"
    assert {"reason": "L7GWRule", "message": "hook-acts"} in body["details"]["causes"]
    (session,) = acts.gateway.sessions()
    assert session["denied"] == 1
    verdicts = [event for event in acts.gateway.events(session["id"]) if event["type"] == "verdict"]
    assert [(event["verdict"], event["rule"]) for event in verdicts] == [("allow", "all"), ("deny", "hook-acts")]
    assert b"denied" not in acts.upstream.received


def test_a_hook_is_not_asked_about_what_the_policy_denies(tmp_path: Path) -> None:
    entry = write(tmp_path / "hooks", ACTS)
    policy = "rules: [{name: pods, resources: [pods], verdict: allow}]"
    with scene(tmp_path, policy=policy, hooks=[{"name": "acts", "object": "acme:Acts", **entry}]) as it:
        assert "no rule allows it" in get(it, "denied")[1]["message"]
        assert not (tmp_path / "hooks" / "seen").exists()


def test_a_hook_that_fails_denies_the_call_and_the_log_says_where(acts: Scene) -> None:
    status, body = get(acts, "broken")
    assert status == 403
    assert body["message"] == "l7gw: the hook acts failed, and nothing passes without it; tell whoever runs l7gw"
    assert "hook acts: failed at one act: ValueError at acme.py:12: 'hunter2'" in acts.gateway.log
    assert get(acts, "fine")[0] == 200


def test_a_hook_is_given_who_asks_and_what_but_no_credential(acts: Scene, tmp_path: Path) -> None:
    get(acts, "fine")
    written = (tmp_path / "hooks" / "seen").read_text()
    seen = json.loads(written)
    assert (seen["caller"]["user"], seen["caller"]["groups"], seen["cluster"]) == ("ann@example.com", ["engineers"], "test")
    assert (seen["verb"], seen["resource"], seen["namespace"], seen["name"]) == ("get", "configmaps", "default", "fine")
    assert seen["effects"] == ["read"]
    assert acts.token not in written and acts.token.split(".")[2] not in written


def test_a_reload_takes_the_changed_hook_and_keeps_the_former_where_it_cannot_be_used(acts: Scene, tmp_path: Path) -> None:
    assert get(acts, "new")[0] == 200
    write(tmp_path / "hooks", ACTS.replace('"denied"', '"new"'))
    _reload(acts, "configuration read again")
    assert get(acts, "new")[0] == 403 and get(acts, "denied")[0] == 200
    write(tmp_path / "hooks", "def broken(:\n")
    _reload(acts, "the changed configuration is not used, the former stays in force")
    assert "hook acts: acme cannot be imported: SyntaxError at acme.py:1" in acts.gateway.log
    assert get(acts, "new")[0] == 403 and get(acts, "denied")[0] == 200


def _reload(it: Scene, said: str) -> None:
    """Send SIGHUP, and wait until the log says the words."""
    before = it.gateway.log.count(said)
    assert it.gateway.process is not None
    it.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: it.gateway.log.count(said) > before)


def test_a_gateway_does_not_start_with_a_hook_that_cannot_be_used(tmp_path: Path) -> None:
    entry = write(tmp_path / "hooks", "class Acts: pass\n")
    with (
        pytest.raises(AssertionError, match=r"hook acts: Acts has none of the methods act, object, frames"),
        scene(tmp_path, hooks=[{"name": "acts", "object": "acme:Acts", **entry}]),
    ):
        pass
