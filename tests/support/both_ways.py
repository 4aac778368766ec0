"""Two ways to one real cluster, for comparisons: directly, as a client that impersonates Ann, and through the gateway, as Ann."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.support.gateway_process
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.support.compared_commands import GROUP, USER, Side, direct_kubeconfig
from tests.support.faults import program
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.kubernetes.build import PROGRAMS
from tests.support.kubernetes.cluster import RealCluster, kubectls_on_path
from tests.support.oidc_provider import OidcProvider
from tests.support.spoken_http import Spoken

AUDIENCE = "l7gw"
LOGIN_CLIENT = "kubectl"  # of `l7gw login` (tests/npm/oidc.mjs)
_numbers = itertools.count(1)


def versions() -> list[tuple[str, int, bool]]:
    """(version, minor number, whether it runs only in `make test-long`) of each kubectl. Nothing is built to find out."""
    built = {program.version: False for program in PROGRAMS if "kubectl" in program.name}
    for version in kubectls_on_path():
        built.setdefault(version, True)
    return [(version, int(version.split(".")[1]), is_long) for version, is_long in built.items()]


class Both:
    """A gateway in front of the real cluster, and a kubeconfig for each way."""

    def __init__(self, cluster: RealCluster, gateway: Gateway, provider: OidcProvider, folder: Path, spoken: Spoken) -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.provider = provider
        self.folder = folder
        self.spoken = spoken
        self.token = provider.token(USER, [GROUP], AUDIENCE, lasting=3600)
        self.through = gateway.kubeconfig("real", self.token)
        self.direct = direct_kubeconfig(
            folder / "direct.kubeconfig", cluster.server, cluster.ca, cluster.gateway_certificate, cluster.gateway_key
        )

    def of(self, user: str) -> Path:
        """A kubeconfig through the gateway for another user, whose calls are a session of their own: a small one."""
        return self.gateway.kubeconfig(
            "real", self.provider.token(user, [GROUP], AUDIENCE, lasting=3600), name=f"{user}.kubeconfig"
        )

    def fresh(self) -> tuple[Side, Side]:
        """Two new sides. Each has a namespace of its own with a running pod `web-0`."""
        number = next(_numbers)
        sides = (
            Side("direct", self.direct, f"m{number:03}-direct-x", self.folder),
            Side("through", self.through, f"m{number:03}-through", self.folder),
        )
        for side in sides:
            self.cluster.namespace(side.namespace)
            self.cluster.pod("web-0", side.namespace, wait=False)
        for side in sides:
            self.cluster.wait_for_pod("web-0", side.namespace)
        return sides


@contextlib.contextmanager
def before(
    cluster: RealCluster,
    folder: Path,
    policy: str = EVERYTHING,
    *,
    watched: bool = True,
    timeouts: Timeouts = USUAL_TIMEOUTS,
    **config: object,
) -> Iterator[Both]:
    """Start the provider and the gateway. The gateway's groups are bound to cluster-admin, so that policy alone decides.

    With `watched`, the gateway also writes down which HTTP each call came in. Without it, the gateway runs as it is installed, or
    with other `timeouts`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "l7gw-engineers"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": f"l7gw:{GROUP}"}],
        }
    )
    with OidcProvider(folder / "provider") as provider:
        settings: dict[str, object] = {
            "identity": [
                {
                    "oidc": {
                        "issuer": provider.issuer,
                        "audience": [AUDIENCE, LOGIN_CLIENT],
                        "username": "sub",
                        "groups": "groups",
                        "certificate-authority": str(provider.certificate_authority),
                        "login": {"client-id": LOGIN_CLIENT},
                    }
                }
            ],
            "clusters": {
                "real": {
                    "server": cluster.server,
                    "certificate-authority": str(cluster.ca),
                    "groups": ["*"],  # so that every group goes up, whichever the policy names
                    "credential": {
                        "client-certificate": str(cluster.gateway_certificate),
                        "client-key": str(cluster.gateway_key),
                    },
                }
            },
            **config,
        }
        looking = folder / "looking"
        looking.mkdir()
        spoken = Spoken(looking / "asked.jsonl")
        with contextlib.ExitStack() as stack:
            with pytest.MonkeyPatch.context() as patch:  # for this gateway alone, in addition to what its test sets
                if watched:
                    assert timeouts == USUAL_TIMEOUTS, "it is started by another program then"
                    plain = f"import runpy; runpy.run_path({str(tests.support.gateway_process.L7GW)!r}, run_name='__main__')"
                    program(looking, patch, *spoken.lines, plain)
                gateway = stack.enter_context(Gateway(folder / "gateway", settings, policy, timeouts))
            yield Both(cluster, gateway, provider, folder, spoken)
