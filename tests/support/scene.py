"""A gateway in front of a scripted upstream, with tokens of an issuer made for the test. For upstreams that do what no real cluster
would do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from l7gw.demo.issuer import AUDIENCE, DemoIssuer
from l7gw.demo.pki import Authority
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.support.demo_issuer import issuing
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.scripted_upstream import ALWAYS_OK, Script, ScriptedUpstream


class Scene:
    """A running gateway, the upstream behind it, and the means to call it."""

    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream, issuer: DemoIssuer) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.issuer = issuer
        self.token = issuer.token("ann@example.com", ["engineers"])

    def request(self, line: str, *headers: str, body: bytes = b"", token: str | None = None) -> bytes:
        """The bytes of a request with Ann's token, or with `token`."""
        lines = [f"{line} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token or self.token}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def identity(issuer: DemoIssuer, authority: Authority) -> dict[str, object]:
    """The issuer's entry in l7gw.yaml."""
    return {
        "oidc": {
            "issuer": issuer.url,
            "audience": AUDIENCE,
            "username": "name",
            "groups": "groups",
            "certificate-authority": str(authority.certificate),
        }
    }


@contextlib.contextmanager
def scene(
    folder: Path,
    script: Script = ALWAYS_OK,
    policy: str = EVERYTHING,
    cluster: dict[str, object] | None = None,
    timeouts: Timeouts = USUAL_TIMEOUTS,
    limits: Limits = USUAL_LIMITS,
    **config: object,
) -> Iterator[Scene]:
    """Start everything, and stop it at the end. `cluster` are further keys of the cluster's entry, `config` of l7gw.yaml."""
    authority = Authority(folder / "issuer", "issuer CA")
    with issuing(authority) as issuer, ScriptedUpstream(folder / "upstream", script) as upstream:
        more: dict[str, object] = {"impersonate": "groups", "groups": ["*"], **(cluster or {})}
        settings = {"identity": [identity(issuer, authority)], "clusters": {"test": upstream.cluster(**more)}, **config}
        with Gateway(folder / "gateway", settings, policy, timeouts, limits) as gateway:
            yield Scene(gateway, upstream, issuer)
