"""The broker: one role session for one user, tokens that are renewed unnoticed, and no key of AWS in anything that it says."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import logging
import random
import re
import threading
import time
from calendar import timegm
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l7gw.aws.names import session_name
from l7gw.cluster.credentials.broker import MARGIN, REFUSED_FOR, Broker
from l7gw.cluster.credentials.messages import Described, DescribeWanted, Failed, Token, TokenWanted
from l7gw.cluster.credentials.threads import AT_ONCE
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.config.settings import Cluster
from tests.support.aws.bodies import THROTTLED, Refused
from tests.support.aws.stand_in import Aws
from tests.support.aws.tokens import token, url_of
from tests.support.manual_clock import ManualClock

ISSUER = "https://idp.example.com"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ANN, BOB = TokenWanted("prod", ISSUER, "ann"), TokenWanted("prod", ISSUER, "bob")


class AtOnce:
    """Threads that are none: each work is done when it is asked for."""

    def run(self, place: object, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        then(work())

    def close(self) -> None:
        pass


class Scene:
    """A broker before a stand-in for AWS, with a clock that the test turns."""

    def __init__(self, aws: Aws, patch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        for name, value in aws.ring.user("gateway").environment.items():
            patch.setenv(name, value)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)  # pauses of 2 s
        self.role = aws.sts.role("l7gw")
        self.clock = ManualClock(time.time())
        self.lanes = AtOnce()
        self.broker = Broker({"prod": self.cluster()}, self.clock, lanes=self.lanes, share=lambda: 0.5)  # type: ignore[arg-type]

    def cluster(self, name: str = "prod", *, eks: str = "prod", region: str = "eu-west-1", **more: Any) -> Cluster:
        at = {"region": region, "endpoint_url": self.aws.url, "certificate_authority": self.aws.certificate_authority}
        role = AwsRole(**{"role": self.role.arn, **at, **more})
        return Cluster(name, "", 443, Path("unused"), role, eks=Eks(eks, **at))

    def ask(self, wanted: TokenWanted | DescribeWanted) -> Any:
        told: list[Any] = []
        self.broker.ask(wanted, told.append)
        (answer,) = told
        return answer

    def pass_(self, seconds: int, *users: TokenWanted) -> None:
        """Let time go by, five seconds at a time, while these users are at work: each has a token at every moment."""
        for _ in range(seconds // 5):
            self.clock.advance(5.0)
            self.broker.tick()
            for wanted in users:
                token = self.broker.at_hand(wanted)
                assert token is not None and token.expires > self.clock.wall()


@pytest.fixture
def scene(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(aws, monkeypatch)


def _names(scene: Scene) -> list[str]:
    return [assumed.session_name for assumed in scene.aws.sts.assumed]


def _signed_by(token: Token) -> str:
    """The access key in a token."""
    return url_of(token.text).partition("X-Amz-Credential=")[2].partition("%2F")[0]


def _named(scene: Scene, made: Token) -> set[str]:
    """Which of two clusters a token is signed for."""
    moment = timegm(time.strptime(url_of(made.text).partition("X-Amz-Date=")[2][:16], "%Y%m%dT%H%M%SZ"))
    keys = scene.aws.ring.find(_signed_by(made))
    assert keys is not None
    signed = {name: sorted(url_of(token(keys, name, at=moment)).split("&")) for name in ("prod", "9d2c-local")}
    return {name for name in signed if signed[name] == sorted(url_of(made.text).split("&"))}


def test_a_token_names_the_cluster_as_eks_does_whatever_callers_name_it_and_a_local_cluster_by_its_id(scene: Scene) -> None:
    scene.broker.configure({"prod": dataclasses.replace(scene.cluster(), aws_cluster_id="9d2c-local")})
    assert _named(scene, scene.ask(ANN)) == {"prod"}
    described = scene.aws.eks.cluster("prod", "https://x", PEM).described
    scene.ask(DescribeWanted("prod"))
    assert scene.broker.at_hand(ANN) is not None
    described |= {"id": "9d2c-local", "outpostConfig": {"outpostArns": ["arn:aws:outposts:eu-west-1:111122223333:outpost/op-1"]}}
    scene.ask(DescribeWanted("prod"))
    assert scene.broker.at_hand(ANN) is None and _named(scene, scene.ask(ANN)) == {"9d2c-local"}


def test_each_user_gets_the_token_of_his_own_role_session_for_this_cluster(scene: Scene) -> None:
    tokens = {wanted: scene.ask(wanted) for wanted in (ANN, BOB)}
    keys = {assumed.session_name: assumed.keys.access_key for assumed in scene.aws.sts.assumed}
    assert {wanted.user: _signed_by(token) for wanted, token in tokens.items()} == keys and set(keys) == {"ann", "bob"}
    assert all(url_of(token.text).startswith("https://sts.eu-west-1.amazonaws.com/?") for token in tokens.values())
    assert all(token.expires - scene.clock.wall() == pytest.approx(900 - MARGIN, abs=30) for token in tokens.values())
    assert scene.broker.at_hand(ANN) == tokens[ANN] and scene.ask(BOB) == tokens[BOB] and len(_names(scene)) == 2


def test_one_role_session_of_the_gateway_serves_where_the_role_is_shared(scene: Scene) -> None:
    shared = TokenWanted("prod")
    assert scene.ask(shared) == scene.broker.at_hand(shared) and _names(scene) == ["l7gw"]


def test_a_token_is_renewed_at_two_thirds_and_its_role_session_lasts_for_four(scene: Scene) -> None:
    first = scene.ask(ANN)
    scene.pass_(500, ANN)
    assert scene.broker.at_hand(ANN) == first
    scene.pass_(100, ANN)
    assert scene.broker.at_hand(ANN) != first
    scene.pass_(1500, ANN)
    assert _names(scene) == ["ann"]
    scene.pass_(500, ANN)
    assert _names(scene) == ["ann", "ann"]


@pytest.mark.parametrize("hour", [3600, 900], ids=["sessions of an hour", "sessions of a quarter"])
def test_five_minutes_in_which_sts_throttles_are_noticed_by_nobody_who_is_at_work(scene: Scene, hour: int) -> None:
    """As threats I13 says, at every moment of a session's life in which the five minutes may begin."""
    scene.role.longest = hour
    scene.ask(ANN)
    scene.ask(BOB)
    for start in range(4):
        scene.pass_(hour // 4, ANN, BOB)
        with scene.aws.failing(THROTTLED, "AssumeRole") as fault:
            scene.pass_(300, ANN, BOB)
            refused = fault.came.is_set()
        if start == 3:
            assert refused or any(visit.status == 400 for visit in scene.aws.actions("AssumeRole"))


def test_a_user_whose_role_session_cannot_be_renewed_is_told_at_its_end_and_served_again_after(scene: Scene) -> None:
    scene.ask(ANN)
    scene.pass_(2200, ANN)
    with scene.aws.failing(Refused(503, "ServiceUnavailable", "down"), "AssumeRole"):
        for _ in range(300):
            scene.clock.advance(5.0)
            scene.broker.tick()
            scene.broker.at_hand(ANN)
        failed = scene.ask(ANN)
        assert isinstance(failed, Failed) and failed.status == 503
        assert failed.message.startswith(
            f"cluster prod: AssumeRole of {scene.role.arn}: STS at 127.0.0.1:{scene.aws.port} fails at AWS"
        )
    scene.clock.advance(3.0)
    assert isinstance(scene.ask(ANN), Token)


def test_what_nobody_uses_is_not_renewed_and_not_kept(scene: Scene) -> None:
    scene.ask(ANN)
    scene.pass_(4000)
    assert _names(scene) == ["ann"] and scene.broker.at_hand(ANN) is None
    assert len(scene.broker._tokens) == len(scene.broker._sessions) == 0


FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("role", {"role": "arn:aws:iam::111122223333:role/other"}),
    ("external id", {"external_id": "from-us"}),
    ("session tags", {"session_tags": {"team": "a"}}),
    ("other tags", {"session_tags": {"team": "b"}}),
    ("region", {"region": "eu-central-1"}),
    ("eks name", {"eks": "other"}),
    ("profile", {"profile": "ops"}),
]


def test_a_credential_is_kept_by_everything_that_it_depends_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As threats F9 says: clusters that differ in one thing alone, asked for one user."""
    scene.aws.sts.role("other")
    key, file = scene.aws.ring.user("ops"), tmp_path / "config"
    file.write_text(f"[profile ops]\naws_access_key_id = {key.access_key}\naws_secret_access_key = {key.secret}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    clusters = {"prod": scene.cluster(), **{name: scene.cluster(name, **more) for name, more in FIELDS}}
    scene.broker.configure(clusters)
    tokens = [scene.ask(TokenWanted(name, issuer, "ann")) for name in clusters for issuer in (ISSUER, "https://other.example.com")]
    assert len({token.text for token in tokens}) == 2 * len(clusters)
    assert len(scene.aws.sts.assumed) == 2 * (len(clusters) - 1)  # the cluster of another name at EKS shares role sessions
    sent = [(one.role, one.external_id, tuple(sorted(one.tags.items())), one.caller) for one in scene.aws.sts.assumed]
    assert len(set(sent)) == len(clusters) - 2  # neither the region nor the name at EKS is sent


USERS = st.lists(st.sampled_from(["ann", "bob", "ann|1", "ann1", "é", "x" * 70]), min_size=2, max_size=6, unique=True)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(users=USERS, seed=st.integers(0, 1000))
def test_users_in_parallel_never_share_a_role_session(scene: Scene, users: list[str], seed: int) -> None:
    issuer = f"https://idp.example.com/{len(scene.aws.sts.assumed)}"
    order = random.Random(seed)
    begun: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
    told: dict[str, Token] = {}
    scene.lanes.run = lambda _, work, then: begun.append((work, then))  # type: ignore[method-assign]
    for user in [*users, *users]:
        scene.broker.ask(TokenWanted("prod", issuer, user), lambda token, user=user: told.setdefault(user, token))
    while begun:
        order.shuffle(begun)
        work, then = begun.pop()
        then(work())
    of_key = {one.keys.access_key: one for one in scene.aws.sts.assumed}
    whose = {user: of_key[_signed_by(token)] for user, token in told.items()}
    assert {user: one.session_name for user, one in whose.items()} == {user: session_name(issuer, user) for user in users}
    assert len({one.keys.access_key for one in whose.values()}) == len(users) == len({one.session_name for one in whose.values()})


def test_a_reload_keeps_what_still_holds_and_drops_the_rest(scene: Scene) -> None:
    scene.broker.configure({"prod": scene.cluster(), "test": scene.cluster("test", eks="test")})
    kept, other = scene.ask(ANN), TokenWanted("test", ISSUER, "ann")
    scene.ask(other)
    scene.broker.configure({"prod": scene.cluster()})
    assert scene.broker.at_hand(ANN) == kept and scene.broker.at_hand(other) is None
    failed = scene.ask(other)
    assert isinstance(failed, Failed) and "no cluster of AWS in this configuration any more" in failed.message
    scene.broker.configure({"prod": scene.cluster(session_tags={"team": "a"})})
    assert scene.broker.at_hand(ANN) is None
    scene.ask(ANN)
    assert [one.tags.get("team") for one in scene.aws.sts.assumed] == [None, "a"]


def test_a_refused_token_is_made_anew_and_a_role_session_at_most_once_a_minute(scene: Scene) -> None:
    first = scene.ask(ANN)
    scene.broker.drop(ANN, first)
    assert scene.broker.at_hand(ANN) is None
    second = scene.ask(ANN)
    assert _signed_by(second) != _signed_by(first)  # the role session may have been revoked
    scene.broker.drop(ANN, first)  # which another call was refused with
    assert scene.broker.at_hand(ANN) == second
    scene.broker.drop(ANN, second)
    assert _signed_by(scene.ask(ANN)) == _signed_by(second) and len(_names(scene)) == 2
    scene.pass_(int(REFUSED_FOR), ANN)
    scene.broker.drop(ANN, scene.ask(ANN))
    scene.ask(ANN)
    assert len(_names(scene)) == 3


def test_a_cluster_is_described_as_the_gateway_itself(scene: Scene) -> None:
    scene.aws.eks.cluster("prod", "https://1234.gr7.eu-west-1.eks.amazonaws.com", PEM)
    described = scene.ask(DescribeWanted("prod"))
    assert isinstance(described, Described)
    assert (described.endpoint, described.certificate_authority) == ("https://1234.gr7.eu-west-1.eks.amazonaws.com", PEM)
    assert [visit.caller.rpartition("/")[2] for visit in scene.aws.actions("DescribeCluster")] == ["l7gw"]
    scene.aws.denied["eks:DescribeCluster"] = ""
    failed = scene.ask(DescribeWanted("prod"))
    assert isinstance(failed, Failed) and "eks:DescribeCluster" in failed.message


def test_a_revoked_session_of_the_gateway_is_replaced_when_the_cluster_is_described_again(scene: Scene) -> None:
    scene.aws.eks.cluster("prod", "https://x", PEM)
    scene.ask(DescribeWanted("prod"))
    scene.aws.ring.revoke(scene.aws.sts.assumed[0].keys)
    assert isinstance(scene.ask(DescribeWanted("prod")), Failed)
    assert isinstance(scene.ask(DescribeWanted("prod")), Described) and _names(scene) == ["l7gw", "l7gw"]
    scene.aws.denied["eks:DescribeCluster"] = ""
    for _ in range(3):
        assert isinstance(scene.ask(DescribeWanted("prod")), Failed)
    assert len(_names(scene)) == 2  # one in a minute


def test_a_cluster_with_a_static_credential_is_described_with_the_gateways_own(scene: Scene) -> None:
    cluster = dataclasses.replace(scene.cluster(), credential=None)  # type: ignore[arg-type]
    scene.broker.configure({"prod": cluster})
    scene.aws.eks.cluster("prod", "https://x", PEM)
    assert isinstance(scene.ask(DescribeWanted("prod")), Described) and scene.aws.sts.assumed == []
    failed = scene.ask(ANN)
    assert isinstance(failed, Failed) and "has no role" in failed.message


def test_a_token_that_eks_would_not_take_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.signers.RequestSigner.generate_presigned_url", lambda *_, **__: "x" * 3100)
    failed = scene.ask(ANN)
    assert isinstance(failed, Failed) and "4145 bytes, and EKS takes 4096; shorten" in failed.message


def test_a_bug_is_told_to_who_waits_and_none_of_its_text(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise KeyError(scene.aws.canaries[0])

    monkeypatch.setattr("botocore.signers.RequestSigner.generate_presigned_url", broken)
    failed = scene.ask(ANN)
    assert failed.message.startswith("cluster prod: signing a token: the gateway failed (KeyError at test_broker.py:")


def test_a_clock_that_is_off_is_told_and_a_token_lives_shorter_by_what_it_is_behind(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.clock._wall -= 100  # the Date of STS has whole seconds: it may be one less
    token = scene.ask(ANN)
    assert re.search(r"the clock of this machine: it is (99|1[0-5][0-9]) s behind the one of STS", caplog.text)
    assert 700 - MARGIN < token.expires - scene.clock.wall() < 802 - MARGIN


def test_no_key_of_aws_is_in_a_log_at_any_level_in_an_answer_or_in_a_repr(scene: Scene) -> None:
    log, lines = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(lines), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        shown = [repr(scene.ask(ANN)), repr(scene.ask(DescribeWanted("prod")))]
        scene.pass_(2200, ANN)
        for answer in (
            THROTTLED,
            Refused(403, "SignatureDoesNotMatch", f"x-amz-security-token:{scene.aws.sts.assumed[0].keys.token}"),
        ):
            with scene.aws.failing(answer, "AssumeRole"):
                shown.append(repr(scene.ask(BOB)))
                scene.pass_(200, ANN)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    shown += [
        lines.getvalue(),
        repr(scene.broker.__dict__),
        repr(scene.broker._sessions._entries),
        repr(scene.broker._tokens._entries),
    ]
    token = scene.broker.at_hand(ANN)
    assert "a session is not renewed" in lines.getvalue() and token is not None
    assert not [one for one in (*scene.aws.canaries, token.text) if any(one in text for text in shown)]


def test_at_the_end_all_who_wait_are_told_once_and_answers_that_come_later_change_nothing(scene: Scene) -> None:
    scene.aws.eks.cluster("prod", "https://x", PEM)
    begun: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
    scene.lanes.run = lambda _, work, then: begun.append((work, then))  # type: ignore[method-assign]
    told: list[Any] = []
    scene.broker.ask(ANN, told.append)
    scene.broker.ask(DescribeWanted("prod"), told.append)
    scene.broker.close()
    assert [answer.message for answer in told] == ["the gateway ends", "cluster prod: the gateway ends"]
    for work, then in begun:
        then(work())
    assert len(told) == 2


def test_a_region_whose_sts_does_not_answer_keeps_nobody_from_another(aws: Aws, scene: Scene) -> None:
    async def run() -> None:
        broker = Broker({"prod": scene.cluster(), "far": scene.cluster("far", region="eu-central-1")}, scene.clock)
        answers: asyncio.Queue[Any] = asyncio.Queue()
        with aws.slow("AssumeRole", where=lambda asked: "/eu-west-1/" in asked.header("authorization")):
            for number in range(2 * AT_ONCE):
                broker.ask(TokenWanted("prod", ISSUER, f"user-{number}"), lambda token: None)
            broker.ask(TokenWanted("far", ISSUER, "ann"), answers.put_nowait)
            assert isinstance(await asyncio.wait_for(answers.get(), 60), Token)
        broker.close()

    asyncio.run(run())


def test_the_loop_runs_on_while_sts_is_slow(aws: Aws, scene: Scene) -> None:
    async def run() -> None:
        broker = Broker({"prod": scene.cluster()}, scene.clock)
        answers: asyncio.Queue[tuple[Any, threading.Thread]] = asyncio.Queue()
        with aws.slow("AssumeRole") as fault:
            for _ in range(3):
                broker.ask(ANN, lambda token: answers.put_nowait((token, threading.current_thread())))
            while not fault.came.is_set():  # which needs the loop
                await asyncio.sleep(0)
            assert answers.empty()
        for _ in range(3):
            token, thread = await asyncio.wait_for(answers.get(), 60)
            assert isinstance(token, Token) and thread is threading.current_thread()
        assert len(aws.sts.assumed) == 1
        broker.close()

    asyncio.run(run())
