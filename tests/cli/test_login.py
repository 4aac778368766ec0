"""`l7gw login`: what kubectl is given, what a person is told, and exit 1 in words where there is no token."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from l7gw.login.cache import Cache
from l7gw.login.exec_credential import API_VERSIONS, VARIABLE
from l7gw.login.kept import Kept
from tests.cli.test_check import run
from tests.support.login_issuer import wanted
from tests.support.token_issuer import ISSUER

TOKEN = "eyJ0.eyJ0b2tlbiI6MX0.c2ln"
REFRESH = "refresh-token-that-nobody-may-see"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path


@pytest.fixture
def said(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def of(*more: str, arguments: list[str] | None = None) -> tuple[int, str, str]:
        status = run(monkeypatch, "login", *(wanted().arguments() if arguments is None else arguments), *more)
        out, err = capsys.readouterr()
        assert REFRESH not in out + err and TOKEN not in err
        return status, out, err

    return of


def kubectl_asks(monkeypatch: pytest.MonkeyPatch, version: str = API_VERSIONS[0], **spec: object) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps({"apiVersion": version, "spec": spec}))


def keep(**changed: Any) -> None:
    kept = Kept(wanted())
    now = time.time()
    given = {"id_token": TOKEN, "refresh_token": REFRESH, "user": "ann", "obtained": now, "id_ends": now + 3600, **changed}
    for name, value in given.items():
        setattr(kept, name, value)
    cache = Cache(make=True)
    cache.write(wanted(), kept)
    cache.close()


@pytest.mark.parametrize("version", API_VERSIONS)
def test_kubectl_is_given_a_credential_of_the_version_that_it_asks_for(
    said: Any, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    keep()
    kubectl_asks(monkeypatch, version)
    status, out, err = said()
    credential = json.loads(out)
    assert (status, err) == (0, "") and credential["apiVersion"] == version and credential["status"]["token"] == TOKEN


def test_by_hand_it_says_who_is_logged_in_and_until_when(said: Any) -> None:
    keep(id_ends=4_000_000_000.0)
    status, out, err = said()
    assert (status, err) == (0, "") and TOKEN not in out
    assert out.startswith(f"ann is logged in at {ISSUER} for gw.example.com:8443; the token is good until 2096-10-02 07:06:40 ")
    assert out.endswith(", and it is renewed until the issuer ends it\n")


@pytest.mark.parametrize("spec", [{}, {"interactive": True}])  # the tests' own stdin is no terminal
def test_without_a_terminal_kubectl_is_told_what_to_type(
    said: Any, monkeypatch: pytest.MonkeyPatch, spec: dict[str, object]
) -> None:
    kubectl_asks(monkeypatch, **spec)
    status, out, err = said()
    assert (status, out) == (1, "")
    assert err.startswith(
        "l7gw: nobody is logged in, and there is no terminal to ask at\n  hint: run at a terminal: l7gw login --issuer"
    )


def test_the_gateway_in_the_words_is_the_one_that_kubectl_tells(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl_asks(monkeypatch, cluster={"server": "https://gw.example.com/prod"})
    assert "--gateway gw.example.com:443" in said(arguments=wanted(gateway="").arguments())[2]


@pytest.mark.parametrize("told", ["{}", "nonsense", '{"apiVersion": "client.authentication.k8s.io/v1alpha1"}'])
def test_another_version_of_the_api_is_told(said: Any, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    keep()
    monkeypatch.setenv(VARIABLE, told)
    status, out, err = said()
    assert (status, out) == (1, "") and "KUBERNETES_EXEC_INFO" in err


@pytest.mark.parametrize("port", ["0", "65536", "any"])
def test_a_port_that_is_none_is_wrong_usage(said: Any, port: str) -> None:
    status, out, err = said("--port", port)
    assert (status, out) == (2, "") and "--port" in err


def test_what_to_type_names_the_port(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl_asks(monkeypatch)
    assert said("--port", "8250")[2].endswith(" --port 8250\n")


def test_an_issuer_is_https(said: Any) -> None:
    status, _, err = said(arguments=["--issuer", "http://127.0.0.1:1", "--client-id", "kubectl"])
    assert status == 1 and "--issuer is no issuer" in err


def test_an_issuer_that_is_not_there_is_told(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(id_ends=1.0)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # so that nothing leaves this machine
    status, out, err = said()
    assert (status, out) == (1, "") and "idp.example.com cannot be reached" in err


def test_a_cache_that_others_can_use_is_told_with_its_remedy(said: Any, home: Path) -> None:
    keep()
    folder = home / "l7gw" / "login"
    folder.chmod(0o755)
    status, _, err = said()
    assert status == 1 and f"chmod go-rwx {folder}" in err


def test_a_cache_that_cannot_be_made_is_told(said: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
    status, _, err = said()
    assert status == 1 and "the cache of logins cannot be used" in err


def test_an_authority_file_that_is_not_there_is_named(said: Any) -> None:
    status, _, err = said("--certificate-authority", "none.crt")
    assert status == 1 and "none.crt cannot be used as certificate authority: No such file" in err


def test_a_logout_where_nobody_is_logged_in_is_no_failure(said: Any) -> None:
    assert said("--logout") == (0, f"nobody is logged in at {ISSUER} for gw.example.com:8443\n", "")


def test_a_logout_forgets_and_tells_that_the_issuer_was_not_reached(said: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    status, out, err = said("--logout")
    assert status == 1 and out.startswith("logged out of") and "goes on at the issuer until it ends by itself" in err
    assert not list((home / "l7gw" / "login").glob("*.json"))


@pytest.mark.parametrize("option", ["--client-id", "--gateway", "--scope"])
@pytest.mark.parametrize("text", ["\udcff", "\x1b[2J", "a\u202eb"])
def test_an_option_that_is_no_text_is_told(said: Any, option: str, text: str) -> None:
    status, out, err = said(arguments=["--issuer", ISSUER, "--client-id", "kubectl", option, text])
    assert (status, out) == (1, "") and f"l7gw: {option} has characters" in err and "Traceback" not in err


def test_a_server_that_is_no_text_is_told(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl_asks(monkeypatch, cluster={"server": "https://\ud800"})
    assert said(arguments=wanted(gateway="").arguments())[0] == 1
