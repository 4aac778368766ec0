"""The examples of `deploy/examples`, copied to where a test has the files that they name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from l7gw.demo.pki import Authority, write_private
from tests.support.cited_sources import ROOT

EXAMPLES = ROOT / "deploy" / "examples"
NAMES = tuple(sorted(path.parent.name for path in EXAMPLES.glob("*/l7gw.yaml")))
FILE = re.compile(r"[ ]([a-z0-9/-]+\.(?:crt|key|token|pass)|token/token)(?=[,}\s&])")


def copied(name: str, folder: Path) -> Path:
    """The configuration of an example in a folder that has every file which it names. The state is there too."""
    shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)
    path = folder / "l7gw.yaml"
    text = re.sub(r"state: /var/lib/l7gw\S*", "state: state", path.read_text())
    path.write_text(text)
    authority = Authority(folder / "authority")
    settings = "\n".join(line.partition("#")[0] for line in text.splitlines())
    for file in {found.lstrip() for found in FILE.findall(f"{settings}\n")}:
        at = folder / file
        at.parent.mkdir(exist_ok=True)
        if file.endswith("ca.crt"):
            at.write_bytes(authority.certificate.read_bytes())
        elif file.endswith((".token", "/token")):
            write_private(at, b"a-token")
        elif file.endswith(".crt"):
            certificate, key = authority.server(at.stem, "localhost")
            shutil.move(certificate, at)
            shutil.move(key, at.with_suffix(".key"))
    (folder / "db-ca.crt").write_bytes(authority.certificate.read_bytes())
    return path
