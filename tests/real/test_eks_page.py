"""docs/eks.md, "From nothing to a first call", typed as it stands against the stand-ins: only the addresses of AWS are added."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.aws.eks_cluster import DEVELOPERS, GATEWAYS, EksCluster, eks_cluster
from tests.support.aws.eks_gateway import GROUP, SSO_ROLE
from tests.support.aws.environment import hermetic
from tests.support.aws.https_server import Asked
from tests.support.aws.keys import ACCOUNT, Keys
from tests.support.kubernetes.build import Built
from tests.support.whole_state import written_down

ROOT = Path(__file__).parent.parent.parent
SECTION = (ROOT / "docs" / "eks.md").read_text().split("## From nothing to a first call\n", 1)[1].split("\n## ", 1)[0]
FILES, ADMINISTRATOR, GATEWAY, CALLER = re.findall(r"^```sh\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
TYPED_WITHIN = 100.0  # seconds for the commands of one block
RBAC = "rbac.authorization.k8s.io"


class Desk:
    """A folder in which the page is typed, with the programs that it needs on the PATH."""

    def __init__(self, eks: EksCluster, folder: Path) -> None:
        self.eks, self.folder = eks, folder
        (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
        (folder / "certs").symlink_to(ROOT / "certs")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = str(free.getsockname()[1])
        bundle = str(eks.aws.certificate_authority)
        services = {f"AWS_ENDPOINT_URL_{name}": eks.aws.url for name in ("EKS", "IAM")}  # a token must be for STS itself
        bundle = str(eks.aws.certificate_authority)
        self._where = {**services, "AWS_CA_BUNDLE": bundle, "AWS_DEFAULT_REGION": "eu-west-1", "NO_COLOR": "1"}

    def environment(self, keys: Keys) -> dict[str, str]:
        whole = hermetic(self.folder, self._where, keys.environment, {"L7GW_CONFIG": str(self.folder / "l7gw.yaml")})
        return {**whole, "PATH": f"{self.folder}/.venv/bin:{self.eks.cluster.built.folder}:{whole['PATH']}"}

    def typed(self, block: str, keys: Keys, statuses: tuple[int, ...] = (0,)) -> str:
        """The output of a block's commands, which somebody with these keys types."""
        command = ["bash", "-euo", "pipefail", "-c", self._here(block)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(keys),
            capture_output=True,
            text=True,
            timeout=TYPED_WITHIN,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode in statuses, f"{block}\n{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _here(self, block: str) -> str:
        """The block with the addresses of the stand-in in its configuration, and a port that is free."""
        at = f', endpoint-url: "{self.eks.aws.url}", certificate-authority: "{self.eks.aws.certificate_authority}"}}'
        for entry in ('["111122223333"], regions: [eu-west-1]}', "eks: {name: prod, region: eu-west-1}", 'role/l7gw-prod"}'):
            block = block.replace(entry, entry[:-1] + at)
        return block.replace(":8443", f":{self._port}")

    @contextlib.contextmanager
    def serving(self, keys: Keys) -> Iterator[None]:
        log = self.folder / "gateway.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [self.folder / ".venv/bin/l7gw", "serve"],
                cwd=self.folder, env=self.environment(keys), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip
        try:
            assert process.stdout is not None and process.stdout.readline().startswith("l7gw: ready on"), log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(30)


def play_iam(eks: EksCluster) -> dict[str, dict[str, object]]:
    """IAM and EKS take what the administrator makes: a role that trusts whom its policy says, and an access entry. Returns the
    policies by role and name."""
    policies: dict[str, dict[str, object]] = {}

    def create_role(asked: Asked) -> object:
        [statement] = json.loads(asked.parameters["AssumeRolePolicyDocument"])["Statement"]
        name, principal = asked.parameters["RoleName"], statement["Principal"]["AWS"]
        sessions = principal.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/*"
        role = eks.aws.sts.role(name, allows=frozenset(statement["Action"]), callers=(sessions,))
        told = {"Path": "/", "RoleName": name, "RoleId": "AROAPAGE", "Arn": role.arn, "CreateDate": "2026-01-01T00:00:00Z"}
        return {"Role": told}

    def put_policy(asked: Asked) -> object:
        policies[asked.parameters["RoleName"]] = json.loads(asked.parameters["PolicyDocument"])
        return {}

    def create_entry(asked: Asked) -> object:
        wanted = json.loads(asked.body)
        cluster = eks.aws.eks.clusters["eu-west-1", "prod"]
        cluster.entry(wanted["principalArn"], wanted["kubernetesGroups"], kind=wanted["type"])
        return {"accessEntry": cluster.entries[wanted["principalArn"]]}

    eks.aws.iam |= {"CreateRole": create_role, "PutRolePolicy": put_policy}
    eks.aws.eks.answers["POST", "/clusters/prod/access-entries"] = create_entry
    eks.aws.eks.answers["GET", "/clusters/prod/identity-provider-configs"] = lambda _: {"identityProviderConfigs": []}
    nobody: dict[str, object] = {
        "IsTruncated": "false",
        "RoleDetailList": [],
        "UserDetailList": [],
        "GroupDetailList": [],
        "Policies": [],
    }
    eks.aws.iam["GetAccountAuthorizationDetails"] = lambda _: nobody
    return policies


@pytest.fixture
def desk(cluster_programs: Built, authenticator_program: Path, tmp_path: Path) -> Iterator[Desk]:
    with eks_cluster(tmp_path / "eks", cluster_programs, "l7gw-prod") as eks:
        del eks.aws.sts.roles[eks.gateway.arn]  # the administrator makes it
        bind(eks, "administrators", "cluster-admin", DEVELOPERS)
        view = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "view"}}
        reads = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}
        eks.cluster.apply({**view, "rules": [reads]})  # nobody aggregates it here
        folder = tmp_path / "desk"
        folder.mkdir()
        yield Desk(eks, folder)


def bind(eks: EksCluster, name: str, role: str, group: str) -> None:
    subject = {"apiGroup": RBAC, "kind": "Group", "name": group}
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    whole: Mapping[str, object] = {"metadata": {"name": name}, "roleRef": ref, "subjects": [subject]}
    eks.cluster.apply({"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", **whole})


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_page_leads_from_nothing_to_a_first_call_by_typing_it(desk: Desk) -> None:
    sts = desk.eks.aws.sts
    gateway = sts.session(f"arn:aws:iam::{ACCOUNT}:role/l7gw-gateway", "i-0123456789abcdef0")
    administrator = sts.session(desk.eks.developer, "ada@example.com")
    caller = sts.session(f"arn:aws:iam::{ACCOUNT}:role/{SSO_ROLE}", "ann@example.com")
    policies = play_iam(desk.eks)

    assert "prod" in desk.typed(FILES, gateway)
    desk.typed(ADMINISTRATOR, administrator)
    assert sts.roles[f"arn:aws:iam::{ACCOUNT}:role/l7gw-prod"].allows == {
        "sts:AssumeRole",
        "sts:SetSourceIdentity",
        "sts:TagSession",
    }
    assert set(policies) == {"l7gw-prod", "l7gw-gateway"}
    [entry] = desk.eks.aws.eks.clusters["eu-west-1", "prod"].entries.values()
    assert entry["kubernetesGroups"] == [GATEWAYS]

    tried, served = GATEWAY.splitlines()
    assert served == "l7gw serve"
    said = desk.typed(tried, gateway, (1,))
    assert "FAILED" not in said and "ok     who" in said and f"impersonate groups l7gw:{GROUP}" in said, said
    assert "OPEN        public-endpoint" in said and "1 way;" in said, said
    with desk.serving(gateway):
        assert "kube-root-ca.crt" in desk.typed(CALLER, caller)
        assert "ann@example.com" in desk.typed("l7gw sessions list", gateway)
    assert {"l7gw", "ann@example.com"} == set(sts.sessions())
    written = written_down(desk.folder / "state") + (desk.folder / "gateway.log").read_bytes()
    assert not [canary for canary in desk.eks.aws.canaries if canary.encode() in written]
