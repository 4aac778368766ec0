"""A secret in a file of its own: one line that is never shown. A changed file is read again."""

from __future__ import annotations

import logging
from pathlib import Path

from l7gw.file_stamp import Stamp

log = logging.getLogger(__name__)

SHORTEST = 16  # characters; what is shorter can be guessed from what it signed
LONGEST = 4096  # characters; a token of Slack's has 60


class SecretFile:
    """The secret in a file. Raises OSError, in words that hold nothing of it, where the file holds none that can be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = Stamp(path)
        self._secret = _read(path)

    def value(self) -> str:
        """The secret. Where the file has changed it is read again; one that cannot be used leaves the former in force."""
        if self._stamp.changed():
            try:
                self._secret = _read(self._path)
                log.info("%s read again", self._path)
            except OSError as error:
                log.error("the changed %s is not used, the former secret stays in force: %s", self._path, error)
        return self._secret


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LONGEST + 2).strip()
    if not SHORTEST <= len(data) <= LONGEST:
        raise OSError(f"{path} must hold one line of {SHORTEST} to {LONGEST} characters")
    text = data.decode("latin-1")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise OSError(f"{path} must hold one line of printable ASCII without spaces")
    return text
