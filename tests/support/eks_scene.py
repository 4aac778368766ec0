"""A gateway in front of a scripted upstream that is a cluster of EKS: the stand-in for AWS describes it, and makes its tokens."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.support.aws.eks import Cluster
from tests.support.aws.environment import inherit
from tests.support.aws.roles import Role
from tests.support.aws.stand_in import Aws
from tests.support.aws.tokens import url_of
from tests.support.demo_issuer import issuing
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.scene import Scene, identity
from tests.support.scripted_upstream import ALWAYS_OK, Script, ScriptedUpstream


def entry(aws: Aws, role: Role, name: str = "prod", **credential: str) -> dict[str, object]:
    """A cluster's entry in l7gw.yaml that leads to the stand-in. `credential` are further keys of `credential.aws`."""
    at = {"endpoint-url": aws.url, "certificate-authority": str(aws.certificate_authority)}
    return {
        "eks": {"name": name, "region": "eu-west-1", **at},
        "credential": {"aws": {"role": role.arn, **at, **credential}},
        "impersonate": "groups",
        "groups": ["*"],
    }


class EksScene(Scene):
    """The scene, with the stand-in, the gateway's role and what DescribeCluster answers."""

    def __init__(
        self, gateway: Gateway, upstream: ScriptedUpstream, issuer: DemoIssuer, aws: Aws, role: Role, described: Cluster
    ) -> None:
        super().__init__(gateway, upstream, issuer)
        self.aws = aws
        self.role = role
        self.described = described
        self.me = "ann@example.com"  # whose `token` is
        self.before = 0  # tokens that came to the cluster before this test

    def person(self, name: str) -> str:
        """A token of this person's. Whoever was not here before meets no token and no connection of an earlier test."""
        return self.issuer.token(f"{name}@example.com", ["engineers"])

    def shown(self) -> list[str]:
        """The tokens that came to the cluster, in order."""
        return re.findall(r"(?i)authorization: bearer (\S+)", self.upstream.received.decode("latin-1"))

    def session_of(self, token: str) -> str:
        """The name of the role session that a token proves."""
        key = re.search("X-Amz-Credential=([A-Z0-9]+)", url_of(token))
        assert key is not None
        return next(one.session_name for one in self.aws.sts.assumed if one.keys.access_key == key[1])


@contextlib.contextmanager
def eks_scene(
    folder: Path,
    aws: Aws,
    patch: pytest.MonkeyPatch,
    script: Script = ALWAYS_OK,
    policy: str = EVERYTHING,
    timeouts: Timeouts = USUAL_TIMEOUTS,
    **credential: str,
) -> Iterator[EksScene]:
    """Start everything, and stop it at the end. `credential` is as in `entry`."""
    inherit(patch, aws.ring.user("gateway").environment)
    role = aws.sts.role("l7gw")
    authority = Authority(folder / "issuer", "issuer CA")
    with issuing(authority) as issuer, ScriptedUpstream(folder / "upstream", script) as upstream:
        described = aws.eks.cluster("prod", f"https://127.0.0.1:{upstream.port}", upstream.authority.certificate.read_text())
        settings = {"identity": [identity(issuer, authority)], "clusters": {"test": entry(aws, role, **credential)}}
        with Gateway(folder / "gateway", settings, policy, timeouts) as gateway:
            yield EksScene(gateway, upstream, issuer, aws, role, described)
