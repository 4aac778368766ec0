"""Log groups of CloudWatch are read page by page, from moto, which somebody else wrote; what AWS says when it fails is told in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from l7gw.aws import logs
from l7gw.aws.failures import Asked, AwsFailure
from l7gw.aws.logs import Message, messages
from l7gw.clock import SystemClock
from l7gw.recording.recorder import Recorder
from tests.support.audit_events import called, event
from tests.support.aws.environment import inherit
from tests.support.aws.moto_server import Moto
from tests.support.journals import ANN, cli_run, recorded
from tests.support.written_configuration import Written

GROUP = "/aws/eks/prod/cluster"
STREAM = "kube-apiserver-audit-1"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with Moto(tmp_path_factory.mktemp("moto")) as running:
        running.client("logs").create_log_group(logGroupName=GROUP)
        yield running


@pytest.fixture(autouse=True)
def environment(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAMOTO", "AWS_SECRET_ACCESS_KEY": "moto", "AWS_CA_BUNDLE": str(moto.certificate_authority)}
    inherit(monkeypatch, keys, {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": moto.url})


def put(moto: Moto, stream: str, *lines: str) -> None:
    client = moto.client("logs")
    client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    now = int(SystemClock().wall() * 1000)
    events = [{"timestamp": now - len(lines) + number, "message": line} for number, line in enumerate(lines)]
    client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_the_messages_of_the_streams_that_are_meant_come_over_pages(moto: Moto) -> None:
    many = [f"line {number}" for number in range(10_050)]  # a page has 10,000 at most
    put(moto, "paged-1", *many[:9_000])
    put(moto, "paged-2", *many[9_000:])
    put(moto, "else", "no")
    found = list(messages(GROUP, region="eu-west-1", streams="paged"))
    assert {one.line.decode() for one in found} == set(many) and len(found) == len(many)
    assert Message("paged-1", b"line 0") in found
    later = int(SystemClock().wall() * 1000) + 60_000
    assert list(messages(GROUP, region="eu-west-1", streams="paged", since=later)) == []


def test_a_group_that_is_not_there_is_told(moto: Moto) -> None:
    with pytest.raises(AwsFailure, match="FilterLogEvents of /no/such: AWS refuses") as failure:
        list(messages("/no/such", region="eu-west-1"))
    assert failure.value.kind == "refused"


def test_no_region_and_no_such_profile_are_told(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AwsFailure):
        list(messages(GROUP, region=""))
    with pytest.raises(AwsFailure, match="there is no such profile"):
        list(messages(GROUP, region="eu-west-1", profile="nobody"))


class Throttled:
    """A client that is throttled so many times, and then answers."""

    def __init__(self, times: int) -> None:
        self.times = times

    def filter_log_events(self, **wanted: Any) -> dict[str, Any]:
        self.times -= 1
        if self.times >= 0:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "FilterLogEvents")
        return {"events": []}


@pytest.mark.parametrize(("times", "passes"), [(3, True), (logs.MOST_PAUSES, True), (logs.MOST_PAUSES + 1, False)])
def test_a_page_that_is_throttled_is_asked_for_again(times: int, passes: bool) -> None:
    pauses: list[float] = []
    asked = Asked(step="FilterLogEvents", region="eu-west-1")
    if passes:
        assert logs._page(Throttled(times), {}, asked, pauses.append) == {"events": []}
        assert pauses == [logs.PAUSE] * times
    else:
        with pytest.raises(AwsFailure, match="throttles us"):
            logs._page(Throttled(times), {}, asked, pauses.append)


def test_reconcile_reads_a_log_group_of_a_cluster_of_eks(moto: Moto, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = Written(tmp_path)
    eks = {"eks": {"name": "prod", "region": "eu-west-1"}, "credential": {"token-file": "token"}}
    written.top["clusters"] = {"other": written.prod, "main": eks}
    written.load()
    session = ""

    def fill(recorder: Recorder) -> None:
        nonlocal session
        called(recorder, "known", cluster="main")
        session = recorder.session(ANN, "main").id

    recorded(tmp_path / "state", fill)
    put(moto, STREAM, json.dumps(event("known", session=session)), json.dumps(event("eve", user={"username": "eve"})))
    put(moto, "authenticator-1", "time=now level=info")
    words = ("audit", "reconcile", "--config", written.path, "--log-group", GROUP, "-o", "json")
    status, out, err = cli_run(capsys, *words)
    assert status == 1, err
    said = json.loads(out)
    assert (said["cluster"], said["events"], said["recorded_and_seen"], said["other_lines"]) == ("main", 2, 1, 0)
    assert [way["user"] for way in said["rounds"]] == ["eve"]
    status, _, err = cli_run(capsys, "audit", "reconcile", "--config", written.path, "--cluster", "main", "--log-group", "/no/such")
    assert status == 3 and "FilterLogEvents of /no/such" in err
