"""The recipes of docs/policy.md as a user tries them: each call of their tests is typed at kubectl, before the real API server."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from tests.house.test_configuration_page import IMAGE, RECIPES
from tests.support.demo_issuer import issuing
from tests.support.faults import ask, until
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.reviewing_hand import Hand
from tests.support.scene import Scene, identity

CLUSTERS = ("main", "prod", "prod-eu", "dev")  # names that the tests of the recipes give
COOKS = "cooks"  # a group that everybody has, and that RBAC lets do everything: so the policy alone decides
NOTHING = "rules: [{name: none, effects: [discovery], verdict: allow}]"


class Kitchen:
    """A gateway that reads one recipe after the other, and what the recipes talk of in the cluster."""

    def __init__(self, cluster: RealCluster, gateway: Gateway, issuer: DemoIssuer) -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.issuer = issuer
        self.hand = Hand(gateway.state)
        for namespace in ("dev", "prod", "shop", "a"):
            cluster.namespace(namespace)

    def cook(self, recipe: str) -> None:
        """Have the gateway read this policy, with the objects of its tests beside it."""
        for name, image in (("ours", "registry.example.com/web"), ("theirs", "docker.io/web")):
            (self.gateway.folder / f"{name}.yaml").write_text(IMAGE.replace("IMAGE", image))
        read = self.gateway.log.count("policy read again")
        self.gateway.policy.write_text(recipe)
        until(lambda: self.gateway.log.count("policy read again") > read)

    def lay(self) -> None:
        """Make what the calls are about, where it is not there any more."""
        spec = {"containers": [{"name": "main", "image": "i"}]}
        labels = {"app": "web"}
        template = {"metadata": {"labels": labels}, "spec": spec}
        for namespace in ("default", "dev", "prod", "shop"):
            for path, name, wanted in (
                (f"api/v1/namespaces/{namespace}/pods", "web-0", spec),
                (
                    f"apis/apps/v1/namespaces/{namespace}/deployments",
                    "web",
                    {"selector": {"matchLabels": labels}, "template": template},
                ),
            ):
                made = self.cluster.request("POST", f"/{path}", {"metadata": {"name": name}, "spec": wanted})
                assert made[0] in (201, 409), made

    def judged(self, case: dict[str, Any]) -> str:
        """What became of a call: allow, hold or deny."""
        who = {"kind": "human", "groups": [], **case["as"]}
        acts = {"act": {"sub": who["actor"]}} if "actor" in who else {}
        token = self.issuer.token(who["user"], [*who["groups"], COOKS], kind=who["kind"], **acts)
        known = {hold.id for hold in self.hand.holds()}
        verb, _, rest = case["call"].partition(" ")
        if verb != "kubectl":
            status, _, body = ask(Scene(self.gateway, None, self.issuer), _request(verb, case["cluster"], rest, token), verb)  # type: ignore[arg-type]
            return "deny" if status == 403 and b"l7gw: denied" in body else "allow"
        kubeconfig = self.gateway.kubeconfig(case["cluster"], token)
        running = subprocess.Popen(
            [self.cluster.built.kubectl, "--kubeconfig", kubeconfig, *shlex.split(rest)],
            cwd=self.gateway.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        held = until(lambda: (running.poll() is not None and "over") or [h for h in self.hand.holds() if h.id not in known])
        running.terminate()
        said = running.communicate()[0]
        if held != "over" or "and waits for it as hold" in said:
            return "hold"
        return "deny" if "l7gw: denied" in said or "l7gw: no rule allows it" in said else "allow"


def _request(verb: str, cluster: str, path: str, token: str) -> bytes:
    body = b"" if verb in ("GET", "DELETE") else b'{"metadata":{"name":"b"},"spec":{}}'
    lines = [f"{verb} /{cluster}{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def kitchen(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    folder = tmp_path_factory.mktemp("recipes")
    authority = Authority(folder / "issuer")
    credential = {"client-certificate": str(cluster.gateway_certificate), "client-key": str(cluster.gateway_key)}
    one = {"server": cluster.server, "certificate-authority": str(cluster.ca), "credential": credential, "groups": [COOKS]}
    cluster.kubectl("create", "clusterrolebinding", "recipes", "--clusterrole=cluster-admin", f"--group=recipes:{COOKS}")
    with issuing(authority) as issuer:
        claims = {"claim": "kind", "human": ["human"], "agent": ["agent"], "workload": ["workload"]}
        settings = {
            "identity": [{**identity(issuer, authority), "kind": claims}],
            "clusters": {name: {**one, "prefix": "recipes:"} for name in CLUSTERS},
        }
        settings = json.loads(json.dumps(settings))  # no part of it twice, which YAML would write as an alias
        with Gateway(folder / "gateway", settings, NOTHING) as gateway:
            yield Kitchen(cluster, gateway, issuer)


@pytest.mark.long
@pytest.mark.parametrize(("title", "text"), RECIPES, ids=[title for title, _ in RECIPES])
def test_each_call_of_a_recipe_gets_its_verdict_when_it_is_typed(kitchen: Kitchen, title: str, text: str) -> None:
    kitchen.cook(text)
    kitchen.lay()
    cases = yaml.safe_load(text)["tests"]
    found = [(case["call"], kitchen.judged(case)) for case in cases]
    assert found == [(case["call"], case["verdict"]) for case in cases]
