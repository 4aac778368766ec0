"""What is masked of a Secret, of a request for a token, and of a review of one.

Every value of a Secret is masked and every key stays, so that a client sees what the Secret has. A public certificate stays. A
release that Helm keeps in a Secret or ConfigMap is masked whole or not at all.
"""

from __future__ import annotations

import re

from l7gw.kube.objects.node import Node
from l7gw.masking.objects.hiding import Hiding
from l7gw.masking.objects.object_kinds import text_of

SECRET_DATA = "secret-data"
TOKEN_REQUEST = "token-request"
HELM_RELEASE = "helm-release"

HELM_TYPE = "helm.sh/release.v1"
_HELM_NAME = "sh.helm.release.v1."
_PUBLIC_KEYS = frozenset(("tls.crt", "ca.crt"))
# One PEM certificate or more, and nothing else: RFC 7468 section 5
_CERTIFICATES = re.compile(rb"(?:\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)+\s*")

HELM_WARNING = f"a Helm release was masked, and Helm shows nothing of it; a rule that says reveal: [{HELM_TYPE}] lets Helm read it"
TOKEN_WARNING = f"the token was masked; a rule of the policy that says reveal: [{TOKEN_REQUEST}] shows it"


def is_public_certificate(value: bytes) -> bool:
    """Whether a value is one PEM certificate or several, and nothing else."""
    return value.lstrip().startswith(b"-----BEGIN CERTIFICATE-----") and _CERTIFICATES.fullmatch(value) is not None


def mask_secret(secret: Node, hiding: Hiding, kind_of_secret: str = "") -> None:
    """Mask the values of a Secret. `kind_of_secret` is its type where the object itself names none: of a copy, a patch."""
    kind_of_secret = kind_of_secret or text_of(secret.member("type"))
    also: tuple[str, ...]
    if kind_of_secret == HELM_TYPE or text_of(secret.at("metadata", "name")).startswith(_HELM_NAME):
        detector, also = HELM_RELEASE, (SECRET_DATA, HELM_TYPE)
        if _holds_something(secret) and not hiding.reveals(detector, *also):
            hiding.warn(HELM_WARNING)
    else:
        detector, also = SECRET_DATA, (kind_of_secret or "Opaque",)
    for field in ("data", "stringData"):
        values = secret.member(field)
        if values is not None:
            mask_values(values, hiding, detector, also, encoded=field == "data")
    # An object of another kind than the URL's, in protobuf, of which nobody knows where it keeps its values
    raw = secret.member("raw")
    if raw is not None and raw.shape == "octets":
        hiding.hide_octets(raw, detector, *also)


def mask_values(values: Node, hiding: Hiding, detector: str, also: tuple[str, ...] = (), *, encoded: bool) -> None:
    """Mask each value of the `data` (`encoded`) or `stringData` of a Secret."""
    if values.shape != "object":
        hiding.hide(values, detector, *also)  # nothing that the API server takes, but a caller may send it
        return
    for key, node in values.members():
        mask_value(key, node, hiding, detector, also, encoded=encoded)


def mask_value(key: str, node: Node, hiding: Hiding, detector: str, also: tuple[str, ...] = (), *, encoded: bool) -> None:
    """Mask one value of a Secret, by its key, and remember it."""
    value = node.octets() if encoded else None
    if value is None:
        value = (node.text() or "").encode("utf-8", "surrogatepass")
    if key in _PUBLIC_KEYS and is_public_certificate(value):
        return
    if value and detector == SECRET_DATA:
        hiding.learn(value)
    if encoded:
        hiding.hide_octets(node, detector, *also)
    else:
        hiding.hide(node, detector, *also)


def mask_helm_config_map(config_map: Node, hiding: Hiding) -> bool:
    """Mask a ConfigMap in which Helm keeps a release (its driver `configmap`). Gives False where it is none."""
    if not text_of(config_map.at("metadata", "name")).startswith(_HELM_NAME):
        return False
    if (data := config_map.member("data")) is not None:
        if not hiding.reveals(HELM_RELEASE, HELM_TYPE):
            hiding.warn(HELM_WARNING)
        mask_values(data, hiding, HELM_RELEASE, (HELM_TYPE,), encoded=False)
    return True


def mask_token_request(request: Node, hiding: Hiding) -> None:
    """Mask the token that a TokenRequest was answered with."""
    if (token := request.at("status", "token")) is not None and token.text() != "":
        if not hiding.reveals(TOKEN_REQUEST):
            hiding.warn(TOKEN_WARNING)
        hiding.hide(token, TOKEN_REQUEST)


def mask_token_review(review: Node, hiding: Hiding) -> None:
    """Mask the token that a TokenReview asks about."""
    if (token := review.at("spec", "token")) is not None:
        hiding.hide(token, TOKEN_REQUEST)


def _holds_something(secret: Node) -> bool:
    return any((values := secret.member(field)) is not None and values.members() for field in ("data", "stringData"))
