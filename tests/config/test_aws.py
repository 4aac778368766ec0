"""What l7gw.yaml says about AWS: the clusters of EKS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.written_configuration import Written

EKS: dict[str, Any] = {"name": "prod", "region": "eu-west-1"}


def test_a_cluster_of_eks_needs_no_server_and_no_authority(written: Written) -> None:
    further = {"endpoint-url": "https://eks.example:8443/", "certificate-authority": "ca.crt"}
    written.top["clusters"] = {
        "short": {"eks": EKS, "credential": {"token-file": "token"}},
        "long": {"eks": EKS | further, "credential": {"token-file": "token"}},
    }
    short, long = written.load().clusters.values()
    assert (short.eks.name, short.eks.region, short.eks.endpoint_url) == ("prod", "eu-west-1", "")
    assert short.certificate_authority is None and short.url == ""
    assert (long.eks.endpoint_url, long.eks.certificate_authority) == ("https://eks.example:8443", written.folder / "ca.crt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eks": {"region": "eu-west-1"}}, "`name` is missing in"),
        ({"eks": {"name": "prod"}}, "`region` is missing in"),
        ({"eks": EKS | {"region": "eu-west-9x"}}, "is no region of AWS"),
        ({"eks": EKS | {"name": "a b"}}, "is no name of a cluster at EKS"),
        ({"eks": EKS | {"name": "x" * 101}}, "is no name of a cluster at EKS"),
        ({"eks": EKS | {"endpoint-url": "http://eks.example"}}, "`endpoint-url` must be https://HOST[:PORT]"),
        ({"eks": EKS | {"endpoint-url": "https://eks.example/path"}}, "`endpoint-url` must be https://HOST[:PORT]"),
        ({"eks": EKS | {"certificate-authority": "none.crt"}}, "none.crt"),
        ({"eks": EKS | {"profile": "x"}}, "unknown key `profile`"),
        ({"eks": "prod"}, "must be a mapping"),
        ({"eks": EKS, "server": "https://10.0.0.1"}, "`server` of cluster prod is what EKS describes"),
        ({"eks": EKS, "certificate-authority": "ca.crt"}, "`certificate-authority` of cluster prod is what EKS describes"),
        (
            {"eks": EKS, "credential": {"client-certificate": "gw.crt", "client-key": "gw.key"}},
            "no client certificates but its own",
        ),
    ],
)
def test_a_mistake_in_eks_is_one_sentence(written: Written, change: dict[str, Any], words: str) -> None:
    written.top["clusters"] = {"prod": {"credential": {"token-file": "token"}, **change}}
    (problem,) = written.problems()
    assert words in problem
