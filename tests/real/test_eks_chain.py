"""The whole chain: an unchanged `aws eks update-kubeconfig` file with another server, the gateway, AssumeRole, a token, aws-iam-authenticator,
RBAC. Whoever calls is a role session of his own, in the cluster's audit log too, and no credential is written down."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes import client, config
from mcp import ClientSession

from tests.conftest import missing
from tests.npm.install import MissingNode, node_modules
from tests.real.test_python import GO, NODE, mcp
from tests.support.aws.aws_cli import AWS
from tests.support.aws.eks_cluster import BARE, EksCluster
from tests.support.aws.eks_gateway import GROUP, EksGateway, Person, eks_gateway
from tests.support.compared_commands import Side
from tests.support.faults import until
from tests.support.whole_state import written_down

NAMESPACE = "eks-chain"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
PEOPLE = ("ann@example.com", "ben@example.com", "cay@example.com")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def it(eks: EksCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EksGateway]:
    try:
        node_modules()
    except MissingNode as error:
        missing(f"the MCP servers need Node.js: {error}")
    eks.cluster.namespace(NAMESPACE)
    with eks_gateway(eks, tmp_path_factory.mktemp("chain")) as running:
        yield running


@pytest.fixture(scope="module")
def ann(it: EksGateway) -> Person:
    return it.person("ann@example.com")


def _kubectl(minor: str) -> Callable[[EksGateway, Person, str], str]:
    def run(it: EksGateway, person: Person, name: str) -> str:
        binary = next(path for version, path in it.eks.cluster.kubectls().items() if minor in version)
        return it.eks.cluster.kubectl(
            "get",
            "configmap",
            name,
            "-n",
            NAMESPACE,
            "-o",
            "json",
            binary=binary,
            kubeconfig=person.kubeconfig,
            environment=person.cli.environment,
        ).stdout

    return run


def _python(it: EksGateway, person: Person, name: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in person.cli.environment.items():
            patch.setenv(variable, value)
        api: Any = client.CoreV1Api(config.new_client_from_config(str(person.kubeconfig)))  # type: ignore[no-untyped-call]
    return json.dumps(api.read_namespaced_config_map(name, NAMESPACE).data)


def _server(command: str, tool: str, arguments: dict[str, str]) -> Callable[[EksGateway, Person, str], str]:
    def run(it: EksGateway, person: Person, name: str) -> str:
        async def ask(session: ClientSession) -> list[Any]:
            return list((await session.call_tool(tool, {**arguments, "name": name, "namespace": NAMESPACE})).content)

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{AWS.parent}:{person.cli.environment['PATH']}")
            return mcp(Side(person.name, person.kubeconfig, NAMESPACE, it.folder, person.cli.environment), command, ask)

    return run


CLIENTS = {
    "kubectl newest": _kubectl("v1.36"),
    "kubectl oldest": _kubectl("v1.29"),
    "python": _python,
    "go mcp": _server(GO, "resources_get", {"apiVersion": "v1", "kind": "ConfigMap"}),
    "node mcp": _server(NODE, "kubectl_get", {"resourceType": "configmaps"}),
}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name == "node mcp" else ()) for name in CLIENTS])
def test_a_client_with_an_unchanged_kubeconfig_acts_as_a_role_session_that_is_named_after_the_person(
    it: EksGateway, ann: Person, name: str
) -> None:
    made = make(it)
    assert made in CLIENTS[name](it, ann, made)
    event = audited(it, made)
    assert event["user"]["username"] == it.eks.user_of("ann@example.com", BARE)
    assert event["user"]["extra"]["sessionName"] == ["ann@example.com"]
    assert event["impersonatedUser"]["username"] == "l7gw"
    assert f"l7gw:{GROUP}" in event["impersonatedUser"]["groups"]
    assert event["impersonatedUser"]["extra"]["l7gw-user"] == ["ann@example.com"]


def test_aws_knows_the_person_by_session_name_source_identity_and_tag(it: EksGateway) -> None:
    it.get("/version", it.token_of("ann@example.com"))
    assumed = next(one for one in it.eks.aws.sts.assumed if one.session_name == "ann@example.com")
    assert assumed.role == it.eks.bare.arn
    assert assumed.source_identity == "ann@example.com"
    assert "ann@example.com" in assumed.tags.values()
    assert assumed.caller == it.own.arn


@settings(max_examples=4)
@given(calls=st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 3)), min_size=6, max_size=30))
def test_people_in_parallel_are_role_sessions_that_never_mix(it: EksGateway, calls: list[tuple[str, int]]) -> None:
    """Each call goes over one of four connections, which people share, as behind a proxy that keeps connections."""
    tokens = {person: it.token_of(person) for person in PEOPLE}
    asked = [(person, lane, f"mix-{next(_numbers)}") for person, lane in calls]

    def drive(lane: int) -> list[int]:
        connection = it.connect()
        found = [it.get(f"{CONFIG_MAPS}/{name}", tokens[person], on=connection)[0] for person, at, name in asked if at == lane]
        connection.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for found in pool.map(drive, range(4)) for status in found]
    assert statuses == [404] * len(asked)
    for person, _, name in asked:
        event = audited(it, name)
        assert event["user"]["username"] == it.eks.user_of(person, BARE)
        assert event["impersonatedUser"]["extra"]["l7gw-user"] == [person]


def test_no_credential_stands_in_log_state_or_recording(it: EksGateway, ann: Person) -> None:
    bearers = [it.token_of(person) for person in PEOPLE]
    for bearer in bearers:
        assert it.get("/version", bearer)[0] == 200
    it.get("/version", bearers[0][:-6])
    written = written_down(it.gateway.state) + it.gateway.log.encode()
    assert b"ann@example.com" in written
    for canary in [*it.eks.aws.canaries, *bearers, *(bearer[-60:] for bearer in bearers)]:
        assert canary.encode() not in written
    assert b"k8s-aws-v1." not in written


def make(it: EksGateway) -> str:
    """Make an object of its own name, without the gateway. Returns the name."""
    name = f"chain-{next(_numbers)}"
    status, answer = it.eks.cluster.request("POST", CONFIG_MAPS, {"metadata": {"name": name}, "data": {"it": name}})
    assert status == 201, answer
    return name


def audited(it: EksGateway, name: str) -> dict[str, Any]:
    """The cluster's audit event about an object that one call named. The administrator's are left out."""
    found: list[dict[str, Any]] = []

    def came() -> bool:
        events = [event for event in it.eks.cluster.audited() if event.get("objectRef", {}).get("name") == name]
        found[:] = [event for event in events if "impersonatedUser" in event]
        return bool(found)

    until(came)
    [event] = found
    return event
