"""The map `credential.aws` of a cluster: the role as which the gateway reaches it."""

from __future__ import annotations

import re
from typing import get_args

from l7gw.aws import arns, hosts, names
from l7gw.config.aws import endpoint_url_of
from l7gw.config.aws_settings import AwsRole, Eks, Per
from l7gw.config.document import Reader, plain, shown
from l7gw.config.fields import authority_of

ROLE_KEYS = ("role", "per", "external-id", "session-tags", "profile", "endpoint-url", "certificate-authority")
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)  # STS API, AssumeRole
TAKEN = "letters, digits, spaces and characters of _.:/=+-@, not beginning `aws:`"


def role_of(credential: Reader, eks: Eks | None) -> AwsRole | None:
    """The role at `aws`, for a cluster that is at `eks`. None where it has a mistake; each is reported."""
    inner = credential.inner("aws", ROLE_KEYS)
    role = inner.text("role", required=True)
    if role and not arns.is_role(role):
        hint = "arn:aws:iam::111122223333:role/NAME, with its path: aws iam get-role --role-name NAME --query Role.Arn"
        inner.wrong("role", f"`role`: {shown(role)} is no ARN of a role", hint)
        role = ""
    region = eks.region if eks is not None else ""
    partition = hosts.partition_of(region) if region else None
    if role and partition is not None and arns.parse(role).partition != partition.name:
        inner.wrong("role", f"`role`: {shown(role)} is of another partition than {region}, which is in {partition.name}")
    external_id = inner.text("external-id")
    if inner.has("external-id") and EXTERNAL_ID.fullmatch(external_id) is None:
        inner.wrong("external-id", "`external-id` must have 2 to 1224 letters, digits and characters of +=,.@:/-")
    found = AwsRole(
        role=role,
        per=inner.choice("per", AwsRole.per, get_args(Per)),
        external_id=external_id,
        session_tags=_tags(inner),
        profile=inner.text("profile"),
        region=region,
        endpoint_url=endpoint_url_of(inner),
        certificate_authority=authority_of(inner, required=False),
    )
    return found if role else None


def _tags(inner: Reader) -> dict[str, str]:
    """The session tags. The gateway adds one of its own, with the user."""
    found: dict[str, str] = {}
    seen = {names.USER_TAG.lower()}
    for key, key_node, node in inner.entries("session-tags"):
        value, shown_key = plain(node), f"`session-tags`: {shown(key)}"
        if not names.tag_takes(key, names.LONGEST_TAG_KEY):
            hint = f"at most {names.LONGEST_TAG_KEY} {TAKEN}"
            inner.document.wrong(key_node, f"{shown_key} is no key that AWS takes", hint)
        elif key.lower() in seen:
            hint = "AWS ignores the case of letters in keys"
            inner.document.wrong(key_node, f"{shown_key} is the gateway's own tag, or stands twice", hint)
        elif not isinstance(value, str) or not names.tag_takes(value, names.LONGEST_TAG_VALUE):
            hint = f"at most {names.LONGEST_TAG_VALUE} {TAKEN}; quotes make a text of anything"
            inner.document.wrong(node, f"{shown_key} has a value that AWS does not take", hint)
        else:
            seen.add(key.lower())
            found[key] = value
    if len(found) >= names.MOST_TAGS:
        inner.wrong("session-tags", f"`session-tags`: AWS takes {names.MOST_TAGS} with the gateway's own")
    return found
