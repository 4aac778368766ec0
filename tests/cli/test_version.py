"""`l7gw version` says what runs, for people and as JSON."""

from __future__ import annotations

import json
import platform
import ssl
from pathlib import Path

from click.testing import CliRunner

import l7gw
from l7gw.cli.main import cli


def test_version_names_what_python_and_openssl_say_of_themselves() -> None:
    told = json.loads(CliRunner().invoke(cli, ["version", "-o", "json"]).stdout)
    assert told["python"] == platform.python_version() and told["openssl"] == ssl.OPENSSL_VERSION
    assert told["openssl_certificates"].startswith("OpenSSL ") and told["path"] == str(Path(l7gw.__file__).parent)
    shown = CliRunner().invoke(cli, ["version"]).stdout
    assert all(value in shown for value in told.values())
    assert CliRunner().invoke(cli, ["--version"], prog_name="l7gw").stdout == f"l7gw, version {told['version']}\n"
