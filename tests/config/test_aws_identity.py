"""What l7gw.yaml says about AWS: the entry `aws` of `identity`, and the id of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.config.aws_settings import ArnLine, AwsIdentity
from tests.support.written_configuration import Written

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"


def with_aws(written: Written, **changed: Any) -> dict[str, Any]:
    """The entry `aws` as it is documented, with changes; `...` leaves a key out."""
    given = {
        "accounts": [ACCOUNT],
        "regions": ["eu-west-1"],
        "map": [{"arn": f"{ROLE}/Admin", "user": "ann", "groups": ["engineers"]}],
        **changed,
    }
    entry: dict[str, Any] = {"aws": {key: value for key, value in given.items() if value is not ...}, "prefix": "aws:"}
    written.top["identity"] = [written.entry, entry]
    return entry


def test_an_entry_is_read_whole(written: Written) -> None:
    with_aws(written, **{"endpoint-url": "https://sts.internal.example:8443/", "certificate-authority": "ca.crt"})
    assert written.load().identity[1] == AwsIdentity(
        accounts=(ACCOUNT,),
        regions=("eu-west-1",),
        map=(ArnLine(f"{ROLE}/Admin", "ann", ("engineers",), "human"),),
        endpoint_url="https://sts.internal.example:8443",
        certificate_authority=written.folder / "ca.crt",
        prefix="aws:",
    )


def test_one_account_and_region_need_no_brackets_and_no_map(written: Written) -> None:
    with_aws(written, accounts=ACCOUNT, regions="cn-north-1", map=...)
    found = written.load().identity[1]
    assert (found.accounts, found.regions, found.map) == ((ACCOUNT,), ("cn-north-1",), ())


@pytest.mark.parametrize(
    "line, found",
    [
        ({"user": "ci", "kind": "workload"}, ("ci", (), "workload")),
        ({"groups": "sre"}, ("", ("sre",), None)),
        ({"kind": "human"}, ("", (), "human")),
    ],
)
def test_a_line_may_say_a_part_alone(written: Written, line: dict[str, Any], found: tuple[Any, ...]) -> None:
    with_aws(written, map=[{"arn": f"{ROLE}/AWSReservedSSO_*_*", **line}])
    (read,) = written.load().identity[1].map
    assert (read.user, read.groups, read.kind) == found


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"accounts": ...}, "`accounts` is missing in `aws`"),
        ({"regions": ...}, "`regions` is missing in `aws`"),
        ({"accounts": ["11112222333"]}, "`accounts`: '11112222333' is no id of an account"),
        ({"accounts": [111122223333]}, "`accounts` must hold texts of one line"),
        ({"regions": ["eu-west1"]}, "`regions`: 'eu-west1' is no region of AWS"),
        ({"regions": ["aws-global"]}, "`regions`: 'aws-global' is no region of AWS"),
        ({"map": [{"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/ann", "user": "ann"}]}, "is no ARN of a role or a user"),
        ({"map": [{"arn": f"{ROLE}/team/Admin", "user": "ann"}]}, "is no ARN of a role or a user"),
        ({"map": [{"arn": "arn:aws:iam::*:role/Admin", "user": "ann"}]}, "is no ARN of a role or a user"),
        ({"map": [{"arn": "arn:aws:iam::999999999999:role/Admin", "user": "ann"}]}, "is not among `accounts`"),
        ({"map": [{"arn": f"{ROLE}/Admin"}]}, "a line of `map` says nothing"),
        ({"map": [{"arn": f"{ROLE}/Admin", "user": ""}]}, "`user` is empty"),
        ({"map": [{"arn": f"{ROLE}/Admin", "user": "ann "}]}, "`user`: 'ann ' begins or ends with a space"),
        ({"map": [{"arn": f"{ROLE}/Admin", "groups": ["a\u3164"]}]}, "`groups`"),
        ({"map": [{"arn": f"{ROLE}/Admin", "user": "ann", "kind": "robot"}]}, "`kind` must be human, agent or workload"),
        ({"map": [{"arn": f"{ROLE}/A", "user": "a"}, {"arn": f"{ROLE}/A", "user": "b"}]}, "stands twice"),
        ({"map": [{"arm": f"{ROLE}/A", "user": "a"}]}, "`arn` is missing"),
        ({"map": ["x"]}, "a line of `map` must be a mapping"),
        ({"endpoint-url": "http://127.0.0.1:5000"}, "`endpoint-url` must be https://HOST[:PORT]"),
        ({"endpoint-url": "https://sts.example.com/path"}, "`endpoint-url` must be https://HOST[:PORT]"),
        ({"endpoint-url": "https://user:secret@sts.example.com"}, "`endpoint-url` must be https://HOST[:PORT]"),
        ({"certificate-authority": "missing.crt"}, "cannot be read"),
        ({"role": "x"}, "unknown key `role` in `aws`"),
    ],
    ids=str,
)
def test_a_mistake_is_told(written: Written, changed: dict[str, Any], said: str) -> None:
    with_aws(written, **changed)
    found = written.problems()
    assert any(said in what for what in found) and len(found) <= 2, found


@pytest.mark.parametrize("beside", ["oidc", "client-certificate"])
def test_an_entry_is_one_of_three_kinds(written: Written, beside: str) -> None:
    entry = with_aws(written)
    entry[beside] = written.entry["oidc"] if beside == "oidc" else {"certificate-authority": "ca.crt"}
    assert written.problems() == ["an entry of `identity` is one of oidc, client-certificate, aws"]


@pytest.mark.parametrize("key, value", [("require", {"a": "b"}), ("kind", "human"), ("end-with-credential", True)])
def test_what_is_about_claims_or_kinds_does_not_stand_beside_aws(written: Written, key: str, value: Any) -> None:
    with_aws(written)[key] = value
    assert len(written.problems()) == 1 and f"`{key}`" in written.problems()[0]


def test_one_entry_has_all_accounts(written: Written) -> None:
    entry = with_aws(written)
    written.top["identity"].append({**entry, "prefix": "b:"})
    assert written.problems() == ["`identity` has two entries `aws`"]


@pytest.mark.parametrize("text", ["prod", "4f4d2c2a-8f2e-4d6c-9a1a-2f0c9f2b7d11", "a.b_c:d/e"])
def test_a_cluster_may_have_the_id_by_which_tokens_name_it(written: Written, text: str) -> None:
    written.prod["aws-cluster-id"] = text
    assert written.load().clusters["prod"].aws_id == text


@pytest.mark.parametrize("text", ["", "a b", "a\u00e9", "x" * 129])
def test_an_id_that_is_no_value_of_a_header_is_a_mistake(written: Written, text: str) -> None:
    written.prod["aws-cluster-id"] = text
    assert "`aws-cluster-id` has 1 to 128" in written.problems()[0]


def test_a_cluster_without_an_id_has_none(written: Written) -> None:
    assert written.load().clusters["prod"].aws_id == ""
