"""What the log says of those who were not let in: handshakes that failed, and credentials that prove nobody.

A stranger can cause each of these lines as often as it likes. So each address has a line a minute for each reason, and a count
(`log.CountedLog`). Nothing that a credential says stands in a line but the issuer that a token names, where that is a plain URL.
"""

from __future__ import annotations

import re
import ssl

from l7gw.errors import Refusal
from l7gw.log import CountedLog
from l7gw.recording.redact import without_tokens

# An issuer that an unproven token may name in the log: nothing else could be one, and other text is the stranger's to choose.
_ISSUER = re.compile(r"https?://[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,100})?")
# What people can do about OpenSSL's reasons, which are told as they are
_MEANT = {
    "http request": "plain HTTP was sent; the address wants https://",
    "wrong version number": "what was sent is no TLS",
    "unsupported protocol": "the client offers nothing newer than TLS 1.1",
    "tlsv1 alert unknown ca": "the client does not trust this certificate; its `certificate-authority` must be that of `tls`",
    "sslv3 alert bad certificate": (  # of Go's clients for both
        "the client does not accept this certificate: its `certificate-authority` must be that of `tls` (l7gw kubeconfig NAME "
        "--edit FILE), and the name in its `server:` one of the certificate's"
    ),
    "sslv3 alert certificate unknown": "the client does not accept this certificate",
    "no shared cipher": "the client offers no cipher that this gateway takes",
}


def unproven(told: CountedLog, address: str, cluster: str, refusal: Refusal) -> None:
    """Log a 401."""
    at = f" at cluster {cluster}" if cluster else ""
    issuer = f" (issuer {shown_issuer(refusal.issuer)})" if refusal.issuer else ""
    told.info(address, f"401{at}: {_plain(refusal.message)}%s", issuer)


def shown_issuer(issuer: str) -> str:
    """The issuer that a credential names, as the log tells it."""
    return issuer if _ISSUER.fullmatch(issuer) and without_tokens(issuer) == issuer else "that is no plain URL"


def cut(told: CountedLog, address: str, error: ssl.SSLError) -> None:
    """Log why a client's handshake failed. The client itself gets only an alert."""
    told.warning(address, f"TLS handshake cut: {_plain(why_cut(error))}")


def left(told: CountedLog, address: str, *, in_time: bool) -> None:
    """Log that a client began a handshake and did not end it."""
    told.info(address, "TLS handshake left unfinished" if in_time else "TLS handshake not finished in time")


def why_cut(error: ssl.SSLError) -> str:
    """What failed in a client's handshake, in words for the log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate is of no authority in `identity`, or is not for clients: {error.verify_message}"
    reason = (error.reason or "no TLS").replace("_", " ").lower()
    return f"{reason}: {_MEANT[reason]}" if reason in _MEANT else reason


def _plain(text: str) -> str:
    """A text as a format without values."""
    return text.replace("%", "%%")
