"""Install Autobahn's test suite, which Python 2.7 alone runs, into the cache; `python tests/autobahn/install.py` prints where."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.cached import key, made_once, say

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"  # what Autobahn and its fuzzing need, without its accelerators, which would need a compiler
PLACES = ["~/.pyenv/versions/2.7.*/bin/python2.7", "/usr/bin/python2.7"]
SAYS = "import platform, pip; print(' '.join([platform.python_version(), platform.system(), platform.machine()]))"


class MissingPython2(Exception):
    """No Python 2.7 with pip on this machine, or none that the locked packages are for."""


def find_python() -> Path:
    """Raises MissingPython2."""
    on_path = shutil.which("python2.7")
    places = [on_path] if on_path else []
    for place in PLACES:
        places += glob.glob(os.path.expanduser(place))  # noqa: PTH111, PTH207 a home that is in a pattern
    for place in places:
        told = subprocess.run([place, "-c", SAYS], capture_output=True, text=True).stdout.split()
        if told and told[0].startswith("2.7.") and told[1:] == ["Linux", "x86_64"]:
            return Path(place)
    raise MissingPython2("there is no Python 2.7 with pip for x86_64 Linux here")


def wstest() -> list[str]:
    """The beginning of a command line of Autobahn's `wstest`; installed the first time, seconds. Raises MissingPython2.

    subprocess.CalledProcessError where pip fails.
    """
    python = find_python()

    def make(folder: Path) -> None:
        say("installing Autobahn's test suite for Python 2.7 (once, seconds)")
        pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", folder, "-r", LOCK]
        subprocess.run(pip, check=True, capture_output=True)

    place = made_once("autobahn", key(str(python), files=[LOCK]), make)
    # zope.interface is a part of a namespace package, which only a site folder's .pth files make whole.
    return [str(python), "-c", f"import site; site.addsitedir({str(place)!r}); from autobahntestsuite.wstest import run; run()"]


if __name__ == "__main__":
    print(wstest()[-1])
