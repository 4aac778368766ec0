"""The disk of the state, and the database."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from l7gw.cli.online.jobs import Report, run
from l7gw.cli.online.machine import NAME, job_of_store, of_disk, of_user
from l7gw.store import database
from tests.support.postgres import Postgres
from tests.support.written_configuration import Written

RESERVE = 2 * 1024**3


@pytest.mark.parametrize(
    ("free", "files", "state", "words"),
    [
        (3 * RESERVE, 10**6, "green", "6.0 GiB free"),
        (RESERVE + 1, 10**6, "yellow", "calls stop when the reserve is reached"),
        (RESERVE - 1, 10**6, "red", "no call passes"),
        (3 * RESERVE, 3, "yellow", "3 files can still be made"),
        (3 * RESERVE, 0, "green", ""),  # btrfs counts no files
    ],
)
def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, files: int, state: str, words: str
) -> None:
    settings = Written(tmp_path).load()
    filled: Any = SimpleNamespace(f_bavail=free, f_frsize=1, f_files=files, f_favail=files)
    monkeypatch.setattr(os, "statvfs", lambda path: filled)
    found = of_disk(settings)
    assert found.state == state and words in f"{found.text} {found.hint}" and bool(found.hint) == (state != "green")


def test_a_state_that_cannot_be_written_or_made_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(tmp_path)
    settings = written.load()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert of_disk(settings).text.endswith("cannot be made by this user") and "install -d -m 0700" in of_disk(settings).hint
    (tmp_path / "state").mkdir(mode=0o700)
    assert of_disk(settings).text.endswith("cannot be written by this user") and "chown" in of_disk(settings).hint


def test_another_user_than_the_states_is_told_to_run_it_as_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Written(tmp_path).load()
    assert [*of_user(settings)] == []  # there is no state yet
    (tmp_path / "state").mkdir(mode=0o700)
    assert [found.state for found in of_user(settings)] == ["green"]
    monkeypatch.setattr(os, "getuid", lambda: 64_999)
    (found,) = of_user(settings)
    assert found.state == "yellow" and "this is #64999" in found.text and "sudo -u" in found.hint


def looked(settings: Any) -> Report:
    (report,) = run([job_of_store(settings)])
    return report


def test_the_file_of_the_database_is_read_and_never_made(tmp_path: Path) -> None:
    settings = Written(tmp_path).load()
    assert NAME == database.NAME
    assert looked(settings).found[0].text.endswith("is made when it is needed first") and not (tmp_path / "state" / NAME).exists()
    (tmp_path / "state").mkdir(mode=0o700)
    database.of_state(tmp_path / "state").dispose()
    assert looked(settings).found[0].state == "green" and "can be read" in looked(settings).found[0].text
    (tmp_path / "state" / NAME).write_bytes(b"x" * 4096)
    assert looked(settings).found[0].state == "red" and "not a database" in looked(settings).found[0].text


def test_a_server_that_is_away_is_red_without_its_password(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.path.touch(mode=0o600)
    written.top["store"] = "postgresql://l7gw:tres@127.0.0.1:1/l7gw"
    (found,) = looked(written.load()).found
    assert found.state == "red" and "127.0.0.1" in found.text and found.hint and "tres" not in str(found)


def test_a_server_is_looked_at_and_nothing_is_made_there(tmp_path: Path, postgres: Postgres) -> None:
    settings = replace(Written(tmp_path).load(), store=postgres.keywords())
    with postgres.connect() as connection:
        tables = "SELECT count(*) FROM pg_tables"
        before = connection.execute(tables).fetchone()
        (found,) = looked(settings).found
        assert found.state == "green" and "can be used" in found.text, found
        assert connection.execute(tables).fetchone() == before
