"""Each answer to `l7gw init` is taken, or refused by the name of its option and with what to type."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from l7gw.cli.init import wanted as init_wanted
from l7gw.demo.pki import Authority


def refused(given: Callable[[], object]) -> str:
    with pytest.raises(click.UsageError) as told:
        given()
    return told.value.message


class Written:
    """An administrator's kubeconfig, which a test changes. Its credential is a canary."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "admin.kubeconfig"
        self.pem = Authority(folder, "cluster CA").certificate.read_bytes()
        self.cluster: dict[str, Any] = {
            "server": "https://10.0.0.1:6443",
            "certificate-authority-data": base64.b64encode(self.pem).decode(),
        }
        self.name = "kubernetes"

    def read(self, context: str | None = None, server: str = "", authority: Path | None = None) -> init_wanted.Cluster:
        document = {
            "clusters": [{"name": self.name, "cluster": self.cluster}],
            "contexts": [{"name": "admin@k", "context": {"cluster": self.name, "user": "admin"}}],
            "users": [{"name": "admin", "user": {"token": "CANARY"}}],
            "current-context": "admin@k",
        }
        self.path.write_text(yaml.safe_dump(document))
        return init_wanted.from_kubeconfig(self.path, context, server, authority)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def test_server_and_authority_are_taken_from_a_kubeconfig_and_its_credential_is_not(written: Written) -> None:
    found = written.read()
    assert (found.server, found.host, found.port, found.authority) == ("https://10.0.0.1:6443", "10.0.0.1", 6443, written.pem)
    assert found.kubectl == ("--kubeconfig", str(written.path)) and "CANARY" not in repr(found)
    assert written.read("admin@k").kubectl[2:] == ("--context", "admin@k")


def test_the_authority_may_be_a_file_beside_the_kubeconfig_or_one_that_is_given(written: Written) -> None:
    del written.cluster["certificate-authority-data"]
    assert "--certificate-authority FILE" in refused(written.read)
    written.cluster["certificate-authority"] = "ca.crt"
    assert written.read().authority == written.pem
    other = Authority(written.path.parent / "other").certificate
    assert written.read(authority=other).authority == other.read_bytes()


def test_a_server_that_is_given_counts_instead_of_the_kubeconfigs(written: Written) -> None:
    assert written.read(server="https://api.example.com").port == 443
    assert "--server must be https" in refused(lambda: written.read(server="http://10.0.0.1"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"server": "http://10.0.0.1:8080"}, "must be https://HOST[:PORT], not 'http://10.0.0.1:8080'"),
        ({"server": "https://rancher.example.com/k8s/clusters/c-1"}, "must be https://HOST[:PORT]"),
        ({"tls-server-name": "kubernetes"}, "has `tls-server-name: kubernetes`"),
        ({"tls-server-name": "k\n\x1b[2J"}, r"has `tls-server-name: k\x0a\x1b[2J`"),
        ({"certificate-authority-data": base64.b64encode(b"no PEM").decode()}, "holds no certificate in PEM"),
        ({"certificate-authority-data": base64.b64encode("é".encode()).decode()}, "holds no certificate in PEM"),
        ({"certificate-authority-data": None, "insecure-skip-tls-verify": True}, "insecure-skip-tls-verify"),
    ],
)
def test_a_cluster_that_a_gateway_cannot_reach_is_refused_in_words(written: Written, changed: dict[str, Any], said: str) -> None:
    written.cluster = {key: value for key, value in {**written.cluster, **changed}.items() if value is not None}
    message = refused(written.read)
    assert said in message and message.startswith("--kubeconfig")


def test_a_context_that_is_not_there_and_a_file_that_is_none_are_refused(written: Written, tmp_path: Path) -> None:
    assert "has no context 'prod'" in refused(lambda: written.read("prod")) and "admin@k" in refused(lambda: written.read("prod"))
    nowhere = tmp_path / "nowhere"
    assert (
        refused(lambda: init_wanted.from_kubeconfig(nowhere, None, "", None))
        == f"--kubeconfig {nowhere} cannot be read: no such file or directory"
    )
    assert "is a directory" in refused(lambda: init_wanted.from_kubeconfig(tmp_path, None, "", None))
    nowhere.write_text("- a list")
    assert "is no kubeconfig" in refused(lambda: init_wanted.from_kubeconfig(nowhere, None, "", None))


def test_a_server_without_a_kubeconfig_needs_an_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path).certificate
    assert init_wanted.from_server("https://[::1]:6443", authority).host == "::1"
    assert "whom to trust" in refused(lambda: init_wanted.from_server("https://10.0.0.1", None))
    assert "cannot be read" in refused(lambda: init_wanted.from_server("https://10.0.0.1", tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("kubernetes", "kubernetes"),
        ("arn:aws:eks:eu-west-1:111122223333:cluster/Prod_1", "prod-1"),
        ("kind-dev", "kind-dev"),
        ("api", "cluster"),
        ("---", "cluster"),
        ("x" * 70, "x" * 63),
    ],
)
def test_a_name_is_suggested_that_a_cluster_may_have(written: Written, name: str, suggested: str) -> None:
    written.name = name
    assert written.read().suggested == suggested
    assert init_wanted.cluster_name(suggested) == suggested


@pytest.mark.parametrize("text", ["", "Prod", "api", "l7gw", "a b", "-a", "x" * 64])
def test_a_name_that_no_cluster_can_have_is_refused(text: str) -> None:
    assert refused(lambda: init_wanted.cluster_name(text)).startswith("--cluster")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gw.example.com:8443", ("gw.example.com:8443", "gw.example.com", 8443)),
        ("GW.example.com", ("GW.example.com:8443", "gw.example.com", 8443)),
        ("10.0.0.5:443", ("10.0.0.5:443", "10.0.0.5", 443)),
        ("[::1]", ("[::1]:8443", "::1", 8443)),
    ],
)
def test_an_address_is_host_and_port_and_the_port_may_be_left_out(text: str, found: tuple[str, str, int]) -> None:
    assert init_wanted.addressed(text) == found


@pytest.mark.parametrize("text", ["", "https://gw.example.com", "gw.example.com:0", "gw.example.com:70000", "a b", "::1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert refused(lambda: init_wanted.addressed(text)).startswith("--address")


@pytest.mark.parametrize(
    ("host", "listens"),
    [
        ("localhost", "127.0.0.1:1"),
        ("127.0.0.2", "127.0.0.2:1"),
        ("::1", "[::1]:1"),
        ("gw.example.com", "0.0.0.0:1"),
        ("127.example.com", "0.0.0.0:1"),
    ],
)
def test_the_gateway_listens_on_loopback_alone_where_clients_come_by_that(host: str, listens: str) -> None:
    assert init_wanted.listening(None, host, 1) == listens
    assert init_wanted.listening("[::]:2", host, 1) == "[::]:2"
    assert refused(lambda: init_wanted.listening("8443", host, 1)).startswith("--listen")


@pytest.mark.parametrize(
    "text", ["http://idp.example.com", "idp.example.com", "https://idp.example.com?a=b", "https://idp.example.com#a", "https://"]
)
def test_an_issuer_without_https_is_refused(text: str) -> None:
    assert refused(lambda: init_wanted.issuer_url(text)).startswith("--issuer must be an https URL")


@pytest.mark.parametrize("text", ["", "system:masters", "system", "a b", "a,b", "-a", "é", "x" * 64])
def test_a_name_that_could_mean_something_else_in_the_cluster_is_refused(text: str) -> None:
    assert refused(lambda: init_wanted.named(text, "--user")).startswith("--user")
    assert init_wanted.named("ann@example.com", "--user") == "ann@example.com"


@pytest.mark.parametrize("text", ["", "Dev", "a/b"])
def test_what_no_namespace_is_called_is_refused(text: str) -> None:
    assert refused(lambda: init_wanted.namespace(text)).startswith("--namespace")


def test_the_kubeconfig_that_kubectl_would_take_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert init_wanted.default_kubeconfig() is None
    usual, other = tmp_path / ".kube" / "config", tmp_path / "other"
    usual.parent.mkdir()
    for path in (usual, other):
        path.touch()
    assert init_wanted.default_kubeconfig() == usual
    monkeypatch.setenv("KUBECONFIG", str(other))
    assert init_wanted.default_kubeconfig() == other
    monkeypatch.setenv("KUBECONFIG", f"{other}:{usual}")  # which of them is meant nobody can know
    assert init_wanted.default_kubeconfig() is None
