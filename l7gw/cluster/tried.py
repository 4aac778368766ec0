"""A cluster tried from end to end with the gateway's own credential, step by step."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509

from l7gw.aws.client import Keys
from l7gw.aws.roles import Aws
from l7gw.clock import SystemClock
from l7gw.cluster.addresses import Addresses
from l7gw.cluster.api_server import ApiServer, Place, connect, named
from l7gw.cluster.credentials.static import StaticCredential
from l7gw.cluster.eks_tried import AtAws, at_aws, token
from l7gw.cluster.endpoint import Endpoint, way_to
from l7gw.cluster.needs import GROUP
from l7gw.cluster.rights import ask_all
from l7gw.cluster.trial import Failure, Found, Trial, sure
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.name_rules import visible
from l7gw.policy.judge import Policy
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from l7gw.wire.events import Headers


@dataclass(frozen=True)
class Reached:
    """How far one came. `server` is the API server, whom the caller closes; None where it could not be reached. `authority` is its
    CA in PEM, `certificate` what it showed in DER. `keys` are those of the gateway's role session at AWS."""

    server: ApiServer | None = None
    authority: bytes = b""
    certificate: bytes = b""
    keys: Keys | None = field(default=None, repr=False)


def tried(trial: Trial, cluster: Cluster, policy: Policy, timeouts: Timeouts = USUAL_TIMEOUTS) -> Reached:
    """Try a cluster: the way there, and what it lets the gateway do."""
    found = reached(trial, cluster, timeouts)
    ask_all(trial, found.server, cluster, policy, _refused(cluster))
    return found


def reached(trial: Trial, cluster: Cluster, timeouts: Timeouts = USUAL_TIMEOUTS) -> Reached:
    """Find the way to a cluster, with the gateway's credential."""
    if cluster.eks is None:
        credential = trial.step("credential", lambda: _credential(cluster))
        place = _place(cluster, credential) if credential is not None else None
        tls = connect(trial, place, timeouts)
        authority = cluster.certificate_authority.read_bytes() if cluster.certificate_authority is not None else b""
        authorization = credential.authorization if credential is not None else ()
        return Reached(_server(place, tls, authorization, timeouts), authority, _certificate_of(tls))
    at = at_aws(trial, cluster, cluster.eks, Aws(SystemClock(), timeouts), timeouts)
    place = trial.step("endpoint", lambda: _described(cluster, sure(at)))
    tls = connect(trial, place, timeouts)
    authorization = _shown(trial, cluster, cluster.eks, at)
    authority = at.found.certificate_authority.encode() if at is not None else b""
    keys = at.keys if at is not None else None
    return Reached(_server(place, tls, authorization, timeouts), authority, _certificate_of(tls), keys)


def _certificate_of(tls: ssl.SSLSocket | None) -> bytes:
    return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""


def _server(place: Place | None, tls: ssl.SSLSocket | None, authorization: Headers, timeouts: Timeouts) -> ApiServer | None:
    if place is None or tls is None:
        return None
    server = ApiServer(place, authorization, timeouts)
    server.carry(tls)
    return server


def _place(cluster: Cluster, credential: StaticCredential) -> Place:
    endpoint = Endpoint(cluster, credential.pair)
    return Place(cluster.name, endpoint.host, endpoint.port, endpoint.tls, f"the CA in {cluster.certificate_authority}")


def _described(cluster: Cluster, at: AtAws) -> Found[Place]:
    """The place that EKS describes."""
    url = urlsplit(at.found.endpoint)
    if url.scheme != "https" or not url.hostname:
        raise Failure(f"EKS describes the endpoint {visible(at.found.endpoint[:200])!r}, which is no https://HOST")
    host, port = url.hostname, url.port or 443
    try:
        way = way_to(host, port, Addresses(host, port, SystemClock()), at.found.certificate_authority)
    except (OSError, ValueError):
        raise Failure("EKS describes a CA that is no certificate in PEM") from None
    return Found(Place(cluster.name, host, port, way.tls, "the CA that EKS describes"), at.found.endpoint)


def _shown(trial: Trial, cluster: Cluster, eks: Eks, at: AtAws | None) -> Headers:
    """The header line with the token that the cluster is shown; none where there is none."""
    if isinstance(cluster.credential, AwsRole):
        text = token(trial, eks, at)
        return (("authorization", f"Bearer {text}"),) if text is not None else ()
    credential = trial.step("credential", lambda: _credential(cluster))
    return credential.authorization if credential is not None else ()


def _refused(cluster: Cluster) -> str:
    """What to do where the cluster does not know the credential."""
    said = cluster.credential
    if isinstance(said, AwsRole):
        return f"an access entry for {said.role}, with the group {GROUP}: l7gw rbac render {cluster.name}"
    if isinstance(said, ClientCredential):
        return "a certificate of the cluster's client CA (--client-ca-file of its API server)"
    return "a token that the cluster knows, not expired and for its audience"


def _credential(cluster: Cluster) -> Found[StaticCredential]:
    """The credential, as far as it can be looked at without the cluster."""
    assert not isinstance(cluster.credential, AwsRole)
    try:
        found = StaticCredential(cluster.credential)
        if isinstance(cluster.credential, ClientCredential):
            return Found(found, _certificate(cluster.credential))
    except (OSError, ValueError) as error:
        raise Failure(str(error), f"see clusters.{cluster.name}.credential") from None
    return Found(found, f"the token in {cluster.credential.path}")


def _certificate(credential: ClientCredential) -> str:
    certificate = x509.load_pem_x509_certificates(credential.certificate.read_bytes())[0]
    ends = certificate.not_valid_after_utc
    if ends < datetime.now(UTC):
        raise Failure(f"{credential.certificate} ended on {ends.date()}", "renew it; the gateway reads the new file by itself")
    return f"the certificate of {named(certificate.subject)}, until {ends.date()}"
