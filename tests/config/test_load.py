"""l7gw.yaml as typed settings: the meaning of its keys, and each mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.config.load import find, load, load_without_tls, read
from l7gw.config.settings import (
    Certificate,
    ClientCertificate,
    ClientCredential,
    KindRule,
    OidcIssuer,
    Recording,
    TokenFile,
)
from l7gw.errors import ConfigurationError
from tests.support.written_configuration import Written


def test_the_defaults_are_those_of_the_contract(written: Written) -> None:
    del written.top["state"]
    written.top["state"] = "not-there-yet"
    it = written.load()
    assert it.listen == (("0.0.0.0", 8443),)
    assert it.state == written.folder / "not-there-yet"
    assert it.recording == Recording("writes", 2 * 1024**3)
    assert it.tls == Certificate(written.folder / "server.crt", written.folder / "server.key")
    assert it.identity == (OidcIssuer("https://idp.example.com", ("l7gw",), "sub", "", None, KindRule("human"), "", {}, False),)
    prod = it.clusters["prod"]
    assert (prod.impersonate, prod.prefix, prod.record, prod.hosts, prod.tls) == ("groups", "l7gw:", "all", (), None)
    assert prod.credential == ClientCredential(written.folder / "gw.crt", written.folder / "gw.key")


def test_every_key_of_the_contract_that_is_built_is_taken(written: Written) -> None:
    written.top |= {"listen": ["127.0.0.1:0", "[::1]:8443", "localhost:9"], "workers": "auto"}
    written.top["recording"] = {"durable": "all", "reserve": "64MiB"}
    written.entry["oidc"] |= {"username": "email", "groups": "realm_access.roles", "certificate-authority": "ca.crt"}
    written.entry["oidc"] |= {"audience": ["l7gw", "console"], "audiences": "any-of"}
    written.entry |= {"email-verified": "if-present", "longest-lifetime": "30d"}
    written.entry |= {"kind": {"claim": "k", "agent": ["bot"]}, "require": {"org": "acme", "mfa": True}, "prefix": "a:"}
    written.entry["end-with-credential"] = True
    written.top["identity"].append({"client-certificate": {"certificate-authority": "ca.crt"}, "kind": "workload"})
    written.prod |= {"hosts": ["PROD.example.com"], "tls": written.top["tls"], "credential": {"token-file": "token"}}
    written.prod |= {"impersonate": "none", "prefix": "", "record": "metadata", "server": "https://[2001:db8::1]"}
    it = written.load()
    assert it.listen == (("127.0.0.1", 0), ("::1", 8443), ("localhost", 9))
    assert it.recording == Recording("all", 64 * 1024**2)
    ca = written.folder / "ca.crt"
    kind, require = KindRule(None, "k", {"agent": ("bot",)}), {"org": "acme", "mfa": "true"}
    assert it.identity[0] == OidcIssuer(
        *("https://idp.example.com", ("l7gw", "console"), "email", "realm_access.roles", ca, kind, "a:", require, True),
        *(True, "if-present", 30 * 86400),
    )
    assert it.identity[1] == ClientCertificate(ca, KindRule("workload"), "")
    prod = it.clusters["prod"]
    assert (prod.hosts, prod.credential) == (("prod.example.com",), TokenFile(written.folder / "token"))
    assert (prod.impersonate, prod.prefix, prod.record) == ("none", "", "metadata")
    assert (prod.server_host, prod.server_port, prod.server_authority) == ("2001:db8::1", 443, "[2001:db8::1]")


def test_all_mistakes_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "l7gw.yaml"
    path.write_text(
        "listne: 1\n"
        "listen:\n- nowhere\n- 1.2.3.4:99999\n"
        "tls:\n  certificate: none.crt\n  key: none.key\n"
        "workers: 2\n"
        "identity:\n- oidc: {issuer: 'http://idp', audience: a}\n"
        "clusters:\n  api:\n    server: x\n"
        "policy: none.yaml\n"
    )
    assert [(p.file, p.line) for p in read(path)[2]] == [(str(path), n) for n in (1, 3, 4, 6, 7, 8, 10, 12, 12, 12, 13, 14)]
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert len(caught.value.problems) == 12


@pytest.mark.parametrize("key", ["admin", "proxy-protocol", "console"])
def test_keys_that_are_not_built_yet_say_so(written: Written, key: str) -> None:
    written.top[key] = {}
    assert written.problems() == [f"`{key}` is not in this version"]


def test_values_and_inner_keys_that_are_not_built_yet_say_so_and_nothing_else(written: Written) -> None:
    written.top["workers"] = 2
    written.top["clusters"]["eks"] = written.prod | {"retention": "400d"}
    found = written.problems()
    assert len(found) == 2 and all("not in this version" in what for what in found)


@pytest.mark.parametrize("workers, good", [("auto", True), (1, True), (True, False), (0, False), (-1, False), ("many", False)])
def test_workers_are_auto_or_one(written: Written, workers: Any, good: bool) -> None:
    written.top["workers"] = workers
    assert (written.problems() == []) is good


@pytest.mark.parametrize(
    "listen", ["x", ":8443", "1.2.3.4", "1.2.3.4:65536", "1.2.3.4:²", "1.2.3:80", "::1:80", "[x]:1", "a b:1", 8443]
)
def test_a_listen_value_that_is_no_address_is_reported(written: Written, listen: Any) -> None:
    written.top["listen"] = listen
    assert len(written.problems()) == 1


@pytest.mark.parametrize("mode, good", [(0o700, True), (0o2700, True), (0o750, False), (0o2750, False), (0o701, False)])
def test_a_state_that_others_can_look_into_is_refused(written: Written, mode: int, good: bool) -> None:
    (written.folder / "state").mkdir()
    (written.folder / "state").chmod(mode)
    assert (written.problems() == []) is good


def test_a_state_that_is_a_file_is_refused(written: Written) -> None:
    (written.folder / "state").write_text("")
    assert "is no folder" in written.problems()[0]


@pytest.mark.parametrize("missing", ["tls", "identity", "clusters", "policy"])
def test_a_key_without_which_nothing_works_is_required(written: Written, missing: str) -> None:
    del written.top[missing]
    written.problems()
    [problem] = read(written.path)[2]
    assert problem.hint, "what to write"


@pytest.mark.parametrize("key, empty", [("identity", []), ("clusters", {}), ("identity", {}), ("clusters", [])])
def test_an_empty_or_wrong_collection_is_one_mistake(written: Written, key: str, empty: Any) -> None:
    written.top[key] = empty
    assert len(written.problems()) == 1


def test_the_policy_is_known_even_where_the_rest_has_mistakes(written: Written) -> None:
    written.top["bad"] = 1
    written.problems()
    assert read(written.path)[:2] == (None, written.folder / "policy.yaml")


def test_the_configuration_is_found_by_option_then_environment_then_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L7GW_CONFIG", "/from/environment.yaml")
    assert find(Path("/given.yaml")) == Path("/given.yaml")
    assert find(None) == Path("/from/environment.yaml")
    monkeypatch.delenv("L7GW_CONFIG")
    assert find(None) == Path("/etc/l7gw/l7gw.yaml")


def test_the_certificate_of_one_cluster_may_be_missing_for_the_command_that_makes_it(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.prod |= {"hosts": ["prod.example.com"], "tls": {"certificate": "prod.crt", "key": "/keys/prod.key"}}
    written.top["clusters"]["stage"] = {**written.prod, "hosts": ["stage.example.com"]}
    assert len(written.problems()) == 4
    with pytest.raises(ConfigurationError):
        load_without_tls(written.path, "prod")
    del written.top["clusters"]["stage"]
    written.problems()
    settings, tls = load_without_tls(written.path, "prod")
    assert settings.clusters["prod"].tls is None and settings.clusters["prod"].hosts == ("prod.example.com",)
    assert tls == Certificate(tmp_path / "prod.crt", Path("/keys/prod.key"))
    del written.prod["tls"]
    written.load()
    assert load_without_tls(written.path, "prod")[1] is load_without_tls(written.path, "none")[1] is None
