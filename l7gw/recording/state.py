"""The folder of the gateway's own that holds journals, metadata and keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from l7gw.config.private import fault_of_state
from l7gw.os_faults import in_words
from l7gw.recording.reader import of_later_version


def check_state(state: Path) -> None:
    """Make the state's folder where it does not exist. Raises OSError where the folder, or anything in it, is a link, belongs to
    another user, or can be read by others (threats J5), and where a later version has written there."""
    try:
        for parent in reversed(state.parents):
            if not parent.exists():
                parent.mkdir(mode=0o755)  # not by the umask: a user who can write there could replace the state by another folder
        state.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the state {state} cannot be made: {in_words(error)}\n  hint: name a folder of the gateway's own in `state`"
        ) from error
    if state.is_symlink():  # systemd makes /var/lib/l7gw a link with DynamicUser=
        raise OSError(f"the state {state} is a link\n  hint: name the folder itself in `state`: {state.resolve()}")
    for path in [state, *state.rglob("*")]:
        try:
            about = path.lstat()
        except FileNotFoundError:  # another gateway of this state has just removed its lock, or what its database no longer needs
            continue
        if stat.S_ISLNK(about.st_mode):
            raise OSError(f"{path} is a link; the state holds none\n  hint: put the file itself there")
        if about.st_uid != os.geteuid():
            raise OSError(f"{path} belongs to another user\n  hint: chown it to the gateway's user")
        if stat.S_ISSOCK(about.st_mode):
            continue  # of the API: `socket: {group}` lets others use it, and it holds nothing
        fault = fault_of_state(path, about)
        if fault is not None:
            raise OSError(f"{path} {fault[0]}\n  hint: {fault[1]}")
    if (later := of_later_version(state)) is not None:
        raise OSError(f"{later} was written by a later version of l7gw, which this one cannot read\n  hint: install that version")
