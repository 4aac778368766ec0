"""`l7gw init`, from an installed wheel and an empty home, to a kubectl call at a real cluster: by typing what it printed, and no more."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.demo.issuer import AUDIENCE
from l7gw.demo.pki import Authority
from tests.support.demo_issuer import issuing
from tests.support.installed_wheel import ROOT, Installed, build, install
from tests.support.kubernetes.build import Built
from tests.support.kubernetes.cluster import RealCluster

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
TYPED_WITHIN = 60.0  # seconds for one line
READY = "l7gw: ready on"


@pytest.fixture(scope="module")
def own_cluster(cluster_programs: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A cluster whose roles `view` and `edit` are filled, as the controller of a whole cluster fills them."""
    with RealCluster.start(tmp_path_factory.mktemp("own"), cluster_programs) as running:
        for name in ("view", "edit"):
            path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregate-to-{name}"
            status, parts = running.request("GET", path)
            assert status == 200
            head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
            running.apply({**head, "rules": parts["rules"]})
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


class Typist:
    """Somebody who types, line by line, what `l7gw init` printed behind `Type, in this order:`. `said` has what each line printed."""

    def __init__(self, installed: Installed, cluster: RealCluster, more: dict[str, str]) -> None:
        environment = installed.environment()
        self._environment = {**environment, "PATH": f"{installed.bin}:{cluster.built.folder}:{environment['PATH']}", **more}
        self._home = installed.home
        self.said: dict[str, str] = {}

    def typed(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TYPED_WITHIN,
        )

    @contextlib.contextmanager
    def serving(self, line: str) -> Iterator[None]:
        log = self._home / "gateway.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self._home, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip
        try:
            assert process.stdout is not None
            assert any(said.startswith(READY) for said in iter(process.stdout.readline, "")), log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(30)

    def all_of(self, printed: str, stack: contextlib.ExitStack) -> None:
        """Type every line. The gateway runs until the stack is left."""
        for line in printed.split("Type, in this order:\n")[1].splitlines():
            if not line or line.startswith("#"):
                continue
            if " serve " in line:
                stack.enter_context(self.serving(line))
                continue
            done = self.typed(line)
            assert done.returncode == 0, f"{line}\n{done.returncode}\n{done.stdout}\n{done.stderr}"
            self.said[line] = done.stdout + done.stderr

    def of(self, words: str) -> str:
        """What the one line said that has these words."""
        [found] = [said for line, said in self.said.items() if words in line]
        return found


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
    typist = Typist(installed, own_cluster, {})
    people, agent = (f"--kubeconfig {installed.home}/gateway/{name}.kubeconfig" for name in ("prod", "prod-agent"))
    with contextlib.ExitStack() as stack:
        typist.all_of(made.stdout, stack)
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
        typist = Typist(installed, own_cluster, {"TOKEN": issuer.token("ann@example.com", ["platform"])})
        typist.all_of(made.stdout, stack)
        check_found_nothing(typist)
        assert "seen-by-token" in typist.of("prod.kubeconfig get pods")
        assert "ann@example.com" in typist.of("sessions list")
