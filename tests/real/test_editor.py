"""yaml-language-server, which is behind VS Code, Neovim and others, understands the schemas of `l7gw config schema`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from l7gw.cli.main import cli
from tests.npm.install import MissingNode, node_modules
from tests.support.examples import EXAMPLES, NAMES

DRIVER = Path(__file__).parent.parent / "npm" / "editor.mjs"
WITHIN = 60.0  # seconds; it starts in two, and reads a file in less than one

WRONG = """listen: 0.0.0.0:8443
tls: server.crt
state: state
policy: policy.yaml
identity: [{oidc: {issuer: "https://idp.example.com", audience: l7gw}}]
clusters: {prod: {eks: {name: prod, region: eu-west-1}, credential: {token-file: gw.token}}}
log: {access: on, formt: json}
warnings: none
"""
WRONG_POLICY = """rules:
  - {name: a, verdict: deny, mask: [email]}
  - {name: b, verdict: allow, effects: [reads]}
"""
BEGUN = """rules:
  - name: a
    verdict: allow
    """


def _named(schema: str, text: str) -> str:
    """A file that names its schema, as the help of `config schema` says it: in its first line."""
    return f"# yaml-language-server: $schema={schema}\n{text}"


def _modules() -> Path:
    try:
        return node_modules()
    except MissingNode as missing:
        if os.environ.get("L7GW_NO_SKIP") == "1":
            raise
        pytest.skip(str(missing))


def test_an_editor_marks_mistakes_where_they_stand_and_completes_keys(tmp_path: Path) -> None:
    modules = _modules()
    for words, name in (([], "l7gw"), (["--policy"], "policy")):
        (tmp_path / f"{name}.schema.json").write_text(CliRunner().invoke(cli, ["config", "schema", *words]).stdout)
    texts = {
        **{
            f"{name}-{file}.yaml": (file, (EXAMPLES / name / f"{file}.yaml").read_text())
            for name in NAMES
            for file in ("l7gw", "policy")
        },
        "wrong.yaml": ("l7gw", WRONG),
        "wrong-policy.yaml": ("policy", WRONG_POLICY),
        "begun.yaml": ("policy", BEGUN),
    }
    for name, (schema, text) in texts.items():
        (tmp_path / name).write_text(_named(f"{schema}.schema.json", text))
    command = ["node", str(DRIVER), str(modules), *(str(tmp_path / name) for name in texts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    told = dict(zip(texts, said["diagnostics"], strict=True))
    assert not [name for name in texts if not name.startswith("wrong") and told[name]]
    assert sorted(one.split(":")[0] for one in told["wrong.yaml"]) == ["3", "8", "9"]
    assert "8: Property formt is not allowed." in told["wrong.yaml"]
    assert told["wrong-policy.yaml"][0] == "3: Property mask is not allowed." and told["wrong-policy.yaml"][1].startswith("4: ")
    assert {"reveal", "budget", "effects"} <= set(said["offered"]) and not {"name", "verdict", "rules"} & set(said["offered"])
