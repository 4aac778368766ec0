"""Before it writes `l7gw init` asks whether the cluster answers, with no credential; where it does not, it says which step failed."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import click
import pytest

from l7gw.cli.init.reached import reached
from l7gw.cli.init.wanted import Cluster
from l7gw.demo.pki import Authority
from tests.support.scripted_upstream import ScriptedUpstream, Visit, answering

VERSION = b'{"gitVersion": "v1.36.0\\u001b[2J"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(VERSION) + VERSION
REFUSAL = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"


def cluster(host: str, port: int, authority: bytes) -> Cluster:
    return Cluster(f"https://{host}:{port}", host, port, authority, "prod", ())


def refusal(place: Cluster) -> str:
    with pytest.raises(click.UsageError) as told:
        reached("prod", place)
    assert "nothing was written" in told.value.message and "\n  hint: " in told.value.message
    return told.value.message


@pytest.mark.parametrize(("answer", "said"), [(ANSWER, "Kubernetes v1.36.0\\u001b[2J"), (REFUSAL, "an API server")])
def test_a_cluster_that_answers_is_told_and_was_shown_no_credential(tmp_path: Path, answer: bytes, said: str) -> None:
    with ScriptedUpstream(tmp_path, answering(answer)) as upstream:
        place = cluster("127.0.0.1", upstream.port, upstream.authority.certificate.read_bytes())
        assert reached("prod", place) == f"{place.server} answers: {said}."
        assert b"GET /version " in upstream.received and b"uthorization" not in upstream.received


def test_a_cluster_of_another_authority_is_told_as_that(tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", "another CA").certificate.read_bytes()
    with ScriptedUpstream(tmp_path / "upstream", answering(ANSWER)) as upstream:
        said = refusal(cluster("127.0.0.1", upstream.port, other))
    assert "TLS: " in said and "signed by CN=upstream CA" in said and "--offline" in said


def test_a_certificate_for_other_names_is_told_with_the_names(tmp_path: Path) -> None:
    with ScriptedUpstream(tmp_path, answering(ANSWER)) as upstream:
        said = refusal(cluster("localhost", upstream.port, upstream.authority.certificate.read_bytes()))
    assert "does not name localhost" in said and "127.0.0.1" in said


def test_a_port_that_nobody_listens_on_and_a_name_without_an_address_are_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path).certificate.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    assert "TCP: " in refusal(cluster("127.0.0.1", port, authority))
    assert "DNS: nowhere.invalid has no address" in refusal(cluster("nowhere.invalid", 443, authority))


def test_what_speaks_no_tls_and_what_hangs_up_are_told(tmp_path: Path) -> None:
    def hangs_up(visit: Visit) -> None:
        visit.head()

    authority = Authority(tmp_path / "other").certificate.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as plain:
        speaker = threading.Thread(target=lambda: plain.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), daemon=True)
        speaker.start()
        assert "TLS: " in refusal(cluster("127.0.0.1", int(plain.getsockname()[1]), authority))
        speaker.join(10)
    with ScriptedUpstream(tmp_path / "upstream", hangs_up) as upstream:
        assert "answer: " in refusal(cluster("127.0.0.1", upstream.port, upstream.authority.certificate.read_bytes()))
