"""Passwords among the arguments of a command: of the few programs that take one there, the argument that is one.

The program is never masked, nor anything but one word of at most LONGEST bytes without a character that means something to a shell.
So nobody hides a command: what such a program is given as a password it does not run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 128  # bytes

_WORD = re.compile(r"[^\s\"'`;|&$()<>]+")
_MYSQL = ("mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlcheck", "mysqlshow", "mariadb", "mariadb-dump", "mariadb-admin")
_MONGO = ("mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport")
# program -> the options whose value is a password: as the next argument, or in the same one
_NEXT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_MONGO, ("-p", "--password")),
    "redis-cli": ("-a", "--pass"),
    "valkey-cli": ("-a", "--pass"),
    "sshpass": ("-p",),
    "curl": ("-u", "--user", "--proxy-user", "--oauth2-bearer"),
    "ldapsearch": ("-w",),
    "sqlcmd": ("-P",),
    "clickhouse-client": ("--password",),
    "cqlsh": ("-p", "--password"),
}
_SAME: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_MYSQL, ("--password=", "-p")),
    **dict.fromkeys(_MONGO, ("--password=", "-p")),
    "sshpass": ("-p",),
    "curl": ("--user=", "--proxy-user=", "--oauth2-bearer=", "-u"),
    "wget": ("--password=", "--http-password=", "--ftp-password=", "--proxy-password="),
    "ldapsearch": ("-w",),
    "sqlcmd": ("-P",),
    "clickhouse-client": ("--password=",),
    "cqlsh": ("--password=",),
}
_USER_BEFORE = frozenset(("-u", "--user", "--proxy-user", "--user=", "--proxy-user="))  # of curl: USER:PASSWORD


def passwords(argv: Sequence[str]) -> list[tuple[int, int]]:
    """Of each argument that is a password its index, and the character with which the password begins in it."""
    if len(argv) < 2:
        return []
    program = argv[0].rpartition("/")[2]
    following, same = _NEXT.get(program, ()), _SAME.get(program, ())
    found: list[tuple[int, int]] = []
    for index in range(1, len(argv)):
        word, before = argv[index], argv[index - 1]
        if index > 1 and before in following:
            option, start = before, 0
        else:
            option = next((option for option in same if word.startswith(option) and len(word) > len(option)), "")
            start = len(option)
        if not option:
            continue
        if option in _USER_BEFORE:
            start = word.find(":", start) + 1
            if not start:
                continue
        if _WORD.fullmatch(word, start) and len(word[start:].encode("utf-8", "surrogatepass")) <= LONGEST:
            found.append((index, start))
    return found
