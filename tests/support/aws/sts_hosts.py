"""The host names of STS, from botocore's own endpoint data."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import botocore.session


@functools.cache
def _resolver() -> tuple[Any, Any]:
    session = botocore.session.Session()
    return session, session._get_internal_component("endpoint_resolver")


def sts_host(region: str) -> str:
    """The usual host of STS of a region."""
    return str(_resolver()[1].construct_endpoint("sts", region)["hostname"])


@functools.cache
def sts_hosts() -> tuple[str, ...]:
    """Every host name of STS that botocore knows: all partitions, regional, FIPS and dual-stack."""
    session, resolver = _resolver()
    found = {"sts.amazonaws.com"}
    for partition in session.get_available_partitions():
        regions = session.get_available_regions("sts", partition, allow_non_regional=True)
        for region in (one for one in regions if not one.endswith("-fips")):  # former names of a variant
            for fips, dual in ((False, False), (True, False), (False, True)):
                with contextlib.suppress(Exception):  # not every region has every variant
                    made = resolver.construct_endpoint(
                        "sts", region, partition, use_dualstack_endpoint=dual, use_fips_endpoint=fips
                    )
                    found |= {made["hostname"]} if made else set()
    return tuple(sorted(found))
