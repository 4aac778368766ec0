"""The token by which EKS knows a role session: a presigned URL of STS, as `aws eks get-token` makes it.

botocore signs it. The host is the public one of STS in the cluster's region, whatever endpoint the gateway itself asks: EKS takes
no other, and calls it itself.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from l7gw.aws import hosts
from l7gw.aws.client import Keys

PREFIX = "k8s-aws-v1."
ID_HEADER = "x-k8s-aws-id"  # signed: the token is good for this cluster alone
EXPIRES = 60  # seconds in the URL, as in `aws eks get-token`; STS does not look at it
LIFE = 900.0  # seconds from the date of the signature during which STS takes it
LONGEST = 4096  # bytes of a token that EKS takes (aws-iam-authenticator, `maxTokenLenBytes`)


def cluster_token(keys: Keys, region: str, name: str) -> str:
    """A token for the cluster of this name at EKS; a local cluster of an Outpost has an id in its place. Raises ValueError where
    there is no such region."""
    from botocore.credentials import Credentials
    from botocore.signers import RequestSigner

    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None)
    signer = RequestSigner(_service(), region, "sts", "v4", credentials, _events())
    request = {
        "method": "GET",
        "url": f"https://{hosts.regional_sts(region)}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {ID_HEADER: name},
        "context": {},
    }
    url = signer.generate_presigned_url(request, operation_name="GetCallerIdentity", expires_in=EXPIRES, region_name=region)
    return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


@cache
def _service() -> Any:
    from botocore.model import ServiceId

    return ServiceId("sts")


@cache
def _events() -> Any:
    """Nobody listens to the signer's events. A session's own listeners would be asked for each token."""
    from botocore.hooks import HierarchicalEmitter

    return HierarchicalEmitter()
