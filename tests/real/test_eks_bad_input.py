"""What a client is told where the way to an EKS cluster is barred: words that name the step and the remedy, 401 or 503, and never a byte of
a credential."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.aws import bodies
from tests.support.aws.eks_cluster import NAME, EksCluster
from tests.support.aws.eks_gateway import EksGateway, cluster, eks_gateway
from tests.support.aws.keys import Keys
from tests.support.aws.metadata import expired_login
from tests.support.aws.roles import ALL_THREE
from tests.support.aws.tokens import presigned, spelled, token
from tests.support.faults import until
from tests.support.whole_state import written_down

PODS = "/api/v1/namespaces/default/pods"
said: list[str] = []  # every answer that a client here had
SECRET = "sso-access-token-which-nobody-may-see"


@pytest.fixture(scope="module")
def it(eks: EksCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EksGateway]:
    """A gateway of many clusters. All but `prod` have something wrong."""
    ca, folder = eks.cluster.ca.read_text(), tmp_path_factory.mktemp("bad")
    found = {name: eks.aws.eks.cluster(name, "https://127.0.0.1:1", ca) for name in ("lost", "creating", "other-ca")}
    found["lost"].move("https://lost.invalid", ca)
    found["creating"].described |= {"status": "CREATING", "endpoint": None, "certificateAuthority": None}
    found["other-ca"].move(eks.cluster.server, eks.aws.authority.certificate.read_text())
    found["other-ca"].described |= {
        "id": NAME,
        "outpostConfig": {"controlPlaneInstanceType": "m5.large"},
    }  # tokens for it are for prod
    clusters = {
        "wrong-role": cluster(eks, role=f"{eks.bare.arn}-misspelled"),
        "no-source-identity": cluster(eks, role=eks.aws.sts.role("untold", allows=ALL_THREE - {"sts:SetSourceIdentity"}).arn),
        "no-tags": cluster(eks, role=eks.aws.sts.role("untagged", allows=ALL_THREE - {"sts:TagSession"}).arn),
        "wrong-external-id": cluster(eks, role=eks.aws.sts.role("shared", external_id="ours").arn, **{"external-id": "theirs"}),
        "no-credentials": cluster(eks, profile="empty"),
        "expired-login": cluster(eks, profile="expired"),
        "unknown": cluster(eks, "gone"),
        "wrong-region": cluster(eks, region="eu-west-2"),
        **{name: cluster(eks, name) for name in found},
    }
    with eks_gateway(eks, folder, expired_login(folder, SECRET, empty={"region": "eu-west-1"}), **clusters) as running:
        yield running


def told(it: EksGateway, bearer: str, name: str = NAME) -> tuple[int, str]:
    """Status and message of a call to a cluster."""
    status, answer = it.get(PODS, bearer, name)
    said.append(json.dumps(answer))
    return status, str(answer.get("message", ""))


WRONG = {
    "wrong-role": ("AssumeRole of arn:aws:iam::111122223333:role/l7gw-bare-misspelled", "sts:AssumeRole", "trust policy"),
    "no-source-identity": ("AssumeRole of", "sts:SetSourceIdentity", "trust policy"),
    "no-tags": ("AssumeRole of", "sts:TagSession", "trust policy"),
    "wrong-external-id": ("AssumeRole of", "external-id"),
    "no-credentials": ("the gateway's own AWS credentials (profile empty)", "aws sts get-caller-identity"),
    "expired-login": ("the gateway's own AWS credentials (profile expired)", "has expired", "aws sso login --profile expired"),
    "unknown": ("DescribeCluster of gone in eu-west-1", "aws eks list-clusters --region eu-west-1"),
    "wrong-region": ("DescribeCluster of prod in eu-west-2", "aws eks list-clusters --region eu-west-2"),
    "lost": ("its name lost.invalid has no address", "private"),
    "creating": ("DescribeCluster of creating", "its status is CREATING"),
    "other-ca": ("another CA", "than EKS describes", "who answers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_cluster_with_something_wrong_is_told_with_the_step_and_the_remedy(it: EksGateway, name: str) -> None:
    status, message = told(it, it.token_of("ann@example.com"), name)
    assert status == 503, message
    assert message.startswith("l7gw: ")
    for words in WRONG[name]:
        assert words in message, message


@dataclass(frozen=True)
class Fault:
    """What AWS does, and words that the client is told."""

    instead: bodies.Answer | bodies.Refused
    words: tuple[str, ...]
    statuses: tuple[int, ...] = field(default=(503,))


FAULTS = {
    "down": Fault(bodies.UNAVAILABLE, ("STS",)),
    "garbage": Fault(bodies.GARBAGE, ("STS", "cannot be read")),
    "a captive portal": Fault(bodies.CAPTIVE_PORTAL, ("STS", "cannot be read")),
}


THRIFTY = {("down", "AssumeRole"), ("garbage", "GetCallerIdentity")}  # the others are much the same, and wait for seconds


@pytest.mark.parametrize(
    ("name", "action"),
    [
        pytest.param(name, action, marks=() if (name, action) in THRIFTY else pytest.mark.long)
        for name in FAULTS
        for action in ("AssumeRole", "GetCallerIdentity")
    ],
)
def test_an_sts_that_is_down_or_talks_nonsense_is_told_and_heals(it: EksGateway, name: str, action: str) -> None:
    fault, user = FAULTS[name], f"{action}-{name}@example.com".replace(" ", "-")
    bearer = it.token_of(user)
    with it.eks.aws.failing(fault.instead, action):
        status, message = told(it, bearer)
    assert status == 503 and message.startswith("l7gw: "), message
    assert "STS" in message
    until(lambda: told(it, it.token_of(user))[0] == 200)


Bad = Callable[[EksGateway, Keys], str]
TOKENS: dict[str, tuple[Bad, str]] = {
    "another cluster": (lambda it, keys: token(keys, "other"), "cluster"),
    "another account": (
        lambda it, keys: token(it.eks.aws.sts.session("arn:aws:iam::999988887777:role/dev", "eve"), NAME),
        "account",
    ),
    "another partition": (lambda it, keys: token(keys, NAME, "cn-north-1"), "`regions`"),
    "another region": (lambda it, keys: token(keys, NAME, "eu-central-1"), "`regions`"),
    "an hour old": (lambda it, keys: token(keys, NAME, at=time.time() - 3600), ""),
    "two hosts": (lambda it, keys: spelled(presigned(keys, NAME).replace("https://", "https://sts.evil.example@")), ""),
    "an ended session": (lambda it, keys: token(it.eks.aws.sts.session(it.eks.developer, "eve", lasting=-1), NAME), ""),
    "a wrong signature": (lambda it, keys: spelled(presigned(keys, NAME)[:-1] + "!"), ""),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_bad_token_is_401_in_words(it: EksGateway, name: str) -> None:
    bad, words = TOKENS[name]
    status, message = told(it, bad(it, it.keys_of("eve@example.com")))
    assert status == 401
    assert message.startswith("l7gw: ") and words in message, message


@pytest.mark.long
def test_a_cluster_whose_right_ca_is_described_later_is_reached_then(it: EksGateway) -> None:
    bearer, described = it.token_of("ann@example.com"), it.eks.aws.eks.clusters["eu-west-1", "other-ca"]
    wrong = described.described["certificateAuthority"]
    assert told(it, bearer, "other-ca")[0] == 503
    described.move(it.eks.cluster.server, it.eks.cluster.ca.read_text())
    until(lambda: told(it, bearer, "other-ca")[0] == 200)
    described.described["certificateAuthority"] = wrong


def test_no_credential_stands_in_answers_log_or_state_after_all_that(it: EksGateway) -> None:
    written = "".join(said).encode() + written_down(it.gateway.state) + it.gateway.log.encode()
    for canary in [*it.eks.aws.canaries, SECRET]:
        assert canary.encode() not in written
    assert b"k8s-aws-v1." not in written
