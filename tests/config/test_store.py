"""`store:` in l7gw.yaml: SQLite, or a PostgreSQL server. Whatever is wrong with it, no word of its password is told."""

from __future__ import annotations

from typing import Any

import psycopg.conninfo
import pytest

from l7gw.cli.main import main
from l7gw.config.store import LONGEST, WORDS
from tests.support.written_configuration import Written

CANARY = "tres-secret"


class Checked:
    """`l7gw check`: its exit status, and all that it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._read = monkeypatch, capsys.readouterr

    def __call__(self, written: Written, *more: str) -> tuple[int, str]:
        written.problems()
        self._patch.setattr("sys.argv", ["l7gw", "check", "--config", str(written.path), *more])
        self._read()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), "".join(self._read())


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checked:
    return Checked(monkeypatch, capsys)


def keywords(written: Written, store: str) -> dict[str, str]:
    written.top["store"] = store
    it: Any = written.load()
    return dict(it.store.keywords)


def test_without_the_key_and_with_sqlite_there_is_no_server(written: Written) -> None:
    assert written.load().store is None
    written.top["store"] = "sqlite"
    assert written.load().store is None


@pytest.mark.parametrize(
    "store",
    [
        "postgresql://",
        "postgresql:///l7gw",
        "postgresql://db",
        "postgresql://l7gw@db/l7gw",
        "postgresql://l7gw@db.example.com:5433/l7gw?sslmode=verify-full&sslrootcert=system",
        "postgresql://l7gw@a,b:5433,[2001:db8::1]:5434/l7gw?target_session_attrs=read-write",
        "postgresql://l7gw@%2Frun%2Fpostgresql/l7gw",
        "postgresql:///l7gw?host=/run/postgresql&user=gw",
        "postgresql://l7gw@10.0.0.1/l7gw?options=-csearch_path%3Dgw&channel_binding=require",
        "postgresql://l%40gw@db/l%2Fgw%20x",
    ],
)
def test_a_url_is_read_as_libpq_reads_it(store: str, written: Written) -> None:
    expected = {name: value for name, value in psycopg.conninfo.conninfo_to_dict(store).items() if value is not None}
    assert keywords(written, store) == expected


def test_a_password_is_taken_from_a_file_that_is_private(written: Written) -> None:
    written.path.touch(mode=0o600)
    for store in (f"postgresql://l7gw:{CANARY}%40@db/l7gw", f"postgresql://l7gw@db/l7gw?password={CANARY}%40"):
        assert keywords(written, store)["password"] == f"{CANARY}@"
    for mode in (0o644, 0o640, 0o606):
        written.path.chmod(mode)
        (problem,) = written.problems()
        assert problem == f"`store` has a password, and l7gw.yaml can be read or written by others (mode {mode:04o})"


def test_files_are_relative_to_the_configuration(written: Written) -> None:
    found = keywords(written, "postgresql://db/l7gw?sslrootcert=pki/db.crt&passfile=/etc/pgpass")
    assert (found["sslrootcert"], found["passfile"]) == (str(written.folder / "pki" / "db.crt"), "/etc/pgpass")


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("mysql", "`store` must be sqlite or a postgresql:// URL"),
        (f"mysql://u:{CANARY}@h/d", "`store` must be sqlite or a postgresql:// URL"),
        (f"postgresql+psycopg://u:{CANARY}@h/d", "`store` must begin with postgresql://"),
        (f"postgres://u:{CANARY}@h/d", "`store` must begin with postgresql://"),
        (f"postgresql://u:x/{CANARY}@h/d", "`store` is no URL of a PostgreSQL database"),
        (f"postgresql://u:x@{CANARY}@h/d", "`store` is no URL of a PostgreSQL database"),
        (f"postgresql://u:#{CANARY}@h/d", "`store` is no URL of a PostgreSQL database"),
        (f"postgresql://u:?{CANARY}=x@h/d", "`store` is no URL of a PostgreSQL database"),
        (f"postgresql://u:1?{CANARY}@h/d", "`store`: a parameter behind `?` is not taken"),
        (f"postgresql://u:{CANARY}%zz@h/d", "`store` is no URL of a PostgreSQL database"),
        (f"postgresql://u:{CANARY}%00@h/d", "`store` has a %XX that is no character of a text"),
        (f"postgresql://u:{CANARY}%ff@h/d", "`store` has a %XX that is no character of a text"),
        ("postgresql://h:0/d", "`store`: a port is a number from 1 to 65535"),
        ("postgresql://h:70000/d", "`store`: a port is a number from 1 to 65535"),
        ("postgresql://" + ",".join("h" * 9) + "/d", "`store` is no URL of a PostgreSQL database"),
        ("postgresql://h/" + "d" * LONGEST, "`store` is no URL of a PostgreSQL database"),
        ("postgresql://h/d?sslmod=require", "`store`: a parameter behind `?` is not taken"),
        ("postgresql://h/d?sslmode=verify", "`store`: sslmode has a value that is not taken"),
        ("postgresql://h/d?options=-cstatement_timeout%3D0", "`store`: options has a value that is not taken"),
        ("postgresql://h/d?target_session_attrs=standby", "`store`: target_session_attrs has a value that is not taken"),
        ("postgresql://h/d?connect_timeout=0", "`store`: a parameter behind `?` is not taken"),
    ],
)
def test_each_mistake_is_told_without_what_stands_there(store: str, said: str, written: Written, check: Checked) -> None:
    written.path.touch(mode=0o600)
    written.top["store"] = store
    assert said in written.problems()
    for more in ((), ("-o", "json")):
        status, told = check(written, *more)
        assert status == 2 and CANARY not in told


def test_a_near_parameter_is_named(written: Written, check: Checked) -> None:
    written.top["store"] = "postgresql://h/d?sslmod=require"
    assert "did you mean sslmode?" in check(written)[1]


def test_check_says_where_the_holds_are_kept_and_never_with_which_password(written: Written, check: Checked) -> None:
    written.path.touch(mode=0o600)
    written.top["store"] = f"postgresql://l7gw:{CANARY}@db.example.com:5433/holds?sslmode=verify-full"
    for more in ((), ("-o", "json")):
        status, told = check(written, *more)
        assert status == 0 and CANARY not in told
        assert "PostgreSQL at db.example.com, port 5433, database holds" in told
    assert CANARY not in repr(written.load()) and CANARY not in repr(written.load().store)


@pytest.mark.parametrize(
    ("store", "warned"),
    [
        ("postgresql://db/l7gw", True),
        ("postgresql://db/l7gw?sslmode=require", True),
        ("postgresql://db/l7gw?sslmode=verify-full", False),
        ("postgresql://127.0.0.1/l7gw", False),
        ("postgresql:///l7gw?host=/run/postgresql", False),
    ],
)
def test_check_warns_of_a_server_elsewhere_whose_certificate_is_not_verified(
    store: str, warned: bool, written: Written, check: Checked
) -> None:
    written.top["store"] = store
    status, told = check(written)
    assert status == 0 and ("`store`: the server's certificate is not verified" in told) is warned


def test_each_parameter_is_one_of_libpq() -> None:
    assert WORDS.keys() <= {one.keyword.decode() for one in psycopg.pq.Conninfo.get_defaults()}
