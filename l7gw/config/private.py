"""What nobody else may look into (threats J5): secrets that are given to the gateway, and the state that is its own.

A secret is judged by its mode as PostgreSQL judges its key (be-secure-common.c, check_ssl_key_file_permissions): a file of the
gateway's user is for that user alone; one of root's may be read by a group, which is how a Secret volume comes to a pod that does
not run as root. Who owns it is not asked: root may run `l7gw sessions list` for a gateway that runs as somebody else. Of a mode
only the bits of group and others count: a folder below a setgid folder is setgid too, and lets nobody in by that.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
BEYOND_READING = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
ROOT = 0
Fault = tuple[str, str]
"""What is wrong with a path, to stand behind it, and what to do about it."""


def fault_of_secret(path: Path, about: os.stat_result, user: int) -> Fault | None:
    """Of a key or a token; `user` is who runs this. None where nobody else can read it."""
    mode = stat.S_IMODE(about.st_mode)
    # Root's own group is no gateway's: where root runs the gateway, its files are for itself alone, as any user's.
    for_a_group = about.st_uid == ROOT and (user != ROOT or about.st_gid != ROOT)
    if not mode & (BEYOND_READING if for_a_group else OTHERS):
        return None
    hint = f"chmod {640 if for_a_group else 600} {path}"
    if for_a_group:
        hint += "; for a Secret volume: `defaultMode: 0440`, and `fsGroup` for the pod"
    return f"can be read or written by others (mode {mode:04o})", hint


def fault_of_state(path: Path, about: os.stat_result) -> Fault | None:
    """Of the state's folder, or of anything in it. None where nobody else can look into it."""
    mode = stat.S_IMODE(about.st_mode)
    if not mode & OTHERS:
        return None
    hint = f"chmod {700 if stat.S_ISDIR(about.st_mode) else 600} {path}"
    if mode & stat.S_ISGID:  # kubelet's pkg/volume/volume_linux.go adds g+rwxs, at each mount if not told otherwise
        hint += "; on a pod's volume with `fsGroup`: `fsGroupChangePolicy: OnRootMismatch`, or it is opened again"
    return f"can be looked into by others (mode {mode:04o})", hint
