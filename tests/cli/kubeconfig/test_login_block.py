"""`l7gw kubeconfig CLUSTER --login` writes the block with which kubectl calls `l7gw login`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.cli.kubeconfig.login_block import API_VERSION
from tests.cli.test_check import run
from tests.support.written_configuration import Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    one = Written(tmp_path)
    one.entry["oidc"]["login"] = {"client-id": "l7gw"}
    return one


@pytest.fixture
def printed(written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def of(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
        written.load()
        address = ("--address", "localhost:8443", "--login", "--certificate-authority", written.folder / "ca.crt")
        status = run(monkeypatch, "kubeconfig", "prod", "--config", written.path, *address, *arguments)
        out, err = capsys.readouterr()
        return status, yaml.safe_load(out)["users"][0]["user"]["exec"] if status == 0 else {}, err

    return of


BASE = ["login", "--issuer", "https://idp.example.com", "--client-id", "l7gw", "--gateway", "localhost:8443"]


def test_the_block_calls_l7gw_login_for_the_issuer_and_this_gateway(printed: Any) -> None:
    status, block, err = printed()
    assert (status, err) == (0, "")
    hint = block.pop("installHint")
    assert "l7gw is not on this machine's PATH" in hint
    assert block == {
        "apiVersion": API_VERSION,
        "command": "l7gw",
        "args": BASE,
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": False,
    }


def test_scopes_token_command_and_authority_are_as_configured(written: Written, printed: Any) -> None:
    written.entry["oidc"]["certificate-authority"] = "ca.crt"
    written.entry["oidc"]["login"] = {"client-id": "desk", "scopes": ["api", "offline_access"], "token": "access", "port": 8250}
    status, block, err = printed("--login-command", "/opt/l7gw/bin/l7gw")
    authority = str((written.folder / "ca.crt").resolve())
    assert status == 0 and block["command"] == "/opt/l7gw/bin/l7gw"
    tail = [
        "--gateway",
        "localhost:8443",
        "--scope",
        "api offline_access",
        "--token",
        "access",
        "--certificate-authority",
        authority,
        "--port",
        "8250",
    ]
    assert block["args"] == ["login", "--issuer", "https://idp.example.com", "--client-id", "desk", *tail]
    assert f"{authority}, which is the issuer's authority: each client needs that file there" in err


def test_of_several_issuers_one_is_named(written: Written, printed: Any) -> None:
    second = {"oidc": {"issuer": "https://b.example.com", "audience": "l7gw", "login": {"client-id": "l7gw"}}, "prefix": "b:"}
    written.top["identity"].append(second)
    status, _, err = printed()
    assert status == 2 and "--issuer, one of https://idp.example.com or https://b.example.com" in err
    assert printed("--issuer", "https://b.example.com")[1]["args"][2] == "https://b.example.com"
    assert printed("--issuer", "https://c.example.com")[0] == 2


def test_without_a_login_in_the_configuration_the_words_name_the_key(written: Written, printed: Any) -> None:
    del written.entry["oidc"]["login"]
    status, _, err = printed()
    assert status == 2 and "no issuer of the configuration has a `login`" in err


@pytest.mark.parametrize("more", [("--login-command", "bin/l7gw"), ("--edit", "kubeconfig")])
def test_a_relative_command_and_an_edit_are_wrong_usage(printed: Any, more: tuple[str, ...]) -> None:
    assert printed(*more)[0] == 2
