"""Identity as clients and operators meet it: the largest token over every protocol, and an issuer that cannot be reached."""

from __future__ import annotations

import base64
import contextlib
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from l7gw.identity.claims import MOST_GROUPS
from l7gw.identity.oidc import LARGEST_TOKEN
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.raw_client import RawClient, upgrade
from tests.support.scene import Scene
from tests.support.scripted_upstream import OK, ScriptedUpstream, answering
from tests.support.served_issuer import ServedIssuer

EXEC = "/api/v1/namespaces/default/pods/web-0/exec?command=id&stdout=true"


def largest(it: Scene) -> str:
    """A token of as many groups and bytes as are accepted, to within a letter or two of base64."""
    groups = ["engineers", *(f"g{number:05}" for number in range(MOST_GROUPS - 1))]
    left = (LARGEST_TOKEN - len(it.issuer.token("ann@example.com", groups))) * 3 // 4
    tokens = (it.issuer.token("ann@example.com", groups, pad="x" * pad) for pad in range(left - 20, left))
    return max((token for token in tokens if len(token) <= LARGEST_TOKEN), key=len)


@pytest.fixture(scope="module")
def token(shared: Scene) -> str:
    found = largest(shared)
    assert LARGEST_TOKEN - 3 < len(found) <= LARGEST_TOKEN
    return found


@pytest.mark.parametrize("http2", [False, True])
def test_the_largest_token_fits_into_the_head_of_both_https(it: Scene, token: str, http2: bool) -> None:
    it.upstream.script = answering(OK)
    trust = ssl.create_default_context(cafile=it.gateway.authority.certificate)
    with httpx.Client(http2=http2, verify=trust, trust_env=False) as client:
        for _ in range(2):
            answer = client.get(f"https://127.0.0.1:{it.gateway.port}/api/v1/pods", headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2" if http2 else "HTTP/1.1"), answer.text
    assert b"l7gw:engineers\r\n" in it.upstream.received


def test_the_largest_token_fits_into_a_websockets_subprotocols(it: Scene, token: str) -> None:
    packed = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    headers = upgrade(f"base64url.bearer.authorization.k8s.io.{packed}, v5.channel.k8s.io")
    with RawClient(it.gateway) as client:
        client.send("\r\n".join([f"GET {EXEC} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())
        client.answer()
    assert b"l7gw:engineers\r\n" in it.upstream.received and packed.encode() not in it.upstream.received


@contextlib.contextmanager
def before_nothing(folder: Path, issuer: ServedIssuer) -> Iterator[Gateway]:
    oidc = {"issuer": issuer.url, "audience": "l7gw", "certificate-authority": str(issuer.certificate_authority)}
    with ScriptedUpstream(folder / "upstream", answering(OK)) as upstream:
        settings: dict[str, object] = {"identity": [{"oidc": oidc}], "clusters": {"test": upstream.cluster()}}
        with Gateway(folder / "gateway", settings, EVERYTHING) as gateway:
            yield gateway


def test_an_issuer_that_redirects_is_reported_to_the_operator_at_the_start_and_to_callers(tmp_path: Path) -> None:
    with ServedIssuer(tmp_path) as issuer:
        issuer.moved = "https://login.example.com/?tenant=\u00e9"
        with before_nothing(tmp_path, issuer) as gateway:
            assert gateway.process is not None and gateway.process.stdout is not None
            said = gateway.process.stdout.readline()
            assert said.startswith(
                f"l7gw: not ready for tokens of {issuer.url}: {issuer.url}/.well-known/openid-configuration answered"
            )
            assert "it redirects to 'https://login.example.com/?tenant=" in said and "hint: configure the issuer's own URL" in said
            status, body = asked(gateway, issuer)
            assert status == 503 and b"it has never reached the issuer's keys" in body and b"login.example.com" not in body
            issuer.moved = ""
            gateway.process.send_signal(signal.SIGHUP)
            assert gateway.process.stdout.readline() == f"l7gw: ready for tokens of {issuer.url}\n"
            assert asked(gateway, issuer)[0] == 200


def asked(gateway: Gateway, issuer: ServedIssuer) -> tuple[int, bytes]:
    with RawClient(gateway) as client:
        client.send(f"GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {issuer.token()}\r\n\r\n".encode())
        status, _, body = client.answer()
        return status, body
