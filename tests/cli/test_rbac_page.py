"""docs/eks.md shows what `l7gw rbac render` prints for the configuration and the policy that stand there."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.kube.existing_rbac import rules_in
from tests.support.cited_sources import DOCS, ROOT
from tests.support.journals import cli_run
from tests.support.written_configuration import Written

PAGE = (DOCS / "eks.md").read_text()
SHOWN: list[tuple[str, str]] = re.findall(r"```console\n\$ l7gw (rbac render [^\n]*)\n(.*?)```", PAGE, re.DOTALL)


def block(beginning: str) -> str:
    """The first block of YAML on the page that begins so."""
    found = re.search(rf"```yaml\n({beginning}.*?)```", PAGE, re.DOTALL)
    assert found is not None, beginning
    return found[1]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    found = Written(tmp_path)
    cluster: dict[str, Any] = yaml.safe_load(block(r"clusters:\n  prod:\n    eks: [^\n]*\n    credential: \{aws: "))["clusters"][
        "prod"
    ]
    found.prod.clear()
    found.prod |= cluster
    (tmp_path / "policy.yaml").write_text(block("# policy.yaml: whom the RBAC below names\n"))
    found.load()
    return found


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_is_printed(written: Written, capsys: pytest.CaptureFixture[str], command: str, printed: str) -> None:
    status, out, err = cli_run(capsys, *shlex.split(command), "--config", written.path)
    assert (status, err) == (0, "")
    assert out == printed, f"l7gw {command} prints something else than docs/eks.md shows"


def test_the_rbac_of_the_readme_is_part_of_what_is_printed_for_its_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (typed,) = [yaml.safe_load(text) for text in blocks if text.startswith("# rbac.yaml")]
    (policy,) = [text for text in blocks if text.startswith("# policy.yaml")]
    found = Written(tmp_path)
    (tmp_path / "policy.yaml").write_text(policy)
    found.load()
    _, out, _ = cli_run(capsys, "rbac", "render", "prod", "-o", "json", "--config", found.path)
    printed = set(rules_in(json.loads(out)[0]))
    assert {replace(rule, names=tuple(sorted(rule.names))) for rule in rules_in(typed)} <= printed


def test_the_page_shows_every_part() -> None:
    for form in ("cli", "cloudformation", "terraform", "trust-policy", "role-policy", "gateway-policy"):
        assert any(f"--format {form}" in command for command, _ in SHOWN), form
    assert any("--format" not in command for command, _ in SHOWN)
