"""`l7gw kubeconfig CLUSTER` prints what a client needs, and no credential."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_check import run
from tests.support.written_configuration import Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


@pytest.fixture
def printed(written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def of(*arguments: str | Path, cluster: str = "prod") -> tuple[int, dict[str, Any], str]:
        written.load()
        status = run(monkeypatch, "kubeconfig", cluster, "--config", written.path, *arguments)
        out, err = capsys.readouterr()
        assert "PRIVATE" not in out and "token:" not in out
        return status, yaml.safe_load(out) if out else {}, err

    return of


def test_a_cluster_without_hosts_is_reached_by_its_path(written: Written, printed: Any) -> None:
    chain = (written.folder / "server.crt").read_text() + (written.folder / "ca.crt").read_text()
    (written.folder / "server.crt").write_text(chain)
    status, found, err = printed("--address", "localhost:8443")
    authority = base64.b64encode((written.folder / "ca.crt").read_bytes()).decode()
    assert (status, err) == (0, "")
    assert found["clusters"] == [
        {"name": "prod", "cluster": {"server": "https://localhost:8443/prod", "certificate-authority-data": authority}}
    ]
    assert found["users"] == [{"name": "prod", "user": {}}] and found["current-context"] == "prod"
    assert found["contexts"] == [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}]


def test_a_cluster_with_hosts_is_reached_by_its_server_name(written: Written, printed: Any) -> None:
    written.prod["hosts"] = ["localhost"]
    there = printed("--address", "10.0.0.5:8443", "--certificate-authority", written.folder / "ca.crt")[1]["clusters"][0]["cluster"]
    assert (there["server"], there["tls-server-name"]) == ("https://10.0.0.5:8443", "localhost")
    there = printed("--address", "localhost:8443")[1]["clusters"][0]["cluster"]
    assert there["server"] == "https://localhost:8443" and "tls-server-name" not in there


def test_kubeconfig_warns_on_stderr_of_what_would_make_clients_fail(printed: Any) -> None:
    status, _, err = printed("--address", "elsewhere.example:8443")
    assert status == 0 and "does not name elsewhere.example" in err and "hint: --certificate-authority" in err


@pytest.mark.parametrize("address", ["a:0", "a:65536", "a:x", "https://a:1", "a b:1", "::1:8443", ""])
def test_kubeconfig_with_something_that_is_no_address_is_wrong_usage(printed: Any, address: str) -> None:
    assert printed("--address", address)[0] == 2


@pytest.mark.parametrize(
    ("address", "told"), [("localhost", True), ("[::1]", True), ("localhost:443", False), ("[::1]:8443", False)]
)
def test_an_address_without_a_port_is_told_where_the_gateway_listens_elsewhere(printed: Any, address: str, told: bool) -> None:
    _, _, err = printed("--address", address)
    assert ("clients will come to 443, and the gateway listens on 8443" in err) is told
    assert (f"hint: --address {address}:8443, unless a balancer" in err) is told


def test_an_unknown_cluster_names_the_nearest(printed: Any) -> None:
    status, found, err = printed("--address", "a:1", cluster="prdo")
    assert status == 2 and not found and "did you mean prod?" in err
