"""As whom a cluster knows the gateway: the user of its own credential, as far as that can be said without asking the cluster."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from l7gw import plainjson
from l7gw.aws import arns
from l7gw.cluster.credentials.static import bearer_in
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import ClientCredential, TokenFile

SERVICE_ACCOUNT = "system:serviceaccount:"


def role_of(credential: ClientCredential | TokenFile | AwsRole) -> str:
    """The role as which EKS knows the gateway, in the canonical form that its audit log has; "" for another credential. Raises
    ValueError for a role that is none."""
    return arns.canonical(credential.role) if isinstance(credential, AwsRole) else ""


def users_of(credential: ClientCredential | TokenFile | AwsRole) -> tuple[str, ...]:
    """The common names of the certificate, or the service account of the token; () where nobody can say it: the sessions of a role
    have names of their own. Raises OSError or ValueError where the credential cannot be read."""
    if isinstance(credential, AwsRole):
        return ()
    if isinstance(credential, ClientCredential):
        subject = x509.load_pem_x509_certificates(credential.certificate.read_bytes())[0].subject
        return tuple(str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return _service_account(bearer_in(credential.path))


def _service_account(token: str) -> tuple[str, ...]:
    """The user that a service account's token names. It is read, and not verified: nothing is allowed by it."""
    named = claims_in(token).get("sub")
    return (named,) if isinstance(named, str) and named.startswith(SERVICE_ACCOUNT) else ()


def claims_in(token: str) -> dict[str, Any]:
    """The claims of a token, which is not verified; none where it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return plainjson.read_object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
