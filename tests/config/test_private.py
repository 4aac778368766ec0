"""Whether another user can read a secret or the state: one table for every place that checks a file's mode (threats J5)."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key

from l7gw.config import private
from l7gw.config.load import read
from l7gw.config.private import fault_of_secret, fault_of_state
from l7gw.demo.pki import Authority
from l7gw.gateway.tls import Listening
from l7gw.recording.state import check_state
from tests.support.gateway_process import EVERYTHING

ROOT, OURS, ANOTHER = 0, 1000, 2000
OWN = (0o600, 0o400, 0o700, 0o200)
READ_BY_GROUP = (*OWN, 0o640, 0o440)
POD = 65532
TOO_OPEN = (0o660, 0o620, 0o650, 0o644, 0o604, 0o601, 0o602, 0o444, 0o777)


def about(mode: int, owner: int = OURS, group: int = OURS) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 1, 1, 1, owner, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    "who, user, owner, group, good",
    [
        ("a file of the gateway's own is for itself alone", OURS, OURS, OURS, OWN),
        ("whatever its group", OURS, OURS, ROOT, OWN),
        ("root's may be read by the gateway's group", OURS, ROOT, OURS, READ_BY_GROUP),
        ("and by root's group", OURS, ROOT, ROOT, READ_BY_GROUP),
        ("where root is the gateway its files are for itself", ROOT, ROOT, ROOT, OWN),
        ("root looks at a configuration whose gateway is another", ROOT, ROOT, OURS, READ_BY_GROUP),
        ("or at files of that gateway's user", ROOT, OURS, OURS, OWN),
        ("a third user's file is for that user", OURS, ANOTHER, OURS, OWN),
    ],
)
def test_a_secret_is_judged_as_postgres_judges_its_key(who: str, user: int, owner: int, group: int, good: tuple[int, ...]) -> None:
    for mode in {*OWN, *READ_BY_GROUP, *TOO_OPEN}:
        fault = fault_of_secret(Path("server.key"), about(mode, owner, group), user)
        assert (fault is None) is (mode in good), f"{who}: {mode:o}"


@pytest.mark.parametrize("special", [0, 0o1000, 0o2000, 0o4000, 0o7000])
def test_of_a_mode_only_the_bits_of_group_and_others_count(special: int) -> None:
    for mode in range(0o1000):
        closed = mode & 0o077 == 0
        assert (fault_of_state(Path("state"), about(mode | special)) is None) is closed
        assert (fault_of_secret(Path("key"), about(mode | special), OURS) is None) is closed


def test_a_state_that_a_pods_volume_opened_is_reported_with_the_setting_that_keeps_it_closed() -> None:
    fault = fault_of_state(Path("state"), about(0o2770))
    assert fault is not None and "fsGroupChangePolicy: OnRootMismatch" in fault[1]
    assert fault_of_state(Path("state"), about(0o2700)) is None


def test_a_file_with_the_mode_that_its_hint_names_has_no_fault() -> None:
    for user, owner in ((OURS, OURS), (OURS, ROOT), (ROOT, ROOT)):
        fault = fault_of_secret(Path("key"), about(0o644, owner), user)
        assert fault is not None
        told = int(fault[1].split()[1], 8)
        assert fault_of_secret(Path("key"), about(told, owner), user) is None


@pytest.fixture
def pod() -> Iterator[Path]:
    """The files of a pod that runs as user 65532 with `fsGroup: 65532` and a Secret volume of `defaultMode: 0440`."""
    folder = Path(tempfile.mkdtemp())  # other users may not enter pytest's own folders
    try:
        secret, data = folder / "secret", folder / "data"
        authority = Authority(secret, "CA")
        authority.server("server", "localhost")
        authority.client("gateway", "l7gw")
        (secret / "token").write_text("token")
        for one in secret.iterdir():
            os.chown(one, ROOT, POD)
            one.chmod(0o440)
        data.mkdir()
        os.chown(data, ROOT, POD)
        data.chmod(0o2770)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(
    "credential", [{"client-certificate": "secret/gateway.crt", "client-key": "secret/gateway.key"}, {"token-file": "secret/token"}]
)
def test_a_pod_that_does_not_run_as_root_reads_its_secret_volume_and_makes_its_state(pod: Path, credential: dict[str, str]) -> None:
    (pod / "policy.yaml").write_text(EVERYTHING)
    tls = {"certificate": "secret/server.crt", "key": "secret/server.key"}
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": "secret/ca.crt", "credential": credential}
    configuration = {
        "listen": "127.0.0.1:0",
        "tls": tls,
        "state": "data/l7gw",
        "identity": [{"client-certificate": {"certificate-authority": "secret/ca.crt"}}],
        "clusters": {"prod": {**cluster, "hosts": ["prod.test"], "tls": dict(tls)}},
        "policy": "policy.yaml",
    }
    (pod / "l7gw.yaml").write_text(yaml.safe_dump(configuration))
    assert read(pod / "l7gw.yaml")[2] == []  # as root too, which imports every module for the other user
    for _ in range(2):  # the second run finds the state of the first
        assert as_user(POD, lambda: begin(pod / "l7gw.yaml")) == "ready"
    assert (pod / "data" / "l7gw").stat().st_mode & 0o7777 == 0o2700


def begin(config: Path) -> str:
    """Do what `l7gw serve` does before it listens."""
    settings, _, problems, _, _ = read(config)
    if settings is None:
        return "; ".join(f"{one.what} {one.hint}" for one in problems)
    check_state(settings.state)
    Listening(settings)
    return "ready"


def as_user(user: int, action: Callable[[], str]) -> str:
    """Run an action in a process of that user, with no group but its own. The process is forked, as only
    root may be able to read Python's files."""
    mine, its = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            said = action()
        except BaseException as error:
            said = repr(error)
        os.write(its, said.encode()[:4096])
        os._exit(0)
    os.close(its)
    with os.fdopen(mine) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


# ---------------------------------------------------------------------- encrypted keys

LOADS = (
    "import ssl, sys; from l7gw.config.private import load_pair; load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *sys.argv[1:])"
)


def test_a_renewed_key_that_is_encrypted_fails_at_a_terminal_too_and_nobody_is_asked(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path, "CA").server("server", "localhost")
    plain = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.login_tty(0); {LOADS}", certificate, key],
        stdin=its, stdout=its, stderr=its, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    try:
        assert process.wait(30) == 1
        assert b"pass phrase" not in os.read(ours, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_keys_are_loaded_in_one_place_that_asks_nobody() -> None:
    package = Path(private.__file__).parent.parent
    assert [path.name for path in package.rglob("*.py") if "load_cert_chain(" in path.read_text()] == ["private.py"]
