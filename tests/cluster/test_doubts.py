"""Doubts of a cluster's section under a policy. `tests/cli/test_check.py` has rules whose callers' groups do not go up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.cluster.doubts import doubts
from l7gw.demo.pki import Authority
from l7gw.policy.judge import Policy
from tests.support.written_configuration import Written


@pytest.mark.parametrize(
    ("user", "impersonate", "doubted"),
    [("l7gw", "groups", True), ("gateway", "groups", False), ("l7gw", "user", False), ("l7gw", "none", False)],
)
def test_a_gateway_that_the_cluster_knows_by_the_name_of_its_callers_is_doubted(
    tmp_path: Path, user: str, impersonate: Any, doubted: bool
) -> None:
    written = Written(tmp_path)
    certificate, key = Authority(tmp_path / "other").client("own", user)
    written.prod.update(impersonate=impersonate, credential={"client-certificate": str(certificate), "client-key": str(key)})
    cluster = written.load().clusters["prod"]
    assert (
        any("the gateway's own certificate names l7gw" in one for one in doubts(cluster, Policy.load(tmp_path / "policy.yaml")))
        is doubted
    )
