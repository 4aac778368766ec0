"""Rights for the time of a grant or a session, with real kubectl before the real API server: its RBAC refuses before, allows during,
and refuses after; and nothing stays behind, however the gateway ends."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from l7gw.demo.pki import Authority
from tests.support.both_ways import AUDIENCE, Both, before
from tests.support.faults import until
from tests.support.gateway_process import L7GW
from tests.support.kubernetes.cluster import RealCluster

POLICY = """
rules:
  - {name: debug, groups: [debuggers], namespaces: [bound-a, bound-b], effects: [read, write], verdict: allow, bind: config-writer,
     when: "request.namespace != 'nowhere'"}
  - {name: people, groups: [dev], effects: [read, write, delete], verdict: allow}
grants:
  - {group: oncall, groups: [dev], reviewers: {groups: [sre]}, max: 2h, bind: config-writer, namespaces: [bound-a]}
  - {group: lost, groups: [dev], reviewers: {groups: [sre]}, bind: config-writer, namespaces: [bound-a, no-such-namespace]}
  - {group: forbidden, groups: [dev], reviewers: {groups: [sre]}, bind: admin-like, namespaces: [bound-a]}
  - {group: inside, groups: [dev], reviewers: {groups: [sre]}, bind: bound-b/inside, namespaces: [bound-b]}
"""
RBAC = "rbac.authorization.k8s.io"
SOON = 20.0
USERS = ("ann", "bob", "dee", "eva", "fay", "hal", "ian", "ida")


def _role(kind: str, name: str, rules: list[dict[str, list[str]]], namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules}


MAPS = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "delete"]}]


class _ClusterAuthority(Authority):
    """The cluster's own CA, which makes certificates for its clients."""

    def __init__(self, cluster: RealCluster, folder: Path) -> None:
        key = serialization.load_pem_private_key(cluster.ca_key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._folder, self._key, self._issued_days = folder, key, 1
        self._name = x509.load_pem_x509_certificate(cluster.ca.read_bytes()).subject


class Place:
    """A cluster whose RBAC gives the gateway what `l7gw rbac render` prints, and gateways before it."""

    def __init__(self, cluster: RealCluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        certificate, key = _ClusterAuthority(cluster, folder).client("narrow", "l7gw-narrow")
        self.credential = {"client-certificate": str(certificate), "client-key": str(key)}
        for namespace in ("bound-a", "bound-b"):
            cluster.namespace(namespace)
        for manifest in (
            _role("ClusterRole", "config-writer", MAPS),
            _role("ClusterRole", "admin-like", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
            _role("Role", "inside", MAPS, "bound-b"),
        ):
            cluster.apply(manifest)

    def allow(self, both: Both) -> None:
        """Apply the RBAC that `l7gw rbac render` prints, for a policy without what nobody may bind."""
        policy = self.folder / "rendered.yaml"
        kept = [line for line in both.gateway.policy.read_text().splitlines() if "lost" not in line and "forbidden" not in line]
        policy.write_text("\n".join(kept))
        config = both.gateway.config.with_name("rendered-l7gw.yaml")
        config.write_text(both.gateway.config.read_text().replace(str(both.gateway.policy), str(policy)))
        users = [word for user in USERS for word in ("--user", user)]
        command = [L7GW, "rbac", "render", "real", "--config", config, "--to", "user:l7gw-narrow", *users]
        rendered = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert rendered.returncode == 0, rendered.stderr
        self.cluster.kubectl("apply", "-f", "-", stdin=rendered.stdout)

    def bindings(self, namespace: str = "bound-a") -> list[dict[str, Any]]:
        """What gateways made in a namespace."""
        path = f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dl7gw"
        items: list[dict[str, Any]] = self.cluster.request("GET", path)[1]["items"]
        return items

    def bound_for(self, owner: str, namespace: str = "bound-a") -> list[dict[str, Any]]:
        """What is bound there for a grant or a session."""
        return [one for one in self.bindings(namespace) if owner in one["metadata"]["name"]]

    @contextlib.contextmanager
    def gateway(self, name: str, impersonate: str, policy: str = POLICY, **config: Any) -> Iterator[People]:
        clusters = {
            "real": {
                "server": self.cluster.server,
                "certificate-authority": str(self.cluster.ca),
                "credential": self.credential,
                "impersonate": impersonate,
                **({"groups": ["dev", "debuggers"]} if impersonate == "groups" else {}),
            }
        }
        if impersonate == "groups":
            policy = "\n".join(line for line in policy.splitlines() if "debug" not in line and "nowhere" not in line)
        with before(self.cluster, self.folder / name, policy, watched=False, clusters=clusters, **config) as both:
            self.allow(both)
            yield People(self, both)


class People:
    """A gateway, and people with tokens before it."""

    def __init__(self, place: Place, both: Both) -> None:
        self.place, self.both = place, both

    def kubectl(self, user: str, group: str, *words: str, namespace: str = "bound-a") -> subprocess.CompletedProcess[str]:
        token = self.both.provider.token(user, [group], AUDIENCE, lasting=3600)
        config = self.both.gateway.kubeconfig("real", token, name=f"{user}-{group}.kubeconfig")
        return self.place.cluster.kubectl("-n", namespace, *words, kubeconfig=config, check=False)

    def grants(self, user: str, group: str, *words: str) -> str:
        file = self.both.folder / f"{user}.token"
        file.write_text(self.both.provider.token(user, [group], AUDIENCE, lasting=3600))
        verb, *more = words
        return self.both.gateway.l7gw("grants", verb, "--token-file", file, *more).stdout.strip()

    def granted(self, user: str, group: str = "oncall") -> str:
        grant = self.grants(user, "dev", "request", group, "--cluster", "real", "--for", "30m", "--reason", "INC-1")
        self.grants("lea", "sre", "approve", grant)
        return grant

    def session_of(self, user: str) -> str:
        return str(next(one["id"] for one in self.both.gateway.sessions() if one["principal"]["user"] == user))

    def audits(self, session: str) -> list[dict[str, Any]]:
        return [one for one in self.both.gateway.events(session) if one["type"] == "request"]


@pytest.fixture(scope="module")
def place(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(cluster, tmp_path_factory.mktemp("binds"))


@pytest.fixture(scope="module")
def named(place: Place) -> Iterator[People]:
    with place.gateway("named", "user") as people:
        yield people


MAKE = ("create", "configmap", "made", "--from-literal=a=1")


def test_a_grant_binds_its_role_before_the_first_call_and_no_longer_than_it_lasts(named: People) -> None:
    refused = named.kubectl("ann", "dev", "get", "configmaps")
    assert refused.returncode == 1 and 'User "l7gw:ann" cannot list resource "configmaps"' in refused.stderr
    grant = named.granted("ann")
    assert named.place.bound_for(grant) == []  # nobody has called yet
    assert named.kubectl("ann", "dev", "get", "configmaps").returncode == 0
    (binding,) = named.place.bound_for(grant)
    metadata = binding["metadata"]
    assert metadata["name"] == f"l7gw-{grant}" and metadata["labels"]["l7gw/grant"] == grant
    assert binding["subjects"] == [{"apiGroup": RBAC, "kind": "User", "name": "l7gw:ann"}]
    assert binding["roleRef"] == {"apiGroup": RBAC, "kind": "ClusterRole", "name": "config-writer"}
    assert int(metadata["labels"]["l7gw/expires"]) > 0 and metadata["annotations"]["l7gw/user"] == "ann"
    elsewhere = named.kubectl("ann", "dev", "get", "configmaps", namespace="bound-b")
    assert elsewhere.returncode == 1 and "cannot list" in elsewhere.stderr
    assert named.kubectl("bob", "dev", "get", "configmaps").returncode == 1  # it is hers
    named.grants("ann", "dev", "revoke", grant)
    until(lambda: named.place.bound_for(grant) == [], SOON)
    after = named.kubectl("ann", "dev", "get", "configmaps")
    assert after.returncode == 1 and 'User "l7gw:ann" cannot list resource "configmaps"' in after.stderr


def test_a_rule_binds_for_the_session_in_all_its_namespaces_and_both_are_recorded(named: People) -> None:
    assert named.kubectl("dee", "debuggers", *MAKE).returncode == 0
    session = named.session_of("dee")
    for namespace in ("bound-a", "bound-b"):
        (binding,) = named.place.bound_for(session, namespace)
        assert binding["metadata"]["name"] == f"l7gw-{session}"
        assert binding["subjects"][0]["name"] == "l7gw:dee"
    assert named.kubectl("dee", "debuggers", "get", "configmap", "made", "-o", "name").stdout == "configmap/made\n"
    own = [one for one in named.both.gateway.events(session) if one["type"] == "verdict" and "config-writer" in one["reason"]]
    assert own and "is bound to User l7gw:dee" in own[0]["reason"]
    posts = [one for one in named.audits(named.session_of("l7gw")) if one["method"] == "POST"]
    assert {one["namespace"] for one in posts} >= {"bound-a", "bound-b"}
    event = named.place.cluster.audit(posts[-1]["audit_id"])[-1]
    assert event["user"]["username"] == "l7gw-narrow" and "impersonatedUser" not in event and event["verb"] == "create"


@pytest.mark.long
def test_a_role_of_a_namespace_is_bound_there(named: People) -> None:
    grant = named.granted("ida", "inside")
    assert named.kubectl("ida", "dev", "get", "configmaps", namespace="bound-b").returncode == 0
    found = [one for one in named.place.bindings("bound-b") if one["metadata"]["name"] == f"l7gw-{grant}"]
    assert found[0]["roleRef"] == {"apiGroup": RBAC, "kind": "Role", "name": "inside"}
    named.grants("ida", "dev", "revoke", grant)


@pytest.mark.parametrize(
    ("group", "told"),
    [
        pytest.param(
            "lost",
            "cannot be bound in namespace no-such-namespace of cluster real: the cluster says: rolebindings",
            marks=pytest.mark.long,
        ),
        ("forbidden", "RBAC there must let the gateway create, delete and list rolebindings, and bind this role: l7gw rbac render"),
    ],
)
def test_what_cannot_be_bound_refuses_the_call_in_words_and_leaves_nothing(named: People, group: str, told: str) -> None:
    grant = named.granted("eva", group)
    refused = named.kubectl("eva", "dev", "get", "configmaps")
    assert refused.returncode == 1 and "l7gw: ClusterRole" in refused.stderr and "cannot be bound in namespace" in refused.stderr
    assert told in refused.stderr
    named.grants("eva", "dev", "revoke", grant)
    until(lambda: not [one for one in named.place.bindings() if grant in one["metadata"]["name"]], SOON)


@pytest.mark.long
def test_many_first_calls_at_once_share_one_binding(named: People) -> None:
    grant = named.granted("fay")
    token = named.both.provider.token("fay", ["dev"], AUDIENCE, lasting=3600)
    config = named.both.gateway.kubeconfig("real", token, name="fay.kubeconfig")
    command = [named.place.cluster.built.kubectl, "--kubeconfig", config, "-n", "bound-a", "get", "configmaps"]
    running = [subprocess.Popen(command, env={"HOME": str(named.both.folder)}, stderr=subprocess.PIPE) for _ in range(4)]
    assert [one.wait(30) for one in running] == [0] * 4
    assert [one["metadata"]["name"] for one in named.place.bindings() if "l7gw/grant" in one["metadata"]["labels"]] == [
        f"l7gw-{grant}"
    ]
    named.grants("fay", "dev", "revoke", grant)


@pytest.mark.long
def test_in_groups_the_subject_is_the_grants_group_and_a_terminated_gateway_leaves_nothing(place: Place) -> None:
    with place.gateway("groups", "groups") as people:
        people.granted("gus")
        assert people.kubectl("gus", "dev", "get", "configmaps").returncode == 0
        mine = [one for one in place.bindings() if one["subjects"][0]["kind"] == "Group"]
        assert [one["subjects"] for one in mine] == [[{"apiGroup": RBAC, "kind": "Group", "name": "l7gw:oncall"}]]
        people.both.gateway.stop()
        assert not [one for one in place.bindings() if one["subjects"][0]["kind"] == "Group"]


@pytest.mark.long
def test_what_a_killed_gateway_bound_is_removed_when_it_starts_and_bound_again_for_a_grant_that_lasts(place: Place) -> None:
    with place.gateway("killed", "user") as people:
        grant = people.granted("hal")
        assert people.kubectl("hal", "dev", "get", "configmaps").returncode == 0
        assert people.kubectl("ian", "debuggers", "get", "configmaps").returncode == 0
        people.both.gateway.kill()
        found = place.bindings()
        own = next(one for one in found if one["metadata"]["name"] == f"l7gw-{grant}")["metadata"]["labels"]["l7gw/gateway"]
        left = {one["metadata"]["name"] for one in found if one["metadata"]["labels"]["l7gw/gateway"] == own}
        assert len(left) == 2
        people.both.gateway.start()
        until(lambda: not left & {one["metadata"]["name"] for one in place.bindings()}, SOON)
        assert people.kubectl("hal", "dev", "get", "configmaps").returncode == 0  # the grant lasts


@pytest.mark.long
def test_another_gateway_removes_what_a_dead_one_left_once_its_time_is_over_and_nothing_else(place: Place) -> None:
    path = f"/apis/{RBAC}/v1/namespaces/bound-a/rolebindings"

    def left(name: str, **labels: str) -> str:
        body = {
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "l7gw", **labels}},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "config-writer"},
            "subjects": [],
        }
        status, answer = place.cluster.request("POST", path, body)
        assert status == 201, answer
        return name

    other = {"l7gw/gateway": "another"}
    over = left("l7gw-over", **other, **{"l7gw/expires": "1000000000"})
    kept = {
        left("l7gw-lasts", **other, **{"l7gw/expires": "4000000000"}),
        left("l7gw-says-nothing", **other),
        left("l7gw-says-nonsense", **{"l7gw/gateway": "another", "l7gw/expires": "soon"}),
        left("of-somebody", **{"l7gw/expires": "1000000000"}),
    }
    with place.gateway("sweeping", "user"):
        until(lambda: over not in {one["metadata"]["name"] for one in place.bindings()}, SOON)
        assert kept <= {one["metadata"]["name"] for one in place.bindings()}
    for name in kept:
        place.cluster.request("DELETE", f"{path}/{name}")
