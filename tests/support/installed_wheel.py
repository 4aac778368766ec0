"""The wheel of this source, and an environment in which nothing else of it is: for tests of what people install."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
WITHIN = 100.0  # seconds for one command
EPOCH = "1700000000"  # of every file in the wheel


def build(source: Path, into: Path) -> Path:
    """The wheel of a source tree, in a folder."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", into]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run(hatchling, cwd=source, env=environment, check=True, capture_output=True, timeout=WITHIN)
    [wheel] = into.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """An environment with l7gw from a wheel, and a home that was empty. The dependencies are those of the tests' environment."""

    bin: Path
    home: Path

    def run(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of this environment, in its home, without the source and without the user's own settings."""
        command = [self.bin / words[0], *words[1:]]
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.home), "NO_COLOR": "1"}


def install(wheel: Path, folder: Path) -> Installed:
    """Install a wheel into an environment of its own. Its dependencies are not fetched: the folder of ours is on its path, and as
    nothing of that folder's .pth files is read there, the source tree is not."""
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--python", python]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True, capture_output=True, timeout=WITHIN)
    site = folder / "venv" / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    home = folder / "home"
    home.mkdir()
    return Installed(python.parent, home)
