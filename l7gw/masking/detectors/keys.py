"""Private keys, which have lines of their own around them."""

from __future__ import annotations

from l7gw.masking.detectors import values
from l7gw.masking.detectors.detector import Detector, Shape

LONGEST_PEM = 32 * 1024  # bytes; an RSA key of 16,384 bits has 13 KiB, an OpenPGP block with several keys 20
_KIND = r"(?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?"
_END_OF_LINE = r"(?:\\+[rn]|[\r\n])+[ \t]*"
# Lines of base64, and the headers and the checksum that may stand before and behind them. `kubectl logs --timestamps` puts a time
# before each line.
_TIME = r"[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9:.]{8,18}(?:Z|[+-][0-9:]{4,5}) "
_BODY = rf"(?:{_END_OF_LINE}|{_TIME}|[A-Za-z-]{{2,20}}: [^\r\n\\]{{0,200}}|[A-Za-z0-9+/=]| )*"
# What a stream waits with: the block so far, until the dashes behind its END are whole. It is wider than the beginnings of a block:
# an unfinished one of 16 KiB takes re2 10 ms to tell by an expression that counts, and 1.5 by this. It must never be narrower, or a
# part of the key goes on: whatever a block may hold stands here, a header with any bytes above all.
_HEADER_NAME = r"[A-Za-z-]+"
_SO_FAR = rf"(?:[A-Za-z0-9+/= \t\r\n\\]|[0-9]-[0-9T:.+-]*|{_HEADER_NAME}: [^\r\n\\]*)*"


def _opening(begin: str, end: str) -> str:
    dashes = end[: len(end) - len(end.lstrip("-"))]
    return f"({begin}{_SO_FAR}(?:-{{1,{len(dashes)}}} ?(?:E[A-Z0-9 ]*-{{0,{len(dashes) - 1}}})?|{_HEADER_NAME}:?)?)"


# base64 of "-----BEGIN" with each kind of private key behind it.
_BASE64_KINDS = "|".join(
    ("BQUklWQVRF", "BSU0EgUFJJVkFUR", "BFQyBQUklWQVRF", "BPUEVOU1NIIFBSSVZBVE", "BFTkNSWVBURUQgUFJJVkFUR", "BEU0EgUFJJVkFUR")
)

KEYS = (
    Detector(
        name="pem-private-key",
        finds="private keys in PEM: RSA, EC, DSA, PKCS 8, encrypted, OpenSSH, OpenPGP; also in base64, as in kubeconfig files",
        anchor="-----BEGIN … PRIVATE KEY",
        reason="The whole block is masked, also where its line ends are written \\n. Certificates and public keys are left alone.",
        shapes=(
            Shape(
                rf"-----BEGIN {_KIND}-----{_BODY}(?:-----END {_KIND}-----)?",
                longest=LONGEST_PEM,
                notice=rf"-----BEGIN {_KIND}-----",
                opens=rf"-----BEGIN {_KIND}-----",
                opening=_opening(rf"-----BEGIN {_KIND}-----", "-----END"),
                keeps=values.is_pem,
            ),
            Shape(
                rf"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----(?:{_BODY})(?:---- END SSH2 ENCRYPTED PRIVATE KEY ----)?",
                longest=LONGEST_PEM,
                notice="---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
                opens="---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
                opening=_opening("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", "---- END"),
            ),
            Shape(
                rf"Private-Lines: [0-9]{{1,3}}{_END_OF_LINE}"
                rf"(?P<value>[A-Za-z0-9+/=]+(?:{_END_OF_LINE}[A-Za-z0-9+/=]+)*){_END_OF_LINE}",
                longest=LONGEST_PEM,
                notice=r"Private-Lines: [0-9]{1,3}",
            ),
            Shape(rf"LS0tLS1CRUdJTi(?:{_BASE64_KINDS})[A-Za-z0-9+/]{{40,}}={{0,2}}", longest=LONGEST_PEM),
        ),
        fixed=True,
        ns_per_byte=0.19,
        keeps_sent=values.is_whole_pem,
    ),
    Detector(
        name="gcp-service-account",
        finds="the private key in the JSON of a Google service account",
        anchor='"private_key": "-----BEGIN',
        reason="The key alone is masked, so that the file still says whose it is.",
        shapes=(
            Shape(
                r"private_key\\{0,3}\"[ \t]{0,4}:[ \t]{0,4}\\{0,3}\""
                r"""(?P<value>-----BEGIN (?:RSA )?PRIVATE KEY-----(?:[A-Za-z0-9+/= -]|\\+[rn]|[\r\n])+)""",
                longest=LONGEST_PEM,
                notice=r"""private_key\\{0,3}"[ \t]{0,4}:[ \t]{0,4}\\{0,3}"-----BEGIN""",
            ),
        ),
        fixed=True,
        ns_per_byte=0.07,
        keeps_sent=values.is_whole_pem,
    ),
)
