"""Clients of AWS's services, as boto3 makes them: its chain of credentials, its endpoints, its signer, its proxies.

boto3 takes half a second to load, and its calls block. So it is imported where it is used, and used in threads, never on the loop.
Endpoints of FIPS and dual stack, proxies and further endpoints follow botocore's own variables and profiles.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from l7gw.loopback import leads_to_loopback
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

ATTEMPTS = 3  # of one call, with the pauses of botocore's standard mode: 2 s in all; whoever renews tries again later anyway
LOUD = ("boto3", "botocore", "urllib3")


@dataclass(frozen=True)
class Keys:
    """Keys of AWS. No text of this object shows them."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def session(profile: str = "", region: str = "") -> Any:
    """A boto3 session, with the credentials that boto3's own chain finds, by a profile where one is named. The chain itself asks in
    `region` (a web identity is exchanged at STS) where AWS's own files and variables name none.

    Clients are made of it by one thread at a time; a client is for many. Raises botocore's exceptions, which `failures.in_words`
    reads.
    """
    import boto3

    for name in LOUD:
        # Debug lines of botocore hold requests and answers whole, and its warnings tracebacks with an answer in them. What failed
        # is told in words of ours.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    made = boto3.Session(profile_name=profile or None)
    return made if made.region_name or not region else boto3.Session(profile_name=profile or None, region_name=region)


def client(
    session: Any,
    service: str,
    region: str | None,
    *,
    keys: Keys | None = None,
    endpoint_url: str = "",
    certificate_authority: Path | None = None,
    timeouts: Timeouts = USUAL_TIMEOUTS,
) -> Any:
    """A client of a service in a region: at its public endpoint, or at `endpoint_url`. It signs with `keys`, or with the session's
    own credentials. The certificates that count are those of the file `certificate_authority`, else those of botocore
    (AWS_CA_BUNDLE). Raises botocore's exceptions."""
    from botocore.config import Config

    config = Config(
        connect_timeout=timeouts.aws_dial,
        read_timeout=timeouts.aws_answer,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra="l7gw",
        proxies={} if leads_to_loopback(endpoint_url) else None,  # None: those of the environment
    )
    return session.client(
        service,
        region_name=region,
        endpoint_url=endpoint_url or None,
        verify=str(certificate_authority) if certificate_authority is not None else None,
        aws_access_key_id=keys.access_key_id if keys is not None else None,
        aws_secret_access_key=keys.secret_access_key if keys is not None else None,
        aws_session_token=keys.session_token or None if keys is not None else None,
        config=config,
    )
