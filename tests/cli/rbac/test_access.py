"""`l7gw rbac render` tells of AWS what a cluster of EKS needs, and of other clusters nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml

from l7gw.aws import access
from l7gw.cli.rbac.access import FORMATS, WRITTEN, access_of, alone, in_comments
from l7gw.cli.rbac.manifests import text_of
from l7gw.cluster.rbac_render import Part
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.config.settings import Cluster, TokenFile
from l7gw.kube.rbac import Subject, role

ROLE = "arn:aws:iam::111122223333:role/l7gw-prod"
PROD = Cluster("prod", "", 443, Path("/ca"), AwsRole(ROLE, external_id="x"), eks=Eks("prod-1", "eu-west-1"))
GROUP = Subject("Group", "l7gw-gateways")


def test_each_format_prints_one_thing() -> None:
    found = access_of(PROD, GROUP, "", ways_round=False)
    assert found == access.Access("prod-1", "eu-west-1", ROLE, "l7gw-gateways", external_id="x")
    assert {*WRITTEN, "yaml"} == {*FORMATS}
    assert alone(PROD, found, "cli") == access.entry_command(found)
    assert len({alone(PROD, found, form) for form in WRITTEN}) == len(WRITTEN)


def test_comments_before_the_manifests_have_the_command_and_change_no_document() -> None:
    found = access_of(PROD, GROUP, "", ways_round=False)
    assert found is not None
    made = role("r", [])
    text = text_of([*in_comments("prod", found), Part((), (made,))])
    assert [*yaml.safe_load_all(text)] == [made]
    assert f"#   --principal-arn {ROLE} \\\n" in text.replace("#     --", "#   --") and "No access policy" in text


def test_another_cluster_has_no_access_entry() -> None:
    static = replace(PROD, credential=TokenFile(Path("/t")), eks=None)
    assert access_of(static, Subject("User", "gw"), "", ways_round=False) is None
    with pytest.raises(click.UsageError, match="--ways-round is about a cluster of EKS"):
        access_of(static, GROUP, "", ways_round=True)
    with pytest.raises(click.UsageError, match="about a cluster of EKS"):
        alone(static, None, "cli")


@pytest.mark.parametrize(
    ("holder", "own", "said"),
    [
        (Subject("User", "gw"), "", "an access entry maps to a group"),
        (Subject("Group", "system:masters"), "", "does not begin with system:, eks:"),
        (Subject("Group", "eks:x"), "", "does not begin with"),
        (GROUP, "bastion", "--gateway: it is no ARN"),
        (GROUP, "arn:aws:s3:::bucket", "--gateway: it is no ARN of a user, a role"),
    ],
)  # fmt: skip
def test_what_eks_would_refuse_is_refused_in_words(holder: Subject, own: str, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        access_of(PROD, holder, own, ways_round=False)
