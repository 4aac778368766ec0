"""kubectl waits for `l7gw login` on each command: a good token is answered before anything is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from l7gw.login.cache import Cache
from l7gw.login.exec_credential import API_VERSIONS, VARIABLE
from l7gw.login.kept import Kept
from l7gw.login.quick import answer
from tests.support.login_issuer import wanted

ARGUMENTS = wanted().arguments()
MODULES = ("login", "login.cache", "login.exec_credential", "login.failure", "login.kept", "login.quick", "login.wanted")
OWN = {"l7gw", "l7gw.__main__", *(f"l7gw.{module}" for module in MODULES)}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, json.dumps({"apiVersion": API_VERSIONS[0], "spec": {}}))
    login = Kept(wanted())
    login.id_token, login.obtained, login.id_ends = "i.d.t", time.time(), time.time() + 3600
    keep(login)
    return login


def keep(login: Kept) -> None:
    cache = Cache(make=True)
    cache.write(wanted(), login)
    cache.close()


def test_a_good_token_is_answered(kept: Kept) -> None:
    said = answer(ARGUMENTS)
    assert said is not None
    status = json.loads(said)["status"]
    assert status["token"] == "i.d.t"
    assert status["expirationTimestamp"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(kept.id_ends - 60))


def test_the_gateway_is_the_one_that_kubectl_tells_where_none_is_given(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = wanted(gateway="").arguments()
    assert answer(bare) is None
    told = {"apiVersion": API_VERSIONS[1], "spec": {"cluster": {"server": "https://GW.example.com:8443/prod"}}}
    monkeypatch.setenv(VARIABLE, json.dumps(told))
    said = answer(bare)
    assert said is not None and json.loads(said)["apiVersion"] == API_VERSIONS[1]


def test_all_else_is_left_to_the_command_that_has_words_for_it(kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert answer([*ARGUMENTS, "--logout"]) is None
    assert answer([*ARGUMENTS, "--token", "access"]) is None
    assert answer(wanted(client_id="other").arguments()) is None
    (tmp_path / "l7gw" / "login").chmod(0o755)
    assert answer(ARGUMENTS) is None
    (tmp_path / "l7gw" / "login").chmod(0o700)
    kept.id_ends, kept.obtained = time.time() + 30, time.time() - 3600
    keep(kept)
    assert answer(ARGUMENTS) is None
    kept.id_ends = time.time() + 3600
    keep(kept)
    monkeypatch.setenv(VARIABLE, "{}")
    assert answer(ARGUMENTS) is None
    monkeypatch.delenv(VARIABLE)
    assert answer(ARGUMENTS) is None


def test_a_cached_login_loads_nothing_but_a_few_modules_of_pythons_own(kept: Kept, tmp_path: Path) -> None:
    """`l7gw` as it is installed, by its entry point. What site-packages load at any start of Python is no part of it."""
    script = (
        "import sys; before = set(sys.modules); sys.argv = ['l7gw', 'login', *sys.argv[1:]]\n"
        "from l7gw.__main__ import main; main()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script, *ARGUMENTS], env=os.environ, capture_output=True, text=True, check=True)
    credential, modules = done.stdout.splitlines()
    assert json.loads(credential)["status"]["token"] == "i.d.t"
    loaded = set(modules.split())
    assert {name for name in loaded if name.startswith("l7gw")} == OWN
    assert not {name.partition(".")[0] for name in loaded} & {
        "click",
        "httpx",
        "cryptography",
        "msgspec",
        "asyncio",
        "ssl",
        "typing",
        "pathlib",
        "yaml",
    }
    assert len(loaded) < 70, sorted(loaded)
