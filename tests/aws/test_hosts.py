"""The hosts of STS: those that botocore resolves for each region, and no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from l7gw.aws import hosts


def test_each_host_that_botocore_resolves_is_a_host_of_its_region() -> None:
    """botocore's own rules of endpoints are the other implementation."""
    from botocore.endpoint_provider import EndpointProvider
    from botocore.loaders import Loader

    loader = Loader()
    rules = loader.load_service_model("sts", "endpoint-rule-set-1")
    provider = EndpointProvider(rules, loader.load_data("partitions"))
    seen: dict[str, set[str]] = {}
    regions = [(one.name, region) for one in hosts.partitions() for region in one.regions]
    for partition, region in regions:
        for fips in (False, True):
            for dual in (False, True):
                for old in (False, True):  # whether the usual regions resolve to the global host, as older clients do
                    asked = {"Region": region, "UseFIPS": fips, "UseDualStack": dual, "UseGlobalEndpoint": old}
                    seen.setdefault(region, set()).add(provider.resolve_endpoint(**asked).url.removeprefix("https://"))
        found = hosts.partition_of(region)
        assert found is not None and found.name == partition
    assert len(seen) > 40
    for region, resolved in seen.items():
        ours = hosts.sts_hosts(region)
        assert resolved - {hosts.GLOBAL_HOST} <= ours, region
        if region not in ("us-gov-west-1", "us-gov-east-1"):
            assert ours <= resolved, region


@pytest.mark.parametrize(
    "region, host, listed",
    [
        ("us-east-1", "sts.amazonaws.com", True),
        ("eu-west-1", "sts.amazonaws.com", False),
        ("us-west-2", "sts-fips.us-west-2.amazonaws.com", True),
        ("us-west-2", "sts.us-west-2.api.aws", True),
        ("us-west-2", "sts.us-west-1.amazonaws.com", False),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn", True),
        ("cn-north-1", "sts.cn-north-1.api.amazonwebservices.com.cn", True),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com", False),
        ("us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov", True),
        ("us-gov-east-1", "sts.us-gov-east-1.amazonaws.com", True),
        ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu", True),
        ("eu-west-9", "sts.eu-west-9.amazonaws.com", True),  # a region that botocore does not know yet
    ],
)
def test_a_host_belongs_to_its_own_region_and_partition(region: str, host: str, listed: bool) -> None:
    assert (host in hosts.sts_hosts(region)) is listed


@pytest.mark.parametrize(
    "region",
    ["", "eu-west1", "EU-WEST-1", "aws-global", "not-a-region", "eu-west-1.evil.com", "eu-west-1/", "eu-west-1\n", "u" * 40],
)
def test_what_is_no_name_of_a_region_has_no_host(region: str) -> None:
    assert hosts.partition_of(region) is None
    with pytest.raises(ValueError):
        hosts.sts_hosts(region)


def test_the_hosts_are_known_without_the_weight_of_botocore() -> None:
    told = "import sys, l7gw.aws.hosts as h; h.sts_hosts('eu-west-1'); print('botocore.session' in sys.modules, 'botocore.loaders' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "False False\n"
