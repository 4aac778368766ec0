"""Client certificates of real kubectls in front of a real cluster: from intermediate authorities, expired, and of foreign
authorities."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from tests.conftest import missing
from tests.support.authorities import Issued, bundle, go_program, root
from tests.support.demo_issuer import issuing
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.go_programs import MissingGo
from tests.support.kubernetes.cluster import RealCluster
from tests.support.scene import identity


class People:
    """A gateway with two entries for client certificates: one trusts an intermediate authority alone, the other a root."""

    def __init__(self, folder: Path, cluster: RealCluster, issuer: DemoIssuer, issuing_authority: Authority) -> None:
        self.folder = folder
        self.cluster = cluster
        self.issuer = issuer
        self.middle = root("people").authority("middle")
        self.robots = root("robots")
        self.robots_middle = self.robots.authority("robots middle")
        entries: list[dict[str, Any]] = [
            {"client-certificate": {"certificate-authority": str(bundle(folder / "middle.crt", self.middle))}},
            {"client-certificate": {"certificate-authority": str(bundle(folder / "robots.crt", self.robots))}, "prefix": "robot:"},
            {**identity(issuer, issuing_authority), "prefix": "token:"},
        ]
        far = {
            "server": cluster.server,
            "certificate-authority": str(cluster.ca),
            "credential": {"client-certificate": str(cluster.gateway_certificate), "client-key": str(cluster.gateway_key)},
        }
        self.gateway = Gateway(folder / "gateway", {"identity": entries, "clusters": {"real": far}}, EVERYTHING)

    def kubectl(self, *shown: Issued, token: str | None = None) -> subprocess.CompletedProcess[str]:
        certificate, key = shown[0].write(self.folder / "client", *shown[1:])
        files = {"client-certificate": str(certificate), "client-key": str(key)}
        kubeconfig = self.gateway.kubeconfig("real", token, **files)
        return self.cluster.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig, check=False)

    def user(self, *shown: Issued, token: str | None = None) -> str:
        done = self.kubectl(*shown, token=token)
        assert done.returncode == 0, done.stderr
        extra: dict[str, list[str]] = json.loads(done.stdout)["status"]["userInfo"]["extra"]
        return extra["l7gw-user"][0]


@pytest.fixture(scope="module")
def people(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("people")
    authority = Authority(folder / "issuer", "issuer CA")
    with issuing(authority) as issuer:
        it = People(folder, cluster, issuer, authority)
        with it.gateway:
            yield it


def test_an_intermediate_authority_alone_lets_in_whom_it_signed(people: People) -> None:
    assert people.user(people.middle.client("ann")) == "ann"
    assert people.user(people.middle.client("ann"), people.middle) == "ann"


def test_of_two_entries_the_one_is_taken_whose_authority_vouches_for_the_intermediate(people: People) -> None:
    assert people.user(people.robots_middle.client("bot"), people.robots_middle) == "robot:bot"


def test_an_expired_certificate_is_told_so(people: People) -> None:
    done = people.kubectl(people.middle.client("ann", over=True))
    assert done.returncode == 1 and "the client certificate is expired" in done.stderr


def test_a_good_token_beside_an_expired_certificate_counts(people: People) -> None:
    token = people.issuer.token("lea@example.com", ["engineers"])
    assert people.user(people.middle.client("ann", over=True), token=token) == "token:lea@example.com"
    assert people.user(people.middle.client("ann"), token=token) == "ann"  # the entry for tokens stands first


def test_a_foreign_certificate_is_cut_and_the_log_says_why_once(people: People) -> None:
    foreign = root("foreign").client("eve")
    # In TLS 1.3 the alert comes behind the client's own end of the handshake. Where Go reads it before it has begun to use the
    # connection, it tells no more than that there is none.
    told = "remote error: tls: unknown certificate authority"
    heard: list[str] = []
    while len(heard) < 3 or (told not in heard and len(heard) < 20):
        done = people.kubectl(foreign)
        cannot, _, why = done.stderr.strip().partition(": ")
        heard.append(why)
        assert (done.returncode, cannot) == (1, "Unable to connect to the server")
    assert told in heard and set(heard) <= {told, "http2: client conn could not be established"}
    (line,) = [line for line in people.gateway.log.splitlines() if "TLS handshake cut" in line]
    assert "127.0.0.1: " in line and "of no authority in `identity`" in line


def test_a_handshake_with_go_needs_no_second_client_hello(people: People) -> None:
    """Go's first ClientHello has a key share for X25519. A server that knows only P-256 costs each connection one more round
    trip."""
    try:
        program = go_program()
    except MissingGo as error:
        missing(f"the handshake is Go's: {error}")
    command = [program, "dial", people.gateway.address, people.gateway.authority.certificate]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shaken = json.loads(done.stdout)
    assert (shaken["version"], shaken["retried"]) == ("TLS 1.3", False) and shaken["group"].startswith("X25519")
