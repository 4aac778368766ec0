"""The entry `aws` of `identity` in l7gw.yaml: which accounts' users and roles are let in, and who they are."""

from __future__ import annotations

import re

import yaml

from l7gw import name_rules
from l7gw.aws import arns
from l7gw.config.aws import endpoint_url_of, not_a_region
from l7gw.config.aws_settings import ArnLine, AwsIdentity
from l7gw.config.document import Reader, shown
from l7gw.config.fields import authority_of
from l7gw.config.settings import KINDS

AWS_KEYS = ("accounts", "regions", "map", "endpoint-url", "certificate-authority")
ARN_KEYS = ("arn", "user", "groups", "kind")
MOST_ACCOUNTS = 1000  # of one entry; a large organisation has some hundred with clusters
MOST_REGIONS = 100  # AWS has 40
MOST_LINES = 1000  # of `map`; each is compared with each new caller's ARN, which takes 1 us

ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)


def aws_identity_of(entry: Reader, prefix: str) -> AwsIdentity | None:
    """The entry `aws` of `identity`. None where it has a mistake without which nothing can be made of it; each is reported."""
    aws = entry.inner("aws", AWS_KEYS)
    accounts, regions = _accounts(aws), _regions(aws)
    lines = _lines(aws, accounts)
    endpoint = endpoint_url_of(aws)
    authority = authority_of(aws, required=False)
    if not accounts or not regions:
        return None
    return AwsIdentity(accounts, regions, lines, endpoint_url=endpoint, certificate_authority=authority, prefix=prefix)


def _accounts(aws: Reader) -> tuple[str, ...]:
    if not aws.has("accounts"):
        aws.missing("accounts", 'accounts: ["111122223333"]: nobody else is let in')
        return ()
    found = [text for text, node in aws.listed("accounts", one=True) or () if _is_account(aws, text, node)]
    if len(found) > MOST_ACCOUNTS:
        aws.wrong("accounts", f"`accounts` has more than {MOST_ACCOUNTS} values")
    return tuple(dict.fromkeys(found))


def _is_account(aws: Reader, text: str, node: yaml.Node) -> bool:
    if ACCOUNT.fullmatch(text):
        return True
    aws.document.wrong(node, f"`accounts`: {shown(text)} is no id of an account", 'twelve digits in quotes: "111122223333"')
    return False


def _regions(aws: Reader) -> tuple[str, ...]:
    if not aws.has("regions"):
        aws.missing("regions", "regions: [eu-west-1]: those whose STS the tokens are made for")
        return ()
    found = []
    for text, node in aws.listed("regions", one=True) or ():
        if (hint := not_a_region(text)) is not None:
            aws.document.wrong(node, f"`regions`: {shown(text)} is no region of AWS", hint)
        else:
            found.append(text)
    if len(found) > MOST_REGIONS:
        aws.wrong("regions", f"`regions` has more than {MOST_REGIONS} values")
    return tuple(dict.fromkeys(found))


def _lines(aws: Reader, accounts: tuple[str, ...]) -> tuple[ArnLine, ...]:
    nodes = aws.items("map")
    if len(nodes) > MOST_LINES:
        aws.wrong("map", f"`map` has more than {MOST_LINES} lines")
    found = [_line(aws, node, accounts) for node in nodes[:MOST_LINES]]
    lines = [line for line in found if line is not None]
    for place, line in enumerate(lines):
        if any(before.arn == line.arn for before in lines[:place]):
            aws.wrong("map", f"`map`: {shown(line.arn)} stands twice", "the first line that fits counts")
    return tuple(lines)


def _line(aws: Reader, node: yaml.Node, accounts: tuple[str, ...]) -> ArnLine | None:
    entry = Reader(aws.document, node, "a line of `map`", ARN_KEYS)
    if not isinstance(node, yaml.MappingNode):
        return None
    arn = entry.text("arn", required=True)
    if arn and not arns.is_glob(arn):
        entry.wrong("arn", f"`arn`: {shown(arn)} is no ARN of a role or a user that can be mapped", _hint(arn))
    elif arn and accounts and arns.parse(arn).account not in accounts:
        entry.wrong("arn", f"`arn`: the account of {shown(arn)} is not among `accounts`", "nobody of another account is let in")
    user = entry.text("user")
    if entry.has("user") and not user:
        entry.wrong("user", "`user` is empty", "leave it out to keep the name that AWS gives")
    groups = entry.texts("groups", one=True) or ()
    for key, text in (("user", user), *(("groups", group) for group in groups)):
        if text and (fault := name_rules.fault(text)):
            entry.wrong(key, f"`{key}`: {shown(text)} {fault}")
    kind = entry.choice("kind", None, KINDS)
    if not (user or groups or entry.has("kind")):
        entry.document.wrong(node, "a line of `map` says nothing", "it needs user, groups or kind")
    return ArnLine(arn, user, groups, kind or ("human" if user else None)) if arn else None


def _hint(arn: str) -> str:
    """How the ARN would have to be written."""
    try:
        return f"write {arns.canonical(arn)}"
    except ValueError:
        return "arn:aws:iam::111122223333:role/NAME or :user/NAME, without a path; * may stand in NAME"
