"""Clients of AWS: where they go, what they show of themselves, and that botocore logs nothing."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from l7gw.aws.client import Keys, client, session
from l7gw.timeouts import Timeouts
from tests.support.aws.environment import inherit

KEYS = Keys("AKIDCANARY0000000000", "SECRETCANARY00000000000000000000000000000", "TOKENCANARY")


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    inherit(monkeypatch)


def _url(service: str, region: str, **more: Any) -> str:
    return str(client(session(), service, region, keys=KEYS, **more).meta.endpoint_url)


@pytest.mark.parametrize(
    ("region", "sts", "eks"),
    [
        ("eu-west-1", "https://sts.eu-west-1.amazonaws.com", "https://eks.eu-west-1.amazonaws.com"),
        ("us-east-1", "https://sts.us-east-1.amazonaws.com", "https://eks.us-east-1.amazonaws.com"),
        ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn", "https://eks.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com", "https://eks.us-gov-west-1.amazonaws.com"),
        ("us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov", "https://eks.us-iso-east-1.c2s.ic.gov"),
        ("eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu", "https://eks.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_a_client_goes_to_the_regional_endpoint_of_each_partition(region: str, sts: str, eks: str) -> None:
    assert (_url("sts", region), _url("eks", region)) == (sts, eks)


def test_fips_and_dual_stack_follow_botocores_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert _url("sts", "us-east-1") == "https://sts-fips.us-east-1.amazonaws.com"
    assert _url("eks", "us-gov-west-1") == "https://eks.us-gov-west-1.amazonaws.com"  # which is validated anyway
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    assert _url("sts", "us-east-1") == "https://sts-fips.us-east-1.api.aws"
    monkeypatch.delenv("AWS_USE_FIPS_ENDPOINT")
    assert _url("sts", "eu-west-1") == "https://sts.eu-west-1.api.aws"
    assert _url("eks", "eu-west-1") == "https://eks.eu-west-1.api.aws"


def test_an_endpoint_of_the_configuration_counts_before_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.environment.example.com")
    assert _url("sts", "eu-west-1") == "https://sts.environment.example.com"
    assert _url("sts", "eu-west-1", endpoint_url="https://vpce.example.com") == "https://vpce.example.com"


def test_a_proxy_of_the_environment_counts_but_not_on_the_way_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    http = client(session(), "sts", "eu-west-1", keys=KEYS)._endpoint.http_session
    assert http._proxy_config.proxy_url_for("https://sts.eu-west-1.amazonaws.com") == "http://127.0.0.1:1"
    near = client(
        session(), "sts", "eu-west-1", keys=KEYS, endpoint_url="https://127.0.0.1:2", certificate_authority=tmp_path / "ca.crt"
    )
    assert near._endpoint.http_session._proxy_config.proxy_url_for("https://127.0.0.1:2") is None
    assert near._endpoint.http_session._verify == str(tmp_path / "ca.crt")


def test_keys_show_themselves_nowhere_and_botocore_logs_nothing_at_any_level() -> None:
    log, lines = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(lines), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        own = session()
        short = Timeouts(aws_dial=0.2, aws_answer=0.2)
        with pytest.raises(BotoCoreError):
            client(own, "sts", "eu-west-1", keys=KEYS, endpoint_url="https://127.0.0.1:1", timeouts=short).get_caller_identity()
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert lines.getvalue() == ""
    assert "CANARY" not in repr(KEYS) + str(KEYS) + repr(own)
