"""l7gw.yaml as typed settings: the meaning of its keys, and each mistake with its line."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw import names
from l7gw.config.load import find, load, read
from l7gw.config.settings import (
    Certificate,
    ClientCertificate,
    ClientCredential,
    KindRule,
    OidcIssuer,
    Recording,
    TokenFile,
)
from l7gw.demo.pki import Authority, write_private
from l7gw.errors import ConfigurationError
from l7gw.policy.patterns import glob


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

    def load(self) -> Any:
        self.path.write_text(_without_aliases(self.top))
        return load(self.path)

    def problems(self) -> list[str]:
        self.path.write_text(_without_aliases(self.top))
        return [problem.what for problem in read(self.path)[2]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


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


@pytest.mark.parametrize(
    "key", ["admin", "masking", "reviews", "limits", "store", "proxy-protocol", "people", "socket", "console", "hooks", "log"]
)
def test_keys_that_are_not_built_yet_say_so(written: Written, key: str) -> None:
    written.top[key] = {}
    assert written.problems() == [f"`{key}` is not in this version"]


def test_values_and_inner_keys_that_are_not_built_yet_say_so_and_nothing_else(written: Written) -> None:
    written.top["workers"] = 2
    written.top["identity"].append({"aws": {}, "prefix": "x:"})
    written.top["clusters"]["eks"] = {"eks": {}, "credential": {"aws": {}}, "retention": "400d"}
    found = written.problems()
    assert len(found) == 5 and all("not in this version" in what for what in found)


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


@pytest.mark.parametrize("name", ["api", "apis", "openapi", "version", "healthz", "livez", "readyz", "metrics", "l7gw"])
def test_a_cluster_cannot_be_named_as_an_api_root(written: Written, name: str) -> None:
    written.top["clusters"] = {name: written.prod}
    assert "is a path of the API" in written.problems()[0]


@pytest.mark.parametrize(
    "name, good", [("a", True), ("a" * 63, True), ("a" * 64, False), ("A", False), ("a.b", False), ("-a", False), ("a_b", False)]
)
def test_a_cluster_name_is_a_dns_label(written: Written, name: str, good: bool) -> None:
    written.top["clusters"] = {name: written.prod}
    assert (written.problems() == []) is good


def test_two_clusters_cannot_have_one_host_whatever_its_case(written: Written) -> None:
    written.top["clusters"] = {"a": written.prod | {"hosts": ["x.example"]}, "b": written.prod | {"hosts": ["X.example"]}}
    assert written.problems() == ["`hosts`: x.example belongs to cluster a already"]


@pytest.mark.parametrize("host", ["1.2.3.4", "*.example.com", "a:443", "a..b", "-a", "a_b", "::1", "a" * 64])
def test_a_host_is_a_server_name(written: Written, host: str) -> None:
    written.prod["hosts"] = [host]
    assert len(written.problems()) == 1


@pytest.mark.parametrize(
    "server",
    [
        *("http://a", "https://", "https://a/path", "https://u:p@a", "https://a?q", "https://a#f"),
        *("https://a:0", "https://a:x", "https://a b", "a:1", "https://[x"),
    ],
)
def test_a_server_is_https_host_and_port_and_nothing_else(written: Written, server: str) -> None:
    written.prod["server"] = server
    assert len(written.problems()) == 1


def test_two_issuers_can_never_name_the_same_person(written: Written) -> None:
    def of(*prefixes: str | None) -> list[str]:
        entries = [{"oidc": written.entry["oidc"]} | ({} if p is None else {"prefix": p}) for p in prefixes]
        written.top["identity"] = entries
        return written.problems()

    assert of(None, "a:") == [] and of("a:", "b:") == []
    assert len(of(None, None)) == 1 and len(of(None, "")) == 1 and len(of("a:", "a:")) == 1 and len(of(None, None, None)) == 2


@pytest.mark.parametrize("prefix", ["system:", "a,", " a", "a" * 65])
def test_a_prefix_that_no_cluster_would_take_is_reported(written: Written, prefix: str) -> None:
    written.prod["prefix"] = prefix
    assert len(written.problems()) == 1


@pytest.mark.parametrize("prefix", ["corp\u3164", "\u2800", "corp\ufe00:", "corp\u00a0", "bu\u0308ro:", "\u0301"])
@pytest.mark.parametrize("where", ["entry", "prod"])
def test_a_prefix_that_looks_like_another_is_reported_and_escaped(written: Written, prefix: str, where: str) -> None:
    getattr(written, where)["prefix"] = prefix
    (what,) = written.problems()
    assert "prefix" in what and names.quoted(prefix) in what


@pytest.mark.parametrize(
    "audience, found",
    [
        ("l7gw", ("l7gw",)),
        (["l7gw"], ("l7gw",)),
        (["b", "a", "b"], ("b", "a")),
        ([], None),
        ("", None),
        (7, None),
        (["a", 7], None),
    ],
)
def test_audiences_are_a_text_or_a_list(written: Written, audience: Any, found: tuple[str, ...] | None) -> None:
    written.entry["oidc"]["audience"] = audience
    if found is None:
        assert len(written.problems()) == 1
    else:
        (entry,) = written.load().identity
        assert isinstance(entry, OidcIssuer) and (entry.audiences, entry.any_audience) == (found, False)


@pytest.mark.parametrize("inside, beside, found", [("any-of", None, True), (None, "any-of", True), ("exact", None, False)])
def test_audiences_may_stand_in_oidc_or_beside_it(written: Written, inside: Any, beside: Any, found: bool) -> None:
    written.entry["oidc"] |= {"audiences": inside} if inside else {}
    written.entry |= {"audiences": beside} if beside else {}
    (entry,) = written.load().identity
    assert isinstance(entry, OidcIssuer) and entry.any_audience is found


@pytest.mark.parametrize(
    "inside, beside, said",
    [
        ({"audiences": "any"}, {}, "any-of"),
        ({"audiences": "exact"}, {"audiences": "exact"}, "stands in `oidc` and beside it"),
        ({}, {"email-verified": "if-present"}, "`username: email`"),
        ({"username": "email"}, {"email-verified": "never"}, "require or if-present"),
        ({"username": "email"}, {"email-verified": False}, "one line of text"),
        ({}, {"longest-lifetime": "401d"}, "within 60s and 400d"),
        ({}, {"longest-lifetime": "59s"}, "within 60s and 400d"),
        ({}, {"longest-lifetime": 3600}, "a duration such as"),
        ({}, {"longest-lifetime": "1h30m"}, "a duration such as"),
        ({}, {"longest-lifetime": "-1h"}, "a duration such as"),
    ],
)
def test_a_setting_of_tokens_that_does_not_fit_its_entry_is_reported(
    written: Written, inside: dict[str, Any], beside: dict[str, Any], said: str
) -> None:
    written.entry["oidc"] |= inside
    written.entry |= beside
    (what,) = written.problems()
    assert said in what


@pytest.mark.parametrize("lifetime, seconds", [("400d", 400 * 86400), ("1m", 60), ("36h", 129600), ("90s", 90)])
def test_the_longest_lifetime_is_a_duration(written: Written, lifetime: str, seconds: int) -> None:
    written.entry["longest-lifetime"] = lifetime
    (entry,) = written.load().identity
    assert isinstance(entry, OidcIssuer) and entry.longest_lifetime == seconds


@pytest.mark.parametrize(
    ("groups", "taken"), [(["a", "b-*"], ("a", "b-*")), ("*", ("*",)), (["x" * 512], ("x" * 512,)), (["*-" * 8], ("*-" * 8,))]
)
def test_the_groups_that_a_cluster_may_be_told_are_globs(written: Written, groups: Any, taken: tuple[str, ...]) -> None:
    written.prod["groups"] = groups
    assert written.load().clusters["prod"].groups == taken
    for group in taken:
        glob(group)  # a policy accepts the same globs


@pytest.mark.parametrize("groups", [[], [""], [7], {}, ["a,b"], ["x" * 513], ["*-" * 9], ["a\nb"]])
def test_a_value_that_is_no_glob_over_groups_is_reported(written: Written, groups: Any) -> None:
    written.prod["groups"] = groups
    assert len(written.problems()) == 1


def test_groups_are_accepted_only_where_the_gateway_impersonates(written: Written) -> None:
    written.prod |= {"groups": ["a"], "impersonate": "none"}
    assert written.problems() == ["`groups` go up where the gateway impersonates"]
    written.prod["impersonate"] = "user"
    assert written.problems() == []


@pytest.mark.parametrize(
    "kind",
    ["robot", {"claim": "k"}, {"agent": ["x"]}, {"claim": "k", "agent": []}, {"claim": "k", "agent": ["x"], "human": ["x"]}, 7],
)
def test_a_kind_rule_that_decides_nothing_is_reported(written: Written, kind: Any) -> None:
    written.entry["kind"] = kind
    assert written.problems()


@pytest.mark.parametrize(
    "more",
    [
        {"require": {"a": "b"}},
        {"end-with-credential": True},
        {"longest-lifetime": "1h"},
        {"email-verified": "require"},
        {"kind": {"claim": "k", "agent": ["x"]}},
    ],
)
def test_a_certificate_has_no_claims(written: Written, more: dict[str, Any]) -> None:
    written.top["identity"] = [{"client-certificate": {"certificate-authority": "ca.crt"}} | more]
    assert len(written.problems()) == 1


def test_an_authority_that_openssl_takes_and_identity_cannot_read_is_reported(written: Written) -> None:
    """A `TRUSTED CERTIFICATE` also holds the purposes for which it is trusted (openssl-x509(1), -trustout)."""
    ca = written.folder / "ca.crt"
    trusted = ssl.PEM_cert_to_DER_cert(ca.read_text()) + bytes.fromhex("3000")
    (written.folder / "trusted.crt").write_text(ssl.DER_cert_to_PEM_cert(trusted).replace(" CERTIFICATE", " TRUSTED CERTIFICATE"))
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(written.folder / "trusted.crt")
    written.top["identity"] = [{"client-certificate": {"certificate-authority": "trusted.crt"}}]
    assert "BEGIN CERTIFICATE" in written.problems()[0]
    written.top["identity"] = [{"client-certificate": {"certificate-authority": "ca.crt"}}]
    assert written.problems() == []


@pytest.mark.parametrize("value", [7, None, [1], {"a": 1}, ""])
def test_a_required_claim_is_text_true_or_false(written: Written, value: Any) -> None:
    written.entry["require"] = {"a": value}
    assert len(written.problems()) == 1


@pytest.mark.parametrize("file", ["server.key", "gw.key", "token"])
@pytest.mark.parametrize("mode, good", [(0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o620, False)])
def test_secrets_that_others_can_read_are_refused(written: Written, file: str, mode: int, good: bool) -> None:
    if file == "token":
        written.prod["credential"] = {"token-file": "token"}
    (written.folder / file).chmod(mode)
    found = written.problems()
    assert (found == []) is good and (good or "by others" in found[0])


@pytest.mark.parametrize("mode, good", [(0o700, True), (0o2700, True), (0o750, False), (0o2750, False), (0o701, False)])
def test_a_state_that_others_can_look_into_is_refused(written: Written, mode: int, good: bool) -> None:
    (written.folder / "state").mkdir()
    (written.folder / "state").chmod(mode)
    assert (written.problems() == []) is good


def test_a_state_that_is_a_file_is_refused(written: Written) -> None:
    (written.folder / "state").write_text("")
    assert "is no folder" in written.problems()[0]


def test_a_certificate_with_another_key_is_reported(written: Written) -> None:
    written.top["tls"] = {"certificate": "server.crt", "key": "gw.key"}
    assert "are no certificate and its key" in written.problems()[0]


def test_an_encrypted_key_is_reported_and_nobody_is_asked_for_its_password(written: Written) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key((written.folder / "server.key").read_bytes(), None)
    locked = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    (written.folder / "server.key").write_bytes(locked)
    assert len(written.problems()) == 1


@pytest.mark.parametrize("missing", ["tls", "identity", "clusters", "policy"])
def test_a_key_without_which_nothing_works_is_required(written: Written, missing: str) -> None:
    del written.top[missing]
    assert len(written.problems()) == 1


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
