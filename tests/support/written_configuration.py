"""A configuration without a mistake, which a test changes, writes and loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from l7gw.config.load import load, read
from l7gw.demo.pki import Authority, write_private
from tests.support.schema_fit import assert_fits


def _without_aliases(top: dict[str, Any]) -> str:
    """YAML without aliases: a value that is used twice is written twice."""
    return yaml.safe_dump(json.loads(json.dumps(top)), sort_keys=False)


class Written:
    """A configuration without a mistake, which a test changes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "l7gw.yaml"
        authority = Authority(folder)
        authority.server("server", "localhost")
        authority.client("gw", "gateway")
        write_private(folder / "token", b"t")
        (folder / "policy.yaml").write_text("rules: []\n")
        oidc = {"issuer": "https://idp.example.com", "audience": "l7gw"}
        credential = {"client-certificate": "gw.crt", "client-key": "gw.key"}
        self.prod: dict[str, Any] = {
            "server": "https://10.0.0.1:6443", "certificate-authority": "ca.crt", "credential": credential
        }  # fmt: skip
        self.entry: dict[str, Any] = {"oidc": oidc}
        self.top: dict[str, Any] = {
            "tls": {"certificate": "server.crt", "key": "server.key"}, "identity": [self.entry],
            "clusters": {"prod": self.prod}, "policy": "policy.yaml", "state": "state",
        }  # fmt: skip

    def load(self, more: str = "") -> Any:
        """The settings; `more` is YAML that is put behind the file."""
        self.path.write_text(_without_aliases(self.top) + more)
        settings = load(self.path)
        assert_fits(self.path)
        return settings

    def problems(self) -> list[str]:
        self.path.write_text(_without_aliases(self.top))
        return [problem.what for problem in read(self.path)[2]]
