"""What the operating system refused is told without an errno, and with what to do."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.os_faults import HINTS, address_fault, in_words, os_error_of, remedy, told


@given(st.sampled_from(sorted(errno.errorcode)), st.sampled_from([None, "/a/file", b"/a/\xff"]))
def test_no_error_of_the_system_is_told_with_its_number(number: int, filename: str | bytes | None) -> None:
    error = OSError(number, os.strerror(number), filename) if filename else OSError(number, os.strerror(number))
    for words in (in_words(error), in_words(error, named=True), told(error), address_fault(error, "::", 8443)):
        assert "Errno" not in words and words.strip()
    assert filename is None or in_words(error, named=True).startswith("/a/")


def test_every_hint_is_a_clause_without_a_full_stop() -> None:
    assert all(hint and not hint.endswith(".") and "\n" not in hint for hint in HINTS.values())


def test_a_sentence_of_our_own_stays_with_its_hint() -> None:
    error = OSError("the socket /run/x is not made\n  hint: make its folder")
    assert told(error, otherwise="try again") == str(error) and remedy(error) == "" and os_error_of(error) is error


def test_the_words_are_those_of_the_error_behind_another() -> None:
    with pytest.raises(ValueError, match="b") as raised:
        try:
            Path("/nope").read_bytes()
        except OSError as error:
            raise ValueError("b") from error
    assert in_words(raised.value) == "No such file or directory" and remedy(raised.value) == HINTS[errno.ENOENT]
    assert (in_words(KeyError()), os_error_of(KeyError())) == ("KeyError", None)


def test_what_openssl_says_is_told_without_its_names_and_lines_of_c(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ssl.SSLError) as raised:
        ssl.create_default_context(cafile=tmp_path / "empty.pem")
    assert in_words(raised.value) == "no certificate or crl found"


def test_an_address_that_cannot_be_listened_on_says_why_and_what_to_type() -> None:
    with socket.socket() as taken, socket.socket() as other:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError) as raised:
            other.bind(("127.0.0.1", port))
    words = address_fault(raised.value, "127.0.0.1", port)
    assert f"127.0.0.1:{port} cannot be listened on" in words and f"ss -ltnp sport = :{port}" in words
    denied, nowhere = OSError(errno.EACCES, "Permission denied"), OSError(errno.EADDRNOTAVAIL, "no")
    assert "port 443 needs root" in address_fault(denied, "0.0.0.0", 443) and "CAP_NET_BIND_SERVICE" in address_fault(
        denied, "::", 443
    )
    assert "[2001:db8::1]:8443" in address_fault(nowhere, "2001:db8::1", 8443)
    with pytest.raises(socket.gaierror) as unknown:
        socket.getaddrinfo("no.such.name.invalid", 1)
    assert "is no name that is known here" in address_fault(unknown.value, "no.such.name.invalid", 1)
