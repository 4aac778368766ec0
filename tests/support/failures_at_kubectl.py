"""Every failure that somebody at kubectl meets, each as a kubeconfig in front of one gateway or another, and what a kubectl prints then.

One gateway has all clusters that cannot be used and all tokens that are not taken; another one cannot record. A cold cache is empty;
a warm one is that of a kubectl of the same version that was served.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority, write_private
from l7gw.timeouts import Timeouts
from tests.real.test_impersonation import IMPERSONATING, RBAC, account, bound
from tests.support.demo_issuer import issuing
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.scene import identity

POLICY = """
guardrails:
- {name: no discovery, users: [dora*], effects: [discovery], verdict: deny, reason: "ask the platform team"}
- {name: no pods, users: [rob*], resources: [pods], verdict: deny, reason: "ask the platform team"}
rules:
- {name: all, users: [ann*], effects: [read, write, impersonate], as: {users: [jules]}, verdict: allow}
- {name: reads, users: [ann*, dora*], effects: [read], verdict: allow}
- {name: shells, users: [ann*], effects: [execute], verdict: allow}
- {name: all but reading, users: [kim*], effects: [execute, tunnel, write, workload, delete], verdict: allow}
"""
MAY_ASK = {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}
GROUP = {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["l7gw:askers"], "verbs": ["impersonate"]}
FAILURES = (
    "cluster down",
    "the cluster's CA is another",
    "the cluster's name has no address",
    "the gateway's own credential is rejected",
    "RBAC does not let the gateway impersonate",
    "RBAC does not let the caller impersonate",
    "no credential",
    "a name and a password",
    "a malformed token",
    "an expired token",
    "another audience",
    "an unknown issuer",
    "a wrong signature",
    "the issuer is down",
    "no rule allows it",
    "a rule denies it",
    "a rule denies discovery",
    "a path that names no cluster",
    "a path that no API server has",
    "the call cannot be recorded",
)
KUBECTL_WITHIN = 60.0


class Stage:
    """The gateways and the kubeconfigs: `failures` maps the name of a failure to its kubeconfig and the words behind `get pods`."""

    def __init__(
        self,
        folder: Path,
        cluster: RealCluster,
        gateway: Gateway,
        full: Gateway,
        issuer: DemoIssuer,
        gone: str,
        settings: dict[str, object],
    ) -> None:
        self.folder = folder
        self.cluster = cluster
        self.gateway, self.full = gateway, full
        self.issuer = issuer
        self.settings = settings
        ann = issuer.token("ann@example.com", ["engineers"])
        past = int(time.time()) - 7200
        forged = jwt.encode(
            jwt.decode(ann, options={"verify_signature": False}),
            ec.generate_private_key(ec.SECP256R1()),
            algorithm="ES256",
            headers={"kid": "demo"},
        )
        real = gateway.kubeconfig
        self.good = real("real", ann, name="good")
        self.failures: dict[str, tuple[Path, tuple[str, ...]]] = {
            "cluster down": (real("down", ann, name="down"), ()),
            "the cluster's CA is another": (real("wrong-ca", ann, name="wrong-ca"), ()),
            "the cluster's name has no address": (real("dns", ann, name="dns"), ()),
            "the gateway's own credential is rejected": (real("rejected", ann, name="rejected"), ()),
            "RBAC does not let the gateway impersonate": (real("powerless", ann, name="powerless"), ()),
            "RBAC does not let the caller impersonate": (
                real("asks", issuer.token("ann@example.com", ["askers"]), name="asks"),
                ("--as", "jules"),
            ),
            "no credential": (real("real", None, name="nobody"), ()),
            "a name and a password": (real("real", None, name="basic", username="ann", password="x"), ()),
            "a malformed token": (real("real", "no.token", name="malformed"), ()),
            "an expired token": (real("real", issuer.token("ann", [], iat=past - 60, exp=past), name="expired"), ()),
            "another audience": (real("real", issuer.token("ann", [], aud="other"), name="audience"), ()),
            "an unknown issuer": (real("real", issuer.token("ann", [], iss="https://elsewhere"), name="issuer"), ()),
            "a wrong signature": (real("real", forged, name="forged"), ()),
            "the issuer is down": (real("real", gone, name="gone"), ()),
            "no rule allows it": (real("real", issuer.token("eve@example.com", ["a"]), name="eve"), ()),
            "a rule denies it": (real("real", issuer.token("rob@example.com", ["a"]), name="rob"), ()),
            "a rule denies discovery": (real("real", issuer.token("dora@example.com", ["a"]), name="dora"), ()),
            "a path that names no cluster": (real("nowhere", ann, name="nowhere"), ()),
            "a path that no API server has": (real("real/k8s", ann, name="path"), ()),
            "the call cannot be recorded": (full.kubeconfig("real", ann, name="full"), ()),
        }

        assert tuple(self.failures) == FAILURES

    def warm(self, version: str) -> None:
        """Have this kubectl fill a cache, and give every other address of the gateways a copy of it."""
        cache = self.folder / f"warm-{version}"
        done = self._run(version, self.good, ("get", "pods"), cache)
        assert done.returncode == 0, done.stderr
        for kubeconfig, _ in self.failures.values():
            if not (place := discovered(cache, kubeconfig)).exists():
                shutil.copytree(discovered(cache, self.good), place)

    def printed(self, version: str, failure: str, *, warm: bool) -> subprocess.CompletedProcess[str]:
        """What a kubectl of this version prints for `get pods`."""
        kubeconfig, more = self.failures[failure]
        cache = self.folder / f"warm-{version}"
        if warm:
            return self._run(version, kubeconfig, ("get", "pods", *more), cache)
        return self._run(version, kubeconfig, ("get", "pods", *more), self.folder / f"cold-{version}-{failure}")

    @contextlib.contextmanager
    def another_gateway(self, timeouts: Timeouts) -> Iterator[Gateway]:
        """A gateway of its own before the real cluster, for a test that ends it."""
        with Gateway(self.folder / "another", self.settings, POLICY, timeouts) as gateway:
            yield gateway

    def start(self, version: str, gateway: Gateway, *words: str) -> subprocess.Popen[str]:
        """Start a kubectl at this gateway. Its cache is cold, or what this left there."""
        kubeconfig = gateway.kubeconfig("real", self.issuer.token("ann@example.com", ["engineers"]), name=f"running-{version}")
        command = [self.cluster.kubectls()[version], "--kubeconfig", kubeconfig, *words]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECACHEDIR": str(self.folder / f"running-{version}"),
        }
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def of_kim(self, version: str, *words: str) -> subprocess.CompletedProcess[str]:
        """What a kubectl prints for somebody who may do what the command is for, and may read nothing."""
        kubeconfig = self.gateway.kubeconfig("real", self.issuer.token("kim@example.com", []), name=f"kim-{version}")
        return self._run(version, kubeconfig, words, self.folder / f"kim-{version}.cache")

    def _run(self, version: str, kubeconfig: Path, words: tuple[str, ...], cache: Path) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECACHEDIR": str(cache)}
        command = [self.cluster.kubectls()[version], "--kubeconfig", kubeconfig, *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=KUBECTL_WITHIN)


def discovered(cache: Path, kubeconfig: Path) -> Path:
    """Where kubectl keeps what it discovered of this kubeconfig's server (CLI pkg/genericclioptions/config_flags.go)."""
    return cache / "discovery" / re.sub(r"[^(\w/.)]", "_", server_of(kubeconfig).removeprefix("https://"))


def server_of(kubeconfig: Path) -> str:
    found = re.search(r'"server": "([^"]+)"', kubeconfig.read_text())
    assert found is not None
    return found[1]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def failures_at_kubectl(folder: Path, cluster: RealCluster) -> Iterator[Stage]:
    """Start the issuer and both gateways, and end them behind the block."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, stranger = Authority(folder / "issuer", "issuer CA"), Authority(folder / "stranger", "another CA")
    own = {"client-certificate": str(cluster.gateway_certificate), "client-key": str(cluster.gateway_key)}
    unknown = dict(zip(own, map(str, stranger.client("unknown", "l7gw")), strict=True))
    engineers = {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:engineers"}
    bound(cluster, "l7gw-words", [{"apiGroups": [""], "resources": ["pods", "pods/exec", "nodes"], "verbs": ["*"]}], engineers)
    powerless, asks = (
        {"token-file": str(write_private(folder / name, account(cluster, f"l7gw-words-{name}", rules).encode()))}
        for name, rules in (("powerless", []), ("asks", [*IMPERSONATING, MAY_ASK, GROUP]))
    )

    def entry(credential: dict[str, str], **changed: str) -> dict[str, object]:
        return {
            "server": cluster.server,
            "certificate-authority": str(cluster.ca),
            "groups": ["*"],
            "credential": {**credential},
            **changed,
        }

    clusters = {
        "real": entry(own),
        "down": entry(own, server=f"https://127.0.0.1:{closed_port()}"),
        "wrong-ca": entry(own, **{"certificate-authority": str(stranger.certificate)}),
        "dns": entry(own, server="https://no-such-cluster.invalid:6443"),
        "rejected": entry(unknown),
        "powerless": entry(powerless),
        "asks": entry(asks),
    }
    with issuing(authority) as gone:
        token = gone.token("ann@example.com", [])
        gone.stop()
        with issuing(authority) as issuer:
            issuers = [identity(issuer, authority), {**identity(gone, authority), "prefix": "gone:"}]
            settings: dict[str, object] = {"identity": issuers[:1], "clusters": {"real": entry(own)}}
            with (
                Gateway(folder / "gateway", {"identity": issuers, "clusters": clusters}, POLICY) as gateway,
                Gateway(folder / "full", {**settings, "recording": {"reserve": "1TiB"}}, POLICY) as full,
            ):
                yield Stage(folder, cluster, gateway, full, issuer, token, settings)
