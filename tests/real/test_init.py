"""`l7gw init`, from an installed wheel and an empty home, to a kubectl call at a real cluster: by typing what it printed, and no more."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.demo.issuer import AUDIENCE
from l7gw.demo.pki import Authority
from tests.support.demo_issuer import issuing
from tests.support.installed_wheel import ROOT, Installed, build, install
from tests.support.kubernetes.build import Built
from tests.support.kubernetes.cluster import RealCluster
from tests.support.kubernetes.usual_roles import fill_usual_roles
from tests.support.typist import Typist

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def own_cluster(cluster_programs: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with RealCluster.start(tmp_path_factory.mktemp("own"), cluster_programs) as running:
        fill_usual_roles(running)
        yield running


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(build(ROOT, tmp_path_factory.mktemp("wheel")), tmp_path_factory.mktemp("installed"))


@pytest.fixture
def installed(environment: Installed, tmp_path: Path) -> Installed:
    """The installed l7gw, with an empty home for this test."""
    home = tmp_path / "home"
    home.mkdir()
    return Installed(environment.bin, home)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def typist_of(installed: Installed, cluster: RealCluster, more: dict[str, str]) -> Typist:
    environment = installed.environment()
    path = f"{installed.bin}:{cluster.built.folder}:{environment['PATH']}"
    return Typist(installed.home, {**environment, "PATH": path, **more})


def type_all(typist: Typist, printed: str, stack: contextlib.ExitStack) -> None:
    """Type, line by line, what `l7gw init` printed behind `Type, in this order:`. The gateway runs until the stack is left."""
    for line in printed.split("Type, in this order:\n")[1].splitlines():
        if line and not line.startswith("#"):
            typist.line(line, stack)


def pod(cluster: RealCluster, name: str) -> None:
    """A Pod that is nowhere scheduled: it is there to be seen."""
    spec = {"containers": [{"name": "a", "image": "none"}], "nodeSelector": {"kubernetes.io/hostname": "nowhere"}}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec})


def check_found_nothing(typist: Typist) -> None:
    said, online = typist.of("l7gw check --config"), typist.of("l7gw check --online")
    assert "can be used" in said and not re.search(r"^l7gw: ", said, re.MULTILINE), said
    assert re.search(r"[1-9][0-9]* green, 0 yellow, 0 red", online), online


def test_who_types_what_init_printed_comes_to_a_call_by_a_client_certificate(
    own_cluster: RealCluster, installed: Installed
) -> None:
    pod(own_cluster, "seen-by-certificate")
    made = installed.run(
        *("l7gw", "init", "gateway", "--yes", "--kubeconfig", own_cluster.admin, "--context", "it", "--cluster", "prod"),
        *("--address", f"localhost:{free_port()}", "--user", "ann"),
    )
    typist = typist_of(installed, own_cluster, {})
    people, agent = (f"--kubeconfig {installed.home}/gateway/{name}.kubeconfig" for name in ("prod", "prod-agent"))
    with contextlib.ExitStack() as stack:
        type_all(typist, made.stdout, stack)
        check_found_nothing(typist)
        for caller in (people, agent):
            assert "seen-by-certificate" in typist.of(f"kubectl {caller} get pods")
        assert "ann" in typist.of("sessions list") and "bot:first" in typist.of("sessions list")
        by_agent = typist.typed(f"kubectl {agent} delete pod seen-by-certificate")
        assert by_agent.returncode == 1 and "no rule allows it" in by_agent.stderr
        elsewhere = typist.typed(f"kubectl {people} delete configmap kube-root-ca.crt -n kube-system")
        assert elsewhere.returncode == 1 and "no rule allows it" in elsewhere.stderr
        by_ann = typist.typed(f"kubectl {people} delete pod seen-by-certificate --now")
        assert by_ann.returncode == 0, by_ann.stderr


def test_who_types_what_init_printed_comes_to_a_call_with_a_token_of_the_issuer(
    own_cluster: RealCluster, installed: Installed, tmp_path: Path
) -> None:
    pod(own_cluster, "seen-by-token")
    authority = Authority(tmp_path / "issuer", "issuer CA")
    with issuing(authority) as issuer, contextlib.ExitStack() as stack:
        made = installed.run(
            *("l7gw", "init", "gateway", "--yes", "--kubeconfig", own_cluster.admin, "--cluster", "prod"),
            *("--address", f"localhost:{free_port()}", "--group", "platform", "--issuer", issuer.url),
            *("--audience", AUDIENCE, "--username", "name", "--issuer-ca", authority.certificate),
        )
        typist = typist_of(installed, own_cluster, {"TOKEN": issuer.token("ann@example.com", ["platform"])})
        type_all(typist, made.stdout, stack)
        check_found_nothing(typist)
        assert "seen-by-token" in typist.of("prod.kubeconfig get pods")
        assert "ann@example.com" in typist.of("sessions list")
