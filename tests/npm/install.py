"""Install the peers of package.json into the cache, keyed by the lock file; `python tests/npm/install.py` prints where."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.cached import key, made_once, say

HERE = Path(__file__).parent
OLDEST_NODE = 20


class MissingNode(Exception):
    """Node.js with npm is not on this machine, or too old."""


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

    def make(folder: Path) -> None:
        say("installing the npm peers of the tests (once, about a minute)")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True, stdout=sys.stderr)

    return made_once("npm", key(version, files=[HERE / "package-lock.json"]), make) / "node_modules"


if __name__ == "__main__":
    print(node_modules())
