"""`masking:` of the configuration in a running gateway: patterns, switches and fields count from the reload on, and a section with a
mistake, or with a test that fails, leaves the former in force."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.faults import ask, until
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import answering

TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
BODY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "d"},
    "data": {"note": f"EMP-123456 has {TOKEN}", "colour": "green-and-blue"},
}


def shown(it: Scene) -> str:
    body = json.dumps(BODY).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    it.upstream.script = answering(head + body)
    status, _, answer = ask(it, it.request("GET /api/v1/namespaces/d/configmaps/c"))
    assert status == 200
    return json.dumps(json.loads(answer)["data"])


def reload(it: Scene, masking: dict[str, Any], said: str) -> None:
    settings = yaml.safe_load(it.gateway.config.read_text())
    it.gateway.config.write_text(yaml.safe_dump(settings | {"masking": masking}))
    before = it.gateway.log.count(said)
    assert it.gateway.process is not None
    it.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: it.gateway.log.count(said) > before)


def test_a_reload_takes_the_section_and_keeps_the_former_where_it_has_a_mistake(tmp_path: Path) -> None:
    employee = {"name": "employee-id", "pattern": "EMP-[0-9]{6}"}
    with scene(tmp_path) as it:
        assert "EMP-123456" in shown(it) and TOKEN not in shown(it)
        fields = [{"kind": "ConfigMap", "path": "data.col*"}]
        reload(it, {"detectors": {"github-token": "off"}, "patterns": [employee], "fields": fields}, "configuration read again")
        now = shown(it)
        assert TOKEN in now and "EMP-123456" not in now and "green" not in now and "l7gw-masked-employee-id-" in now
        failing = {"patterns": [employee], "tests": [{"text": "EMP-1", "finds": ["employee-id"]}]}
        reload(it, failing, "the changed configuration is not used, the former stays in force")
        until(lambda: "a test of masking fails" in it.gateway.log)
        assert TOKEN in shown(it) and "EMP-123456" not in shown(it)


def test_a_gateway_does_not_start_with_a_pattern_that_matches_everything(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"matches too much"),
        scene(tmp_path, masking={"patterns": [{"name": "all", "pattern": ".+"}]}),
    ):
        pass
