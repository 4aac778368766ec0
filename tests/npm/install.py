"""Install the peers of package.json into the cache, keyed by the lock file; `python tests/npm/install.py` prints where."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
OLDEST_NODE = 20


class MissingNode(Exception):
    """Node.js with npm is not on this machine, or too old."""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l7gw" / "npm"


def node_modules() -> Path:
    """The folder `node_modules` with every peer in it; installed the first time, which takes about a minute.

    Raises MissingNode; subprocess.CalledProcessError where npm fails.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise MissingNode(f"Node.js {OLDEST_NODE}+ with npm is not on PATH")
    version = subprocess.check_output([node, "--version"], text=True).strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        raise MissingNode(f"Node.js {OLDEST_NODE}+ is needed, this is {version}")
    lock = (HERE / "package-lock.json").read_bytes()
    place = cache() / hashlib.sha256(lock + version.encode()).hexdigest()[:16]
    modules = place / "node_modules"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as held:  # two test runs never install at once
        fcntl.flock(held, fcntl.LOCK_EX)
        if modules.is_dir():
            return modules
        print("installing the npm peers of the tests (once, about a minute)", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True, stdout=sys.stderr)
            shutil.move(folder, place)
            Path(folder).mkdir()  # for TemporaryDirectory to remove
    return modules


if __name__ == "__main__":
    print(node_modules())
