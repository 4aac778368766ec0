"""Files that no other user may have access to (threats J5): the secrets given to the gateway, and the gateway's own state.

A secret is judged by its mode, by the rules of PostgreSQL for its key (be-secure-common.c, check_ssl_key_file_permissions). A
secret of the gateway's user may be readable by that user alone. A secret of root's may be readable by a group too: a pod that does
not run as root gets the files of a Secret volume so. The state may have any owner, as root may run `l7gw sessions list` for a
gateway that runs as another user. Of a mode only the bits of group and others count. A folder below a setgid folder is setgid too,
and the setgid bit gives nobody access.
"""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
BEYOND_READING = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
ROOT = 0
NO_PASSWORD = "-"  # with any password OpenSSL fails on an encrypted key; without one it would ask at the terminal
Fault = tuple[str, str]
"""What is wrong with a path, in words that follow the path in a sentence; and a hint what to do."""


def fault_of_secret(path: Path, about: os.stat_result, user: int) -> Fault | None:
    """What is wrong with the mode of a key's or token's file; None where no other user can read it. `user` is our user's id."""
    mode = stat.S_IMODE(about.st_mode)
    # The exception for a group is not for root's own group: where root runs the gateway, root's secrets are for root alone.
    for_a_group = about.st_uid == ROOT and (user != ROOT or about.st_gid != ROOT)
    if not mode & (BEYOND_READING if for_a_group else OTHERS):
        return None
    hint = f"chmod {640 if for_a_group else 600} {path}"
    if for_a_group:
        hint += "; for a Secret volume: `defaultMode: 0440`, and `fsGroup` for the pod"
    return f"can be read or written by others (mode {mode:04o})", hint


def fault_of_state(path: Path, about: os.stat_result) -> Fault | None:
    """What is wrong with the mode of the state's folder, or of a file or folder in it; None where no other user has access."""
    mode = stat.S_IMODE(about.st_mode)
    if not mode & OTHERS:
        return None
    hint = f"chmod {700 if stat.S_ISDIR(about.st_mode) else 600} {path}"
    if mode & stat.S_ISGID:  # the kubelet adds g+rwxs (pkg/volume/volume_linux.go), by default at each mount
        hint += "; on a pod's volume with `fsGroup`: `fsGroupChangePolicy: OnRootMismatch`, or it is opened again"
    return f"can be looked into by others (mode {mode:04o})", hint


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Give a context its certificate and key. Never asks anybody for a password: a gateway that was started at a terminal would
    stand still when a key is renewed by an encrypted one. Raises OSError (ssl.SSLError among them) or ValueError."""
    context.load_cert_chain(certificate, key, NO_PASSWORD)
