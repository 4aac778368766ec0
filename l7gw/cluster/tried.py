"""A cluster tried from end to end with the gateway's own credential, step by step."""

from __future__ import annotations

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


def try_static(trial: Trial, cluster: Cluster, policy: Policy, timeouts: Timeouts = USUAL_TIMEOUTS) -> ApiServer | None:
    """Try a cluster whose address, CA and credential stand in the configuration. Gives the API server, whom the caller closes; None
    where it cannot be reached."""
    credential = trial.step("credential", lambda: _credential(cluster))
    if credential is None:
        return None
    endpoint = Endpoint(cluster, credential.pair)
    place = Place(cluster.name, endpoint.host, endpoint.port, endpoint.tls, f"the CA in {cluster.certificate_authority}")
    is_certificate = isinstance(cluster.credential, ClientCredential)
    refused = (
        "a certificate of the cluster's client CA (--client-ca-file of its API server)"
        if is_certificate
        else "a token that the cluster knows, not expired and for its audience"
    )
    return _asked(trial, cluster, policy, place, credential, refused, timeouts)


def _asked(
    trial: Trial, cluster: Cluster, policy: Policy, place: Place, credential: StaticCredential, refused: str, timeouts: Timeouts
) -> ApiServer | None:
    tls = connect(trial, place, timeouts)
    server = ApiServer(place, credential.authorization, timeouts)
    if tls is not None:
        server.carry(tls)
    ask_all(trial, server, cluster, policy, refused)
    return server if tls is not None else None


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
