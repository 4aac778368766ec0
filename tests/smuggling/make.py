"""Write the smuggling corpus: `tests/smuggling/make.py`. The files are committed. Here stands what they hold, and why.

One fault a file, in the format of tests/support/vector_files.py. `http1/*` are the bytes that a client writes; `http2/*` the small
text of frames.py. `{token}` becomes a bearer token, `{token64}` its base64url, `{host}` the host, `{other}` the host of another
cluster behind the same gateway. Fields:

expect: refused an error, a reset or an end; nothing reaches the upstream one METHOD TARGET exactly this request reaches it, and one
answer comes back two METHOD TARGET, METHOD TARGET two legitimate ones, in this order ... then refused and a refusal of what follows
... then reset whose answer is lost with its stream ... or ... where an RFC leaves the choice family: the row of the table that it
counts in asks: proxy (any proxy should) or gateway (Kubernetes and its identities are at stake) absent: what must not stand in any
head at the upstream body: the body that must reach it answer: what the upstream says instead of 200: a status, or `101` and what is
wrong with it status: what the client must hear instead of 200 behind: the line of a second request that is no GET of secrets
within: the request at the end is part of something else incomplete: the message never ends; the client goes away preface: none: the
vector writes it itself (HTTP/2)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent.parent.parent)

CORPUS = Path(__file__).parent / "corpus"
PODS = "/api/v1/namespaces/default/pods"
POD = f"{PODS}/web-0"
# Behind a pod's proxy a body may be anything. Elsewhere bodies are read, and what is no object is refused whatever its framing.
BODIES = f"{POD}/proxy/bodies"
EXEC = f"{POD}/exec?command=ls&stdout=true"
AUTH = "Authorization: Bearer {token}"
# A second request stands behind each vector, for readers that read the first one in another way.
NEXT = f"GET /api/v1/namespaces/smuggled/secrets HTTP/1.1\r\nHost: {{host}}\r\n{AUTH}\r\n\r\n"


@dataclass(frozen=True)
class Made:
    """A vector to be written. `data` is latin-1 text."""

    name: str
    expect: str
    source: str
    comment: str
    data: str
    more: dict[str, str] = field(default_factory=dict)

    def text(self, family: str, asks: str) -> bytes:
        fields = {
            "expect": self.expect,
            "source": self.source,
            "comment": self.comment,
            "family": family,
            "asks": asks,
            **self.more,
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items()).encode() + b"\n" + self.data.encode("latin-1")


def request(line: str = f"GET {POD}", *headers: str, body: str = "", version: str = "HTTP/1.1", host: str = "Host: {host}") -> str:
    """A request with host and credential, and `headers` behind them. No length is added."""
    start = [f"{line} {version}", *([host] if host else []), AUTH, *headers]
    return "\r\n".join(start) + "\r\n\r\n" + body


def slug(text: str) -> str:
    """A part of a file's name: letters, digits and hyphens stay, other characters are written in hex."""
    inner = range(1, len(text) - 1)
    kept = {" ", "-", "_", "/", "."}
    shown = "".join(
        c if c.isascii() and c.isalnum() else "-" if c in kept and n in inner else f"-{ord(c):02x}-" for n, c in enumerate(text)
    )
    return re.sub("-+", "-", shown).strip("-").lower() or "empty"


Family = tuple[str, str, Iterable[Made]]  # its name, who is asked, its vectors


def families(protocol: str) -> Iterator[Family]:
    from tests.smuggling import http1_framing, http1_meaning, http2_frames, http2_meaning, http2_messages

    rooms = (http1_framing, http1_meaning) if protocol == "http1" else (http2_meaning, http2_messages, http2_frames)
    for room in rooms:
        yield from room.families()


def files(protocol: str) -> dict[str, bytes]:
    """Every file of `corpus/PROTOCOL` by name. A second file of one name gets a number. Raises ValueError for two equal vectors."""
    found: dict[str, bytes] = {}
    for family, asks, vectors in families(protocol):
        for vector in vectors:
            name = f"{slug(family.replace(':', ''))}-{vector.name}"
            if name in found:
                name = f"{name}-2"
            data = vector.text(family, asks)
            if name in found or data in found.values():
                raise ValueError(f"{name} stands twice")
            found[name] = data
    return found


def main() -> None:
    for protocol in ("http1", "http2"):
        folder = CORPUS / protocol
        folder.mkdir(parents=True, exist_ok=True)
        made = files(protocol)
        for path in folder.iterdir():
            if path.name not in made:
                path.unlink()
        for name, data in made.items():
            (folder / name).write_bytes(data)
        print(f"{protocol}: {len(made)} vectors")


if __name__ == "__main__":
    main()
