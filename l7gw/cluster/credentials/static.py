"""A credential that is a client certificate, or the token in a file. It is ready at once; a changed token is read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from l7gw.config.settings import ClientCredential, TokenFile
from l7gw.errors import Refusal
from l7gw.file_stamp import Stamp
from l7gw.wire.events import Headers

LONGEST_TOKEN = 16 * 1024  # bytes of a token's file; service account tokens have about 1 KiB, an EKS token 4 KiB at most


class StaticCredential:
    """`pair` are the files of certificate and key, empty for a token. Raises OSError where a token's file holds no usable token."""

    renews = False

    def __init__(self, credential: ClientCredential | TokenFile) -> None:
        self.pair: tuple[Path, Path] | tuple[()] = ()
        self.authorization: Headers = ()  # the header line with the token; no line for a client certificate
        self._token_file: Path | None = None
        self._stamp: Stamp | None = None
        if isinstance(credential, ClientCredential):
            self.pair = (credential.certificate, credential.key)
        else:
            self._token_file = credential.path
            self._stamp = Stamp(credential.path)
            self.authorization = _bearer(credential.path)

    def ready(self) -> bool:
        return True

    def wait(self, then: Callable[[Refusal | None], None]) -> None:
        then(None)

    def refused(self, sent: str) -> bool:
        return False  # nobody can make another one

    def tick(self, now: float) -> None:
        """Read a token that changed. Raises OSError where the new one cannot be used; the old one then stays in force."""
        if self._stamp is not None and self._token_file is not None and self._stamp.changed():
            self.authorization = _bearer(self._token_file)


def _bearer(path: Path) -> Headers:
    return (("authorization", f"Bearer {bearer_in(path)}"),)


def bearer_in(path: Path) -> str:
    """The token in a file. Raises OSError where there is none that can be used."""
    with path.open() as file:
        token = file.read(LONGEST_TOKEN + 1).strip()
    if len(token) > LONGEST_TOKEN or not token or not token.isascii() or not token.isprintable() or " " in token:
        raise OSError(f"{path} holds no usable token")
    return token
