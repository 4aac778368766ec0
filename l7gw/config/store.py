"""`store:` in l7gw.yaml: `sqlite`, or the URL of a database at a PostgreSQL server, as libpq writes it.

The URL is read here and given to libpq in parts, so that no message of libpq's quotes it: a `/` or `@` in a password that is not
written as %2F or %40 moves the rest of the password into the host's name. No message says what the URL holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from l7gw.config.document import Reader, nearest
from l7gw.config.private import fault_of_secret
from l7gw.config.settings import PostgresServer

LONGEST = 2048  # characters of a URL; the paths of four files fit
HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]|(?:%2[Ff])[A-Za-z0-9._%-]+|)(?::[0-9]{1,5})?"
CODED = r"(?:[A-Za-z0-9._~!$'()*;-]|%[0-9A-Fa-f]{2})"  # a character of a name or password; others are written as %XX
URL = re.compile(
    rf"postgresql://(?:(?P<user>{CODED}*)(?::(?P<password>{CODED}*))?@)?(?P<hosts>{HOST}(?:,{HOST}){{0,7}})"
    rf"(?:/(?P<dbname>{CODED}*))?(?:\?(?P<more>[^#]*))?"
)
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")  # relative ones are relative to l7gw.yaml
WORDS = {  # of libpq, with what each may be ("" for any text). Those that are missing would undo what the gateway relies on
    "sslmode": "disable|allow|prefer|require|verify-ca|verify-full",
    "ssl_min_protocol_version": r"TLSv1\.[23]",
    "channel_binding": "disable|prefer|require",
    "gssencmode": "disable|prefer|require",
    "krbsrvname": "",
    "require_auth": "",
    "requirepeer": "",
    "target_session_attrs": "read-write|primary",
    "host": "",
    "hostaddr": "",
    "port": "[0-9]{1,5}(?:,[0-9]{1,5})*",
    "user": "",
    "password": "",
    "dbname": "",
    "options": r"-c ?search_path=[A-Za-z0-9_]+",
    **dict.fromkeys(FILES, ""),
}
EXAMPLE = "postgresql://l7gw@db.example.com/l7gw?sslmode=verify-full&sslrootcert=db-ca.crt"
CODING = "characters other than A-Z a-z 0-9 . _ ~ - stand as %XX in it: @ is %40, / is %2F, : is %3A"


def store_of(top: Reader) -> PostgresServer | None:
    """The server that `store` names; None for SQLite. A mistake is reported, without what the text holds."""
    if not top.has("store"):
        return None
    text = top.text("store")
    if not text or text == "sqlite":
        return None
    if text.startswith(("postgresql+", "postgres:")):
        top.wrong("store", "`store` must begin with postgresql://", f"such as {EXAMPLE}")
        return None
    if not text.startswith("postgresql://"):
        top.wrong("store", "`store` must be sqlite or a postgresql:// URL", f"such as {EXAMPLE}")
        return None
    faults = len(top.document.problems)
    keywords = dict(_keywords(top, text))
    if "password" in keywords:
        _check_private(top)
    return PostgresServer(keywords) if len(top.document.problems) == faults else None


def _keywords(top: Reader, text: str) -> Iterator[tuple[str, str]]:
    """The parts of the URL by libpq's names. What stands in the query beats what stands before it, as with libpq."""
    found = URL.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        top.wrong("store", "`store` is no URL of a PostgreSQL database", f"such as {EXAMPLE}; {CODING}")
        return
    hosts = [re.fullmatch(r"(.*?)(?::([0-9]+))?", one) for one in found["hosts"].split(",")]
    ports = [one[2] or "" for one in hosts if one]
    if any(int(port or 1) not in range(1, 65536) for port in ports):
        top.wrong("store", "`store`: a port is a number from 1 to 65535")
    yield from (
        (name, value)
        for name, value in (
            ("user", _plain(top, found["user"])),
            ("password", _plain(top, found["password"])),
            ("host", ",".join(_plain(top, one[1]).strip("[]") for one in hosts if one)),
            ("port", ",".join(ports) if any(ports) else ""),
            ("dbname", _plain(top, found["dbname"])),
        )
        if value.strip(",")
    )
    for pair in filter(None, (found["more"] or "").split("&")):
        name, equals, value = pair.partition("=")
        if name not in WORDS or not equals:
            near = nearest(name, tuple(WORDS))  # the name itself may be a piece of a password
            hint = f"did you mean {near}?" if near else f"taken are {', '.join(sorted(WORDS))}"
            top.wrong("store", "`store`: a parameter behind `?` is not taken", hint)
            continue
        value = _plain(top, value)
        if WORDS[name] and not re.fullmatch(WORDS[name], value):
            top.wrong("store", f"`store`: {name} has a value that is not taken", "docs/configuration.md has those that are")
        if name in FILES and value != "system":
            value = str((top.document.path.parent / value).absolute())
        yield name, value


def _plain(top: Reader, coded: str | None) -> str:
    """A part of the URL without its %XX."""
    try:
        text = unquote(coded or "", errors="strict")
    except UnicodeDecodeError:
        text = "\0"
    if not text.isprintable():
        top.wrong("store", "`store` has a %XX that is no character of a text")
    return text


def _check_private(top: Reader) -> None:
    path: Path = top.document.path
    try:
        fault = fault_of_secret(path, path.stat(), os.geteuid())
    except OSError:
        return  # the file was removed since it was read
    if fault is not None:
        hint = f"{fault[1]}; or leave the password out of it, and name a file of passwords: passfile=FILE, or $PGPASSFILE"
        top.wrong("store", f"`store` has a password, and {path.name} {fault[0]}", hint)
