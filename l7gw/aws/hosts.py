"""The host names of STS, by region: which hosts a token of a region may name, and which partition a region belongs to.

The partitions and their domains are botocore's own data (`data/partitions.json`), which is read without importing the rest of
botocore: that takes half a second. The forms of the names are those of the rules of botocore's endpoints for STS; a test resolves
each region by botocore and compares.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from l7gw import plainjson

GLOBAL_HOST = "sts.amazonaws.com"  # the endpoint without a region; it signs for us-east-1
GLOBAL_REGION = "us-east-1"
LONGEST_REGION = 32  # characters; the longest today has 15

_REGION = re.compile(rf"(?=.{{1,{LONGEST_REGION}}}\Z)[a-z0-9]+(-[a-z0-9]+)+", re.ASCII)


class Partition(NamedTuple):
    """One of AWS's partitions. `domain` and `dual_stack_domain` end the names of its hosts."""

    name: str
    domain: str
    dual_stack_domain: str
    regions: frozenset[str]  # those that botocore knows
    pattern: re.Pattern[str]  # what the names of its regions look like, for newer ones


@cache
def partitions() -> tuple[Partition, ...]:
    """All partitions that botocore knows, `aws` first."""
    data = plainjson.read_object(files("botocore").joinpath("data/partitions.json").read_bytes())
    return tuple(
        Partition(
            name=one["id"],
            domain=one["outputs"]["dnsSuffix"],
            dual_stack_domain=one["outputs"]["dualStackDnsSuffix"],
            regions=frozenset(region for region in one["regions"] if not region.endswith("-global")),
            pattern=re.compile(one["regionRegex"], re.ASCII),
        )
        for one in data["partitions"]
    )


def partition_of(region: str) -> Partition | None:
    """The partition of a region: by its name where botocore knows it, else by the form of the name. None where it has none of
    these forms, such as for a mistyped name."""
    if _REGION.fullmatch(region) is None:
        return None
    known = (one for one in partitions() if region in one.regions)
    return next(known, None) or next((one for one in partitions() if one.pattern.fullmatch(region)), None)


def sts_hosts(region: str) -> frozenset[str]:
    """The host names under which STS answers in a region: the usual one, the one of FIPS 140, both for dual stack, and with
    us-east-1 the global one. Raises ValueError for a name that is no region's."""
    partition = partition_of(region)
    if partition is None:
        raise ValueError("it is no region of AWS")
    found = {
        f"{name}.{region}.{domain}" for name in ("sts", "sts-fips") for domain in (partition.domain, partition.dual_stack_domain)
    }
    return frozenset(found | {GLOBAL_HOST} if region == GLOBAL_REGION else found)


def regional_sts(region: str) -> str:
    """The usual host name of STS in a region. Raises ValueError for a name that is no region's."""
    partition = partition_of(region)
    if partition is None:
        raise ValueError("it is no region of AWS")
    return f"sts.{region}.{partition.domain}"
