"""README, "In front of a cluster of your own": the first hour is typed as it stands before a real cluster, and the example of the part
"By hand" lets people and agents do what its rules say."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.demo.issuer import AUDIENCE
from l7gw.demo.pki import Authority
from tests.support.demo_issuer import issuing
from tests.support.kubernetes.build import Built
from tests.support.kubernetes.cluster import RealCluster
from tests.support.kubernetes.usual_roles import fill_usual_roles
from tests.support.typist import Typist

ROOT = Path(__file__).parent.parent.parent
SECTION = (ROOT / "README.md").read_text().split("## In front of a cluster of your own\n")[1].split("\n## ")[0]
FIRST_HOUR, BY_HAND = SECTION.split("\n### By hand\n")
TYPED = [line for block in re.findall(r"^```sh\n(.*?)^```", FIRST_HOUR, re.MULTILINE | re.DOTALL) for line in block.splitlines()]
FILES = re.findall(r"^```yaml\n# ([a-z0-9.]+)(.*?)^```", BY_HAND, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def own_cluster(cluster_programs: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with RealCluster.start(tmp_path_factory.mktemp("own"), cluster_programs) as running:
        fill_usual_roles(running)
        running.namespace("dev")
        running.pod("web-0")
        yield running


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


class Reader(Typist):
    """A reader of README, in an empty home with the programs on the PATH and an administrator's kubeconfig in its usual place."""

    def __init__(self, cluster: RealCluster, home: Path) -> None:
        home.mkdir()
        (home / ".venv").symlink_to(Path(sys.executable).parent.parent)
        (home / ".kube").mkdir()
        shutil.copy(cluster.admin, home / ".kube" / "config")
        path = f"{home}/.venv/bin:{cluster.built.folder}:{os.environ['PATH']}"
        super().__init__(
            home, {"HOME": str(home), "PATH": path, "L7GW_CONFIG": str(home / "gateway" / "l7gw.yaml"), "LANG": "C.UTF-8"}
        )


def test_the_first_hour_can_be_typed_as_it_stands(own_cluster: RealCluster, tmp_path: Path) -> None:
    reader, port = Reader(own_cluster, tmp_path / "home"), free_port()
    with contextlib.ExitStack() as stack:
        for line in TYPED:
            if line.startswith(("make install", "export ")):
                continue  # the reader has what they give
            reader.line(line.replace(":8443", f":{port}"), stack, status=1 if "delete" in line else 0)
        assert re.search(r"[1-9][0-9]* green, 0 yellow, 0 red", reader.of("check --online")), reader.said
        for who in ("prod", "prod-agent"):
            assert "web-0" in reader.of(f"gateway/{who}.kubeconfig get pods")
        assert "no rule allows it" in reader.of("delete pod")
        assert "bot:first" in reader.of("sessions list") and "DELETE" in reader.of("grep web-0")


def test_the_example_by_hand_lets_people_and_agents_do_what_its_rules_say_and_nothing_else(
    own_cluster: RealCluster, tmp_path: Path
) -> None:
    reader, port = Reader(own_cluster, tmp_path / "home"), free_port()
    folder = tmp_path / "home" / "gateway"
    folder.mkdir()
    server, bots = Authority(folder / "server"), Authority(folder / "bots", "bots")
    gateway = own_cluster.gateway_certificate, own_cluster.gateway_key
    for name, pair in (("server", server.server("server", "localhost")), ("gw", gateway)):
        for path, ending in zip(pair, ("crt", "key"), strict=True):
            shutil.copy(path, folder / f"{name}.{ending}")
        (folder / f"{name}.key").chmod(0o600)
    shutil.copy(own_cluster.ca, folder / "prod-ca.crt")
    shutil.copy(bots.certificate, folder / "bots-ca.crt")
    with issuing(Authority(folder / "issuer", "issuer CA")) as issuer, contextlib.ExitStack() as stack:
        for name, text in FILES:
            text = text.replace("0.0.0.0:8443", f"127.0.0.1:{port}").replace("/var/lib/l7gw", "state")
            text = text.replace("https://10.0.0.1:6443", own_cluster.server)
            entry = f'{issuer.url}", certificate-authority: issuer/ca.crt, audience: {AUDIENCE}, username: name'
            text = text.replace('https://idp.example.com", audience: l7gw, username: email', entry)
            (folder / name).write_text(f"# {name}{text}")
        reader.line("kubectl apply -f gateway/rbac.yaml", stack)
        reader.line("kubectl create clusterrolebinding l7gw --clusterrole=l7gw --user=l7gw-gateway", stack)
        reader.line("kubectl create clusterrolebinding engineers --clusterrole=edit --group=l7gw:engineers", stack)
        reader.line("kubectl create clusterrolebinding agents --clusterrole=edit --group=l7gw:bot:agents", stack)
        reader.line("l7gw check", stack)
        assert "l7gw: " not in reader.of("l7gw check"), reader.of("l7gw check")  # no warnings
        reader.line("l7gw serve", stack)
        reader.line(
            f"l7gw kubeconfig prod --address localhost:{port} --certificate-authority gateway/server/ca.crt > people", stack
        )
        reader.line("cp people agents", stack)
        token = issuer.token("ann@example.com", ["engineers"])
        reader.line(f"kubectl config set-credentials prod --kubeconfig people --token={token}", stack)
        certificate, key = bots.client("agent", "first", ("agents",))
        reader.line(
            f"kubectl config set-credentials prod --kubeconfig agents --client-certificate={certificate} --client-key={key}",
            stack,
        )
        for status, words, line in (
            (0, "web-0", "kubectl --kubeconfig people get pods"),
            (0, "created", "kubectl --kubeconfig people create configmap a -n dev"),
            (1, "no rule allows it", "kubectl --kubeconfig people create configmap a -n default"),
            (0, "web-0", "kubectl --kubeconfig agents get pods"),
            (0, "PID", "kubectl --kubeconfig agents exec web-0 -- ps"),
            (1, "no rule allows it", "kubectl --kubeconfig agents exec web-0 -- rm -r /var/log"),
            (1, "no rule allows it", "kubectl --kubeconfig agents get configmaps"),
        ):
            reader.line(line, stack, status=status)
            assert words in reader.of(line), reader.of(line)
