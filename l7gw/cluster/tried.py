"""A cluster tried from end to end with the gateway's own credential, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from l7gw.cluster.api_server import ApiServer, Place, connect, named
from l7gw.cluster.credentials.static import StaticCredential
from l7gw.cluster.endpoint import Endpoint
from l7gw.cluster.rights import ask_all
from l7gw.cluster.trial import Failure, Found, Trial
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.policy.judge import Policy
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts


@dataclass(frozen=True)
class Reached:
    """An API server that was reached. `authority` is its CA in PEM, and `refused` what to do where it does not know the gateway's
    credential."""

    server: ApiServer
    authority: bytes
    refused: str


def tried(trial: Trial, cluster: Cluster, policy: Policy, timeouts: Timeouts = USUAL_TIMEOUTS) -> Reached | None:
    """Try a cluster: the way there, and what it lets the gateway do. Gives what was reached, whose server the caller closes; None
    where it cannot be."""
    found = reached(trial, cluster, timeouts)
    ask_all(trial, found.server if found is not None else None, cluster, policy, found.refused if found is not None else "")
    return found


def reached(trial: Trial, cluster: Cluster, timeouts: Timeouts = USUAL_TIMEOUTS) -> Reached | None:
    """Find the way to a cluster, and its credential."""
    credential = trial.step("credential", lambda: _credential(cluster))
    if credential is None:
        connect(trial, None)
        return None
    endpoint = Endpoint(cluster, credential.pair)
    assert cluster.certificate_authority is not None
    place = Place(cluster.name, endpoint.host, endpoint.port, endpoint.tls, f"the CA in {cluster.certificate_authority}")
    is_certificate = isinstance(cluster.credential, ClientCredential)
    refused = (
        "a certificate of the cluster's client CA (--client-ca-file of its API server)"
        if is_certificate
        else "a token that the cluster knows, not expired and for its audience"
    )
    tls = connect(trial, place, timeouts)
    if tls is None:
        return None
    server = ApiServer(place, credential.authorization, timeouts)
    server.carry(tls)
    return Reached(server, cluster.certificate_authority.read_bytes(), refused)


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
