"""Samples of credentials. The files of tests/vectors/masking hold templates: what is random in one is written {KIND:SIZE}, so
that no forge and no scanner takes a sample for somebody's key. The same template is always filled in the same way.

A row is `true` or `false`, a tab, and a text in which a value stands between « and »; \\n and \\t are escapes.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from dataclasses import dataclass

from tests.support.vector_files import vectors

KINDS = {
    "alnum": string.ascii_letters + string.digits,
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + "234567",
    "hex": "0123456789abcdef",
    "base64": string.ascii_letters + string.digits + "+/",
    "url": string.ascii_letters + string.digits + "-_",
    "digits": string.digits,
}
_FILLED = re.compile(r"\{(\w+)(?::([\w ]*))?\}")


@dataclass(frozen=True)
class Sample:
    detector: str
    text: bytes
    values: tuple[tuple[int, int], ...]  # where values stand in the text; none in a false sample

    @property
    def name(self) -> str:
        return f"{self.detector}:{self.text[:60]!r}"


def samples(*, true: bool) -> list[Sample]:
    """All samples that are credentials, or all that only look like some."""
    found = []
    for vector in vectors("masking"):
        for row in vector.data.decode().splitlines():
            word, _, template = row.partition("\t")
            if word == ("true" if true else "false"):
                found.append(_sample(vector.name, template))
    return found


def _sample(detector: str, template: str) -> Sample:
    chance = random.Random(template)
    filled = _FILLED.sub(lambda match: _fill(match[1], match[2] or "", chance), template)
    text = re.sub(r"\\([nt\\])", lambda match: {"n": "\n", "t": "\t", "\\": "\\"}[match[1]], filled).encode()
    values = []
    while (start := text.find("«".encode())) >= 0:
        end = text.index("»".encode()) - 2
        text = text.replace("«".encode(), b"", 1).replace("»".encode(), b"", 1)
        values.append((start, end))
    return Sample(detector, text, tuple(values))


def _fill(kind: str, size: str, chance: random.Random) -> str:
    if kind == "jwt":
        return _jwt(chance, json.dumps({"alg": "RS256", "kid": "k1"}))
    if kind == "pem":
        return _pem(size, chance)
    if kind == "pem64":
        return base64.b64encode(_pem(size, chance).encode()).decode()
    if kind == "login":
        return base64.b64encode(f"ann:{chance.randbytes(6).hex()}".encode()).decode()
    if kind not in KINDS:
        return f"{{{kind}{':' if size else ''}{size}}}"
    letters = KINDS[kind]
    # Every kind of letter is there, as in a real one
    return "".join(
        [chance.choice(letters) for _ in range(int(size) - 3)]
        + chance.sample([letters[0], letters[-1], letters[len(letters) // 2]], 3)
    )


def _jwt(chance: random.Random, header: str) -> str:
    payload = json.dumps({"iss": "https://kubernetes.default.svc", "sub": f"system:serviceaccount:a:{chance.randint(0, 9999)}"})
    parts = (header.encode(), payload.encode(), chance.randbytes(256))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _pem(kind: str, chance: random.Random) -> str:
    body = base64.b64encode(b"\x30\x82\x04\xa4" + chance.randbytes(300)).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    name = f"{kind} PRIVATE KEY" if kind else "PRIVATE KEY"
    return "\n".join([f"-----BEGIN {name}-----", *lines, f"-----END {name}-----"])
