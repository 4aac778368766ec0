"""Which argument of a command is a password."""

from __future__ import annotations

import pytest

from l7gw.masking.sent.arguments import passwords


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["mysql", "-phunter2"], "hunter2"),
        (["/usr/bin/mysqldump", "-u", "root", "--password=hunter2", "shop"], "hunter2"),
        (["redis-cli", "-a", "hunter2", "keys", "*"], "hunter2"),
        (["mongosh", "--password", "hunter2"], "hunter2"),
        (["mongosh", "--password=hunter2"], "hunter2"),
        (["curl", "-u", "ann:hunter2", "https://x"], "hunter2"),
        (["curl", "-uann:hunter2", "https://x"], "hunter2"),
        (["curl", "--user=ann:hunter2", "https://x"], "hunter2"),
        (["sshpass", "-phunter2", "ssh", "x"], "hunter2"),
    ],
)
def test_a_password_is_found_and_nothing_around_it(argv: list[str], found: str) -> None:
    assert [argv[index][start:] for index, start in passwords(argv)] == [found]


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["mysql"],
        ["mysql", "-p"],
        ["mysql", "-p", "shop"],
        ["curl", "-u", "ann", "https://x"],
        ["sh", "-c", "mysql -phunter2"],
        ["sh", "-phunter2"],
        ["env", "mysql", "-phunter2"],
        ["busybox", "-a", "reboot"],
        ["mysql", "-p$(reboot)"],
        ["mysql", "-preboot;reboot"],
        ["mysql", "-prm -rf /"],
        ["mysql", "-p`id`"],
        ["mysql", "-p" + "x" * 129],
        ["redis-cli", "-a"],
        ["-a", "redis-cli"],
    ],
)
def test_nothing_else_is_taken_for_one(argv: list[str]) -> None:
    assert passwords(argv) == []
