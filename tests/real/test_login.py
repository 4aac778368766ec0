"""People log in at a real issuer, in a real browser, and real kubectls reach a real kube-apiserver by the token, through the gateway."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from l7gw.login.exec_credential import API_VERSIONS, VARIABLE
from l7gw.login.wanted import Wanted
from tests.support.both_ways import LOGIN_CLIENT, Both, versions
from tests.support.gateway_process import L7GW
from tests.support.kubernetes.cluster import RealCluster
from tests.support.login_browser import LoginBrowser, Opened, browser_or_skip
from tests.support.oidc_provider import OidcProvider

WITHIN = 60.0  # seconds for a command that asks nobody


@pytest.fixture(scope="module")
def browser() -> Iterator[LoginBrowser]:
    with browser_or_skip() as running:
        yield running


@dataclass
class Machine:
    """A person's machine: a cache of its own, and a $BROWSER whose addresses the test gets."""

    environment: dict[str, str]
    opened: Opened
    cache: Path

    def run(self, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """A command without a terminal."""
        return subprocess.run(
            command, env={**self.environment, **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN
        )

    @contextlib.contextmanager
    def at_terminal(self, *command: str | Path) -> Iterator[subprocess.Popen[str]]:
        """A command whose stdin is a terminal."""
        outer, inner = pty.openpty()
        process = subprocess.Popen(
            command, env=self.environment, stdin=inner, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        os.close(inner)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            os.close(outer)

    def kept(self) -> dict[str, Any]:
        (file,) = self.cache.glob("*.json")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def expire(self) -> None:
        """Let the kept tokens have ended."""
        (file,) = self.cache.glob("*.json")
        file.write_text(json.dumps({**self.kept(), "id_ends": 1.0, "access_ends": 1.0}))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    opened = Opened(tmp_path)
    environment = {**os.environ, **opened.environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop(VARIABLE, None)
    return Machine(environment, opened, tmp_path / "cache" / "l7gw" / "login")


def wanted(provider: OidcProvider, **changed: Any) -> Wanted:
    given = {"issuer": provider.issuer, "client_id": LOGIN_CLIENT, "gateway": "gw.example.com:8443", **changed}
    return Wanted(authority=str(provider.certificate_authority), **given)


@pytest.fixture(params=[version for version, _, is_long in versions() if not is_long])  # the oldest and the newest
def kubectl(request: pytest.FixtureRequest, cluster: RealCluster) -> Path:
    return cluster.kubectls()[request.param]


def test_kubectl_logs_in_at_the_browser_renews_and_is_logged_out(
    both_sides: Both, browser: LoginBrowser, machine: Machine, kubectl: Path, tmp_path: Path
) -> None:
    provider = both_sides.provider
    document = _kubeconfig(both_sides, machine)
    block = document["users"][0]["user"]["exec"]
    block["apiVersion"] = API_VERSIONS["1.29" in str(kubectl)]  # the oldest asks in v1beta1, which both take
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    get = (kubectl, "--kubeconfig", file, "get", "namespaces", "-o", "name")

    alone = machine.run(*get)
    assert alone.returncode == 1 and "nobody is logged in, and there is no terminal to ask at" in alone.stderr
    assert f"hint: run at a terminal: l7gw {' '.join(block['args'][:5])}" in alone.stderr

    with machine.at_terminal(*get) as process:
        address, page = browser.visit(machine.opened.url(), "ann@example.com")
        out, err = process.communicate(timeout=WITHIN)
    assert address.startswith("http://127.0.0.1:") and "You are logged in as ann@example.com. This page may be closed." in page
    assert process.returncode == 0 and "namespace/default" in out, err

    renewed = provider.counted("refresh_token")
    assert "namespace/default" in machine.run(*get).stdout
    assert provider.counted("refresh_token") == renewed
    machine.expire()
    with ThreadPoolExecutor() as pool:
        together = list(pool.map(lambda _: machine.run(*get), range(2)))
    assert all("namespace/default" in done.stdout for done in together), together
    assert provider.counted("refresh_token") == renewed + 1

    refresh = machine.kept()["refresh_token"]
    out = machine.run(L7GW, *block["args"], "--logout")
    assert (out.returncode, out.stderr) == (0, "") and out.stdout.startswith("logged out of")
    assert _renewal(provider, refresh) == {"error": "invalid_grant", "error_description": "grant request is invalid"}
    assert machine.run(*get).returncode == 1


def _kubeconfig(both: Both, machine: Machine) -> dict[str, Any]:
    """What `l7gw kubeconfig --login` writes for the gateway."""
    authority = both.gateway.authority.certificate
    where = ("--config", both.gateway.config, "--address", both.gateway.address, "--certificate-authority", authority)
    written = machine.run(L7GW, "kubeconfig", "real", *where, "--login", "--login-command", L7GW)
    assert written.returncode == 0, written.stderr
    document: dict[str, Any] = yaml.safe_load(written.stdout)
    return document


def _renewal(provider: OidcProvider, refresh: str) -> object:
    """What the issuer answers to a refresh token."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": LOGIN_CLIENT}
    trust = ssl.create_default_context(cafile=provider.certificate_authority)
    return httpx.post(f"{provider.issuer}/token", data=form, verify=trust, trust_env=False).json()


def test_who_cancels_at_the_browser_is_told_on_both_sides(both_sides: Both, browser: LoginBrowser, machine: Machine) -> None:
    with machine.at_terminal(L7GW, "login", *wanted(both_sides.provider).arguments()) as process:
        _, page = browser.visit(machine.opened.url(), "")
        out, err = process.communicate(timeout=WITHIN)
    assert "The login failed" in page and "access_denied" in page
    assert (process.returncode, out) == (1, "") and "the issuer says no: access_denied" in err


@pytest.mark.long
def test_a_login_by_device_code_is_made_at_another_machines_browser(
    both_sides: Both, browser: LoginBrowser, machine: Machine
) -> None:
    command = (L7GW, "login", "--device", *wanted(both_sides.provider).arguments())
    with machine.at_terminal(*command) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        assert "to log in, open" in lines[0]
        _, page = browser.visit(lines[1].strip(), "bob@example.com", lines[2].split()[-1])
        out, err = process.communicate(timeout=WITHIN)
    assert "Sign-in Success" in page
    assert process.returncode == 0 and out.startswith("bob@example.com is logged in at"), err


@pytest.mark.long
def test_an_access_token_reaches_the_gateway_where_the_issuer_gives_jwts(
    both_sides: Both, browser: LoginBrowser, machine: Machine, tmp_path: Path
) -> None:
    asks = wanted(both_sides.provider, client_id="kubectl-access", token="access")
    with machine.at_terminal(L7GW, "login", *asks.arguments()) as process:
        browser.visit(machine.opened.url(), "ann@example.com")
        assert process.wait(WITHIN) == 0
    info = json.dumps({"apiVersion": API_VERSIONS[0], "kind": "ExecCredential", "spec": {"interactive": False}})
    credential = json.loads(machine.run(L7GW, "login", *asks.arguments(), **{VARIABLE: info}).stdout)
    through = both_sides.gateway.kubeconfig("real", credential["status"]["token"], name="access.kubeconfig")
    newest = max(both_sides.cluster.kubectls().items())[1]
    assert "namespace/default" in machine.run(newest, "--kubeconfig", through, "get", "namespaces", "-o", "name").stdout


@pytest.mark.long
def test_the_python_client_calls_it_as_kubectl_does(
    both_sides: Both, browser: LoginBrowser, machine: Machine, tmp_path: Path
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(_kubeconfig(both_sides, machine)))
    lists = (
        "import sys; from kubernetes import client, config; config.load_kube_config(sys.argv[1])\n"
        "print(*(one.metadata.name for one in client.CoreV1Api().list_namespace().items))"
    )
    command = (sys.executable, "-c", lists, file)
    alone = machine.run(*command)
    assert "nobody is logged in, and there is no terminal to ask at" in alone.stderr
    block = yaml.safe_load(file.read_text())["users"][0]["user"]["exec"]
    with machine.at_terminal(block["command"], *block["args"]) as process:  # as the words say
        browser.visit(machine.opened.url(), "ann@example.com")
        assert process.wait(WITHIN) == 0
    assert "default" in machine.run(*command).stdout.split()


@pytest.mark.long
def test_many_processes_at_once_renew_once(both_sides: Both, browser: LoginBrowser, machine: Machine) -> None:
    provider = both_sides.provider
    asks = wanted(provider)
    with machine.at_terminal(L7GW, "login", *asks.arguments()) as process:
        browser.visit(machine.opened.url(), "ann@example.com")
        assert process.wait(WITHIN) == 0
    info = json.dumps({"apiVersion": API_VERSIONS[0], "kind": "ExecCredential", "spec": {"interactive": False}})
    machine.expire()
    renewed = provider.counted("refresh_token")
    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(lambda _: machine.run(L7GW, "login", *asks.arguments(), **{VARIABLE: info}), range(12)))
    assert len({one.stdout for one in done}) == 1 and not any(one.returncode for one in done), done
    assert provider.counted("refresh_token") == renewed + 1
