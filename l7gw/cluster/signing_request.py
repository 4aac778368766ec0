"""A CertificateSigningRequest in a cluster: made with the gateway's own credential, and looked at until it is answered."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any, Literal

from l7gw.cluster.api_server import Answer, ApiServer
from l7gw.cluster.trial import Failure
from l7gw.name_rules import visible

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
LOOK_EVERY = 2.0  # seconds between two looks; a person approves, and the signer takes a second
GRANT = "RBAC: create and get of certificatesigningrequests.certificates.k8s.io, for the gateway's own credential"

State = Literal[
    "pending",  # nobody has approved it
    "approved",  # the signer has not signed yet
]


def create(server: ApiServer, manifest: dict[str, Any]) -> None:
    """Make the request, unless it is there. Raises Failure."""
    answer = server.ask("POST", PATH, manifest)
    if answer.status not in (201, 409):
        raise _refused(answer, "made")


def wait(server: ApiServer, name: str, until: float, told: Callable[[State], None]) -> bytes:
    """The certificate in PEM, once it is there. `until` is in monotonic seconds; `told` is called at each look before that. Raises
    Failure where the request is denied or failed, and where it is not answered in time."""
    while True:
        answer = server.ask("GET", f"{PATH}/{name}")
        if answer.status != 200:
            raise _refused(answer, "looked at")
        found = _certificate(answer)
        if found is not None:
            return found
        state = _state(answer, name)
        told(state)
        if time.monotonic() >= until:
            what = "it is approved, and not signed yet" if state == "approved" else "nobody has approved it yet"
            remedy = "does the cluster have this signer? EKS has" if state == "approved" else f"kubectl certificate approve {name}"
            raise Failure(what, f"{remedy}; then run this again, which goes on")
        time.sleep(min(LOOK_EVERY, max(0.0, until - time.monotonic())))


def _refused(answer: Answer, done: str) -> Failure:
    return Failure(f"the request could not be {done}: {answer.said}", GRANT if answer.status == 403 else "")


def _certificate(answer: Answer) -> bytes | None:
    data = answer.at("status", "certificate")
    if not isinstance(data, str) or not data:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise Failure("the cluster's answer holds no certificate") from None


def _state(answer: Answer, name: str) -> State:
    """Raises Failure for a request that will never be answered."""
    conditions = answer.at("status", "conditions")
    types = {}
    for condition in conditions if isinstance(conditions, list) else []:
        if isinstance(condition, dict):
            types[condition.get("type")] = visible(str(condition.get("message") or condition.get("reason") or "")[:300])
    for kind, what in (("Denied", "denied"), ("Failed", "not signed")):
        if kind in types:
            remedy = f"kubectl delete csr {name}; then run this again with --renew, which makes another"
            raise Failure(f"the request was {what}: {types[kind]}", remedy)
    return "approved" if "Approved" in types else "pending"
