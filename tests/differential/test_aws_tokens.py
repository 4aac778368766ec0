"""What the real aws-iam-authenticator says of tokens and ARNs, beside what we say."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from l7gw.aws import arns
from l7gw.aws.hosts import sts_hosts
from l7gw.config.aws_settings import AwsIdentity
from l7gw.errors import Refusal
from l7gw.identity.aws_sts import HttpsSts, SignedBy, StsRefused
from l7gw.identity.aws_tokens import read
from tests.support.aws.authenticator import Verdict, canonical, verdicts
from tests.support.aws.connect_proxy import ConnectProxy
from tests.support.aws.stand_in import Aws
from tests.support.aws.tokens import spelled, token
from tests.support.aws_token_urls import REGIONS, urls

HOSTS = frozenset(host for region in REGIONS for host in sts_hosts(region))


def _asks(text: str) -> bool:
    """Whether we would ask STS about a token."""
    try:
        read(text, HOSTS, time.time())
    except Refusal:
        return False
    return True


def test_each_vector_says_what_authenticator_does_and_we_ask_about_no_more(
    authenticator_program: Path, aws: Aws, tmp_path: Path
) -> None:
    rows = urls(time.time())
    with ConnectProxy(aws.port) as proxy:
        found = verdicts(tmp_path, aws, proxy, [spelled(one.url) for one in rows], "prod")
    asked = {one.url: verdict.at_sts or bool(verdict.arn) for one, verdict in zip(rows, found, strict=True)}
    wrong = [f"{one.why}: {one.url}" for one in rows if asked[one.url] is not one.released]
    assert not wrong, "the vectors say something else"
    assert [one.ours for one in rows] == [_asks(spelled(one.url)) for one in rows]


def _ours(aws: Aws, text: str, cluster: str) -> SignedBy | None:
    """Whom we take the token for."""
    entry = AwsIdentity(("1" * 12,), REGIONS, endpoint_url=aws.url, certificate_authority=aws.certificate_authority)

    async def ask() -> SignedBy:
        return await HttpsSts(entry, 30)(read(text, HOSTS, time.time()), cluster)

    try:
        return asyncio.run(ask())
    except (StsRefused, Refusal):
        return None


def test_both_take_the_same_tokens_for_the_same_people(authenticator_program: Path, aws: Aws, tmp_path: Path) -> None:
    user, admin = aws.ring.user("team/ann"), aws.sts.session("arn:aws:iam::111122223333:role/team/Admin", "ann@example.com")
    ended, gone = aws.sts.session("arn:aws:iam::111122223333:role/Admin", "bob", lasting=-1), aws.ring.user("eve")
    tokens = {
        "a user": token(user, "prod"),
        "a session": token(admin, "prod"),
        "fips": token(admin, "prod", "us-west-2", host="sts-fips.us-west-2.amazonaws.com"),
        "global": token(admin, "prod", "us-east-1", host="sts.amazonaws.com"),
        "another cluster": token(admin, "dev"),
        "an ended login": token(ended, "prod"),
        "an unknown key": token(gone, "prod"),
        "an hour old": token(admin, "prod", at=time.time() - 3600),
        "another action": token(admin, "prod", action="AssumeRole"),
        "no cluster": token(admin, "prod", headers={}),
    }
    aws.ring.revoke(gone)
    with ConnectProxy(aws.port) as proxy:
        theirs = dict(zip(tokens, verdicts(tmp_path, aws, proxy, list(tokens.values()), "prod"), strict=True))
    for what, text in tokens.items():
        ours, verdict = _ours(aws, text, "prod"), theirs[what]
        assert (ours is not None) is bool(verdict.arn), (what, verdict)
        if ours is not None:
            _same(ours, verdict)


def _same(ours: SignedBy, theirs: Verdict) -> None:
    assert (ours.who.account, ours.who.session, ours.unique) == (theirs.account, theirs.session_name, theirs.user_id)
    assert ours.who.canonical == arns.canonical(theirs.canonical_arn)  # which keeps the path of a user


ARNS = [
    *("arn:aws:iam::123456789012:user/Alice", "arn:aws:sts::123456789012:assumed-role/Admin/Session", "NOT AN ARN", ""),
    *("arn:aws:iam::123456789012:role/Users", "arn:aws:sts::123456789012:federated-user/Bob", "arn:aws:iam::123456789012:root"),
    *("arn:aws-iso-b:iam::123456789012:user/Chris", "arn:aws:s3:::bucket"),
    *("arn:aws:sts::123456789012:assumed-role/Org/Team/Admin/Session", "arn:aws:iam::123456789012:group/x", "arn:aws:iam::1:role"),
    *("arn:aws:sts::123456789012:role/Admin", "arn:aws:iam::123456789012:role/a b", "arn:other:iam::123456789012:role/a"),
]


def test_an_arn_has_the_same_canonical_form_but_for_its_path(authenticator_program: Path) -> None:
    for arn, theirs in zip(ARNS, canonical(ARNS), strict=True):
        try:
            ours = arns.identity(arn)
        except ValueError:
            continue  # we read less: authenticator takes any text for a name
        assert "arn" in theirs, arn
        head, _, name = theirs["arn"].rpartition("/")
        assert ours.canonical == (f"{head.partition('/')[0]}/{name}" if head else theirs["arn"])
