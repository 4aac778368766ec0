"""What `l7gw init` writes: made beside its place, read as the gateway will read it, and put there whole or not at all."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from l7gw.cli.init import text as init_text
from l7gw.cli.init.rbac import rbac_of
from l7gw.cli.init.text import AGENT_GROUP
from l7gw.cli.init.wanted import Wanted, is_loopback
from l7gw.cli.kubeconfig.command import kubeconfig
from l7gw.config.load import load
from l7gw.demo.pki import Authority, write_private
from l7gw.plainyaml import dumped
from l7gw.policy.judge import Policy

CONFIGURATION, POLICY, RBAC, TOKEN = "l7gw.yaml", "policy.yaml", "rbac.yaml", "gateway.token"
AUTHORITY_DAYS = 365  # of the development authorities; a first try is over by then
ISSUED_DAYS = 90  # of what they sign; `l7gw check` tells from 30 days before the end on
PUBLIC = (".crt", ".yaml")  # what others may read: certificates, and what holds no credential


class Occupied(Exception):
    """A file is there already. `args` are all that are."""


def names(wanted: Wanted) -> list[str]:
    """Every file that is written, relative to the folder, and the token's, which somebody writes later."""
    found = [CONFIGURATION, POLICY, RBAC, f"{wanted.name}.kubeconfig", "certs/cluster-ca.crt"]
    if _has_authority(wanted):
        found += ["certs/ca.crt", "certs/ca.key"]
    if wanted.pair is None:
        found += ["certs/server.crt", "certs/server.key"]
    if wanted.agents:
        found += [f"{wanted.name}-agent.kubeconfig", "certs/agents-ca.crt", "certs/agents-ca.key"]
    return found


def occupied(wanted: Wanted) -> list[str]:
    """Those of the files that are there already."""
    return [name for name in (*names(wanted), TOKEN) if os.path.lexists(wanted.folder / name)]


def write(wanted: Wanted) -> None:
    """Write all of them. Raises OSError, Occupied and ConfigurationError, and then leaves what was there."""
    new = _folders(wanted.folder)
    try:
        stage = Path(tempfile.mkdtemp(prefix=".l7gw-init-", dir=wanted.folder))
        try:
            _make(wanted, stage)
            with _new_folder(wanted.folder / "certs"):
                _put(wanted, stage)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except BaseException:
        for folder in reversed(new):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _folders(folder: Path) -> list[Path]:
    """Make a folder and those above it. Gives the new ones, from the top."""
    new = [one for one in (folder, *folder.parents) if not one.exists()][::-1]
    for one in new:
        one.mkdir(mode=0o700)
    return new


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """A folder that goes again where what is put into it cannot be."""
    new = not folder.exists()
    if new:
        folder.mkdir(mode=0o700)
    try:
        yield
    except BaseException:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _put(wanted: Wanted, stage: Path) -> None:
    """Each file to its place, where nothing may be."""
    put: list[Path] = []
    try:
        for name in names(wanted):
            place = wanted.folder / name
            mode = 0o644 if place.suffix in PUBLIC else 0o600
            file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            put.append(place)
            with os.fdopen(file, "wb") as stream:
                os.fchmod(file, mode)
                stream.write((stage / name).read_bytes())
                stream.flush()
                os.fsync(file)
    except BaseException as error:
        for place in put:
            place.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise Occupied(name) from None
        raise


def _has_authority(wanted: Wanted) -> bool:
    """Whether the development authority is needed: for the gateway's own certificate, or for people."""
    return wanted.pair is None or wanted.issuer is None


def _make(wanted: Wanted, stage: Path) -> None:
    """The files, in a folder of their own; there they are read as `l7gw check` will."""
    certs = stage / "certs"
    certs.mkdir()
    (certs / "cluster-ca.crt").write_bytes(wanted.cluster.authority)
    (stage / CONFIGURATION).write_text(init_text.configuration(wanted), encoding="utf-8")
    (stage / POLICY).write_text(init_text.policy(wanted), encoding="utf-8")
    people = _authority(certs, "l7gw development CA", "ca") if _has_authority(wanted) else None
    agents = _authority(certs, "l7gw development CA of agents", "agents-ca") if wanted.agents else None
    if wanted.pair is None:
        assert people is not None
        local = ("localhost", "127.0.0.1") if is_loopback(wanted.host) else ()
        certificate, _ = people.server("server", *dict.fromkeys((wanted.host, *local)))
        # `l7gw kubeconfig` gives clients the last certificate of the file
        certificate.write_bytes(certificate.read_bytes() + people.certificate.read_bytes())
    if wanted.credential is None:
        write_private(stage / TOKEN, b"made-later\n")  # for the reading below; it is not put anywhere
    settings = load(stage / CONFIGURATION)
    (stage / RBAC).write_text(rbac_of(wanted, settings, Policy.load(settings.policy)), encoding="utf-8")
    for name, authority, user, group in (
        (f"{wanted.name}.kubeconfig", people if wanted.issuer is None else None, wanted.user, wanted.group),
        (f"{wanted.name}-agent.kubeconfig", agents, "first", AGENT_GROUP),
    ):
        if name in names(wanted):
            pair = authority.client(f"client-{user}", user, (group,)) if authority is not None else None
            (stage / name).write_text(_client(wanted, stage, pair), encoding="utf-8")


def _authority(certs: Path, name: str, stem: str) -> Authority:
    made = Authority(certs, name, stem=stem, days=AUTHORITY_DAYS, issued_days=ISSUED_DAYS)
    made.keep_key()
    return made


def _client(wanted: Wanted, stage: Path, pair: tuple[Path, Path] | None) -> str:
    """A client's kubeconfig as `l7gw kubeconfig` prints it, with this certificate and key in it."""
    arguments = [wanted.name, "--address", wanted.address, "--config", str(stage / CONFIGURATION)]
    if pair is None and wanted.issuer is not None and wanted.issuer.login:
        arguments += ["--login", "--login-command", wanted.command]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        kubeconfig.main(arguments, "l7gw kubeconfig", standalone_mode=False)
    if pair is None:
        return printed.getvalue()
    document = yaml.safe_load(printed.getvalue())
    certificate, key = (base64.b64encode(path.read_bytes()).decode() for path in pair)
    document["users"][0]["user"] = {"client-certificate-data": certificate, "client-key-data": key}
    return f"# {wanted.name} through l7gw, by a certificate of the development authority: for a first try.\n" + dumped(document)
