"""Roles assumed and clusters described, at a stand-in for AWS that checks each signature with AWS's own signer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from l7gw.aws.failures import AwsFailure
from l7gw.aws.roles import FAILED_FOR, EksPlace, Role
from l7gw.aws.roles import Aws as OurAws
from tests.support.aws.bodies import CAPTIVE_PORTAL, GARBAGE, THROTTLED, Refused
from tests.support.aws.connect_proxy import ConnectProxy
from tests.support.aws.environment import inherit
from tests.support.aws.https_server import Answer
from tests.support.aws.metadata import Imds, PodIdentity, expired_login, web_identity
from tests.support.aws.stand_in import Aws
from tests.support.manual_clock import ManualClock

ISSUER = "https://idp.example.com"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


class Side:
    """Our side of AWS, with the key of the gateway's own user in the environment."""

    def __init__(self, aws: Aws, patch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        self.clock = ManualClock(time.time())
        self.ours = OurAws(self.clock)
        self.keys = aws.ring.user("gateway")
        for name, value in self.keys.environment.items():
            patch.setenv(name, value)

    def role(self, name: str = "team/l7gw", **more: Any) -> Role:
        return Role(
            f"arn:aws:iam::111122223333:role/{name}",
            "eu-west-1",
            endpoint_url=self.aws.url,
            certificate_authority=self.aws.certificate_authority,
            **more,
        )

    def eks(self, name: str = "prod") -> EksPlace:
        return EksPlace(name, "eu-west-1", self.aws.url, self.aws.certificate_authority)

    def failure(self, role: Role) -> AwsFailure:
        with pytest.raises(AwsFailure) as raised:
            self.ours.assume(role, ISSUER, "ann", "prod")
        assert not any(canary in repr(raised.value) + str(raised.value) for canary in self.aws.canaries)
        return raised.value


@pytest.fixture
def side(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Side:
    return Side(aws, monkeypatch)


def test_a_role_session_names_the_user_and_carries_him_as_a_transitive_tag(side: Side) -> None:
    made = side.aws.sts.role("team/l7gw", external_id="from-us")
    role = side.role(external_id="from-us", session_tags=(("Department", "platform"),))
    session = side.ours.assume(role, ISSUER, "auth0|ann", "prod")
    (assumed,) = side.aws.sts.assumed
    assert (assumed.role, assumed.caller, assumed.duration) == (made.arn, side.keys.arn, 3600)
    assert assumed.session_name == assumed.source_identity and assumed.session_name.startswith("auth0ann-")
    assert assumed.tags == {"l7gw-user": f"auth0_ann-{assumed.session_name[-10:]}", "Department": "platform"}
    assert set(assumed.transitive_tags) == {"l7gw-user", "Department"} and assumed.external_id == "from-us"
    assert 3590 < session.ends - side.clock.monotonic() <= 3601 and session.ahead is not None and abs(session.ahead) < 60
    assert not any(canary in repr(session) + repr(role) for canary in [*side.aws.canaries, "from-us"])


def test_the_gateway_itself_is_named_so(side: Side) -> None:
    side.aws.sts.role("team/l7gw")
    side.ours.assume(side.role(), "", "")
    (assumed,) = side.aws.sts.assumed
    assert (assumed.session_name, assumed.source_identity, assumed.tags) == ("l7gw", "l7gw", {"l7gw-user": "l7gw"})


def test_a_role_that_an_hour_is_too_long_for_is_assumed_for_a_quarter(side: Side) -> None:
    side.aws.sts.role("team/l7gw", longest=1800)
    for user in ("ann", "bob"):
        session = side.ours.assume(side.role(), ISSUER, user)
        assert session.ends - side.clock.monotonic() < 901
    statuses = [visit.status for visit in side.aws.actions("AssumeRole")]
    assert statuses == [400, 200, 200]  # it is remembered


def test_the_life_of_a_session_is_told_by_the_clock_of_sts_and_not_by_ours(side: Side) -> None:
    side.aws.sts.role("team/l7gw")
    side.clock._wall += 86400  # a day ahead; botocore signs by the machine's clock, which is right
    session = side.ours.assume(side.role(), ISSUER, "ann")
    assert 3590 < session.ends - side.clock.monotonic() <= 3601
    assert session.ahead is not None and session.ahead == pytest.approx(86400, abs=60)


@pytest.mark.parametrize("lacks", ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"])
def test_a_trust_policy_that_lacks_an_action_is_told_with_its_statement(side: Side, lacks: str) -> None:
    role = side.aws.sts.role("team/l7gw")
    role.allows -= {lacks}
    message = side.failure(side.role()).message
    assert message.startswith("cluster prod: AssumeRole of arn:aws:iam::111122223333:role/team/l7gw: ")
    assert (
        f"may not do {lacks}; add to the role's trust policy: " in message and '"sts:SetSourceIdentity","sts:TagSession"' in message
    )


def test_a_wrong_external_id_and_a_role_that_is_not_there_are_told_alike(side: Side) -> None:
    side.aws.sts.role("team/l7gw", external_id="theirs")
    for role in (side.role(external_id="ours"), side.role("nobody")):
        assert "or the role does not exist, or wants another external-id" in side.failure(role).message


@pytest.mark.parametrize(
    ("instead", "kind", "words"),
    [
        (GARBAGE, "unreachable", "answers what cannot be read"),
        (CAPTIVE_PORTAL, "unreachable", "answers what cannot be read"),
        (THROTTLED, "throttled", "throttles"),
        (Refused(503, "ServiceUnavailable", "down"), "unreachable", "fails at AWS"),
        (
            Answer(
                200,
                b'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult/></AssumeRoleResponse>',
            ),
            "unreachable",
            "without credentials",
        ),
        (Answer(200, b"<AssumeRoleResponse><Credentials><SecretAccessKey>wJalrXUtnCANARY</Secr"), "unreachable", "cannot be read"),
    ],
)
def test_sts_that_is_down_throttles_or_talks_nonsense_is_told_as_that(
    side: Side, monkeypatch: pytest.MonkeyPatch, instead: Any, kind: str, words: str
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)  # pauses of 2 s
    side.aws.sts.role("team/l7gw")
    with side.aws.failing(instead, "AssumeRole"):
        failure = side.failure(side.role())
    assert failure.kind == kind and words in failure.message and "CANARY" not in failure.message
    side.ours.assume(side.role(), ISSUER, "ann")  # and it is well again


def test_a_gateway_without_credentials_is_told_so_once_in_two_seconds(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    side.aws.sts.role("team/l7gw")
    for name in side.keys.environment:
        monkeypatch.delenv(name)
    message = side.failure(side.role()).message
    assert message.startswith("cluster prod: the gateway's own AWS credentials: there are none; ")
    for name, value in side.keys.environment.items():
        monkeypatch.setenv(name, value)
    assert side.failure(side.role()).message == message and side.aws.visits == []
    side.clock.advance(FAILED_FOR)
    side.ours.assume(side.role(), ISSUER, "ann")


def test_a_profile_that_is_not_there_is_told_and_one_that_came_is_read(
    side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    side.aws.sts.role("team/l7gw")
    assert "credentials (profile ops): there is no such profile" in side.failure(side.role(profile="ops")).message
    key = side.aws.ring.user("ops")
    file = tmp_path / "config"
    file.write_text(f"[profile ops]\naws_access_key_id = {key.access_key}\naws_secret_access_key = {key.secret}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    side.clock.advance(FAILED_FOR)
    side.ours.assume(side.role(profile="ops"), ISSUER, "ann")
    assert side.aws.sts.assumed[0].caller == key.arn


def test_a_credential_process_that_fails_is_told_without_what_it_printed(
    side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, file = tmp_path / "program", tmp_path / "config"
    program.write_text("#!/bin/sh\necho wJalrXUtnCANARY >&2; exit 1\n")
    program.chmod(0o755)
    file.write_text(f"[profile ops]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    message = side.failure(side.role(profile="ops")).message
    assert "custom-process gives none" in message and "CANARY" not in message
    key = side.aws.ring.user("roles-anywhere")  # IAM Roles Anywhere is such a program
    program.write_text(f'#!/bin/sh\necho \'{{"Version":1,"AccessKeyId":"{key.access_key}","SecretAccessKey":"{key.secret}"}}\'\n')
    side.aws.sts.role("team/l7gw")
    side.clock.advance(FAILED_FOR)
    side.ours.assume(side.role(profile="ops"), ISSUER, "ann")
    assert side.aws.sts.assumed[0].caller == key.arn


def test_sts_is_reached_by_the_proxy_of_the_environment(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    side.aws.sts.role("team/l7gw")
    with ConnectProxy(side.aws.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(side.aws.certificate_authority))
        side.ours.assume(Role(side.role().arn, "eu-west-1"), ISSUER, "ann")
        assert proxy.asked == ["sts.eu-west-1.amazonaws.com:443"]
    assert side.aws.sts.assumed[0].host == "sts.eu-west-1.amazonaws.com"


def test_the_role_of_an_instance_and_of_a_pod_identity_are_found(
    side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    side.aws.sts.role("team/l7gw")
    for name in side.keys.environment:
        monkeypatch.delenv(name)
    instance, pod = (side.aws.sts.session(side.aws.sts.role(name).arn, f"{name}-session") for name in ("instance", "pod"))
    with Imds(instance) as imds, PodIdentity(tmp_path, pod) as agent:
        for place in (imds, agent):
            inherit(monkeypatch, place.environment)
            side.ours.forget()
            side.ours.assume(side.role(), ISSUER, "ann")
    assert [one.caller.rpartition("/")[2] for one in side.aws.sts.assumed] == ["instance-session", "pod-session"]


def test_a_login_at_identity_center_that_has_expired_is_told_with_the_command(
    side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in expired_login(tmp_path, "CANARYTOKEN").items():
        monkeypatch.setenv(name, value)
    message = side.failure(side.role(profile="expired")).message
    assert "aws sso login --profile expired" in message and "CANARY" not in message


def test_the_role_of_a_service_account_is_found_by_its_web_identity(
    side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in side.keys.environment:
        monkeypatch.delenv(name)
    own = side.aws.sts.role("irsa")
    given = {"AWS_ENDPOINT_URL_STS": side.aws.url, "AWS_CA_BUNDLE": str(side.aws.certificate_authority)}
    for name, value in (web_identity(tmp_path, "jwt-of-the-pod", own.arn) | given).items():
        monkeypatch.setenv(name, value)
    side.aws.sts.role("team/l7gw")
    assert side.failure(side.role()).message.startswith("cluster prod: the gateway's own AWS credentials: ")
    side.aws.sts.web_identities["jwt-of-the-pod"] = own.arn
    side.clock.advance(FAILED_FOR)
    side.ours.assume(side.role(), ISSUER, "ann")
    assert side.aws.actions("AssumeRoleWithWebIdentity")
    (tmp_path / "web-identity-token").unlink()
    side.ours.forget()
    assert "a file or a program that they need cannot be used: No such file" in side.failure(side.role()).message
    assert side.aws.sts.assumed[-1].caller.startswith("arn:aws:sts::111122223333:assumed-role/irsa/")


def test_a_cluster_is_described_with_the_keys_of_the_role_session(side: Side) -> None:
    side.aws.sts.role("team/l7gw")
    at_eks = side.aws.eks.cluster("prod", "https://1234.gr7.eu-west-1.eks.amazonaws.com", PEM)
    keys = side.ours.assume(side.role(), "", "").keys
    found = side.ours.describe(side.eks(), keys, cluster="prod")
    assert (found.endpoint, found.certificate_authority, found.version, found.arn) == (
        at_eks.described["endpoint"],
        PEM,
        "1.33",
        at_eks.arn,
    )
    assert side.aws.actions("DescribeCluster")[0].caller == "arn:aws:sts::111122223333:assumed-role/l7gw/l7gw"
    again = side.ours.assume(side.role(), ISSUER, "ann").keys
    side.ours.describe(side.eks(), again)
    side.ours.describe(side.eks(), None)
    assert [visit.caller.rpartition("/")[2] for visit in side.aws.actions("DescribeCluster")] == ["l7gw", "ann", "gateway"]


def test_a_cluster_that_is_unknown_denied_or_not_ready_is_told_with_what_to_do(side: Side) -> None:
    def failure() -> str:
        with pytest.raises(AwsFailure) as raised:
            side.ours.describe(side.eks(), None, cluster="prod")
        assert raised.value.message.startswith("cluster prod: DescribeCluster of prod in eu-west-1: ")
        return raised.value.message

    assert "aws eks list-clusters --region eu-west-1" in failure()
    at_eks = side.aws.eks.cluster("prod", "https://x", PEM)
    side.aws.denied["eks:DescribeCluster"] = ""
    assert '"Action":"eks:DescribeCluster","Resource":"arn:aws:eks:eu-west-1:111122223333:cluster/prod"' in failure()
    side.aws.denied.clear()
    for described, words in (
        ({"certificateAuthority": {}, "status": "CREATING"}, "its status is CREATING"),
        ({"certificateAuthority": {"data": "no base64!"}}, "no base64 of a PEM"),
        ({"certificateAuthority": {"data": "AAAA" * 20_000}}, "something else"),
    ):
        at_eks.move("https://x", PEM)
        at_eks.described |= described
        assert words in failure()
    with side.aws.failing(CAPTIVE_PORTAL, "DescribeCluster"):
        assert "EKS at 127.0.0.1" in failure()
