"""What l7gw.yaml says about AWS: where the clusters of EKS are."""

from __future__ import annotations

import re

from l7gw.aws import hosts
from l7gw.config.aws_settings import Eks
from l7gw.config.document import Reader, nearest, shown
from l7gw.config.fields import authority_of, url_of

EKS_KEYS = ("name", "region", "endpoint-url", "certificate-authority")
EKS_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}", re.ASCII)  # as CreateCluster takes it


def eks_of(cluster: Reader) -> Eks | None:
    """The map `eks` of a cluster. None where there is none, and where it has a mistake, which is reported."""
    if not cluster.has("eks"):
        return None
    eks = cluster.inner("eks", EKS_KEYS)
    name, region = eks.text("name", required=True), eks.text("region", required=True)
    if name and EKS_NAME.fullmatch(name) is None:
        eks.wrong("name", f"`name`: {shown(name)} is no name of a cluster at EKS", "as `aws eks list-clusters` prints it")
        name = ""
    if region and (hint := not_a_region(region)) is not None:
        eks.wrong("region", f"`region`: {shown(region)} is no region of AWS", hint)
        region = ""
    endpoint = endpoint_url_of(eks)
    authority = authority_of(eks, required=False)
    return Eks(name, region, endpoint, authority) if name and region else None


def endpoint_url_of(reader: Reader) -> str:
    """The https URL of a service of AWS at `endpoint-url`, without a slash at its end; "" where there is none, or a mistake, which
    is reported."""
    text = reader.text("endpoint-url")
    url, _ = url_of(text)
    if not text:
        return ""
    if url is None or url.path.strip("/") or url.query or url.fragment or text.endswith(("?", "#")):
        reader.wrong("endpoint-url", f"`endpoint-url` must be https://HOST[:PORT], not {shown(text)}")
        return ""
    return text.rstrip("/")


def not_a_region(text: str) -> str | None:
    """Which region may have been meant, in words, "" where none is like it; None where the text is a region of AWS."""
    if hosts.partition_of(text) is not None:
        return None
    near = nearest(text, sorted(known for one in hosts.partitions() for known in one.regions))
    return f"did you mean {near}?" if near else ""
