"""Lists what Python's tarfile and GNU tar write, as they read it; whatever else comes is given back and told."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording.tar_listing import BLOCK, LARGEST_RECORDS, Entry, TarListing, is_header
from tests.conftest import missing

NAMES = st.one_of(st.sampled_from(["a", "dir/b", "ä/ö", "x" * 120, "long/" * 60 + "name", "sp ace\n\x1b[31m"]), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda t: t.strip("/")))  # fmt: skip
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
KINDS = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
    "pipe": tarfile.FIFOTYPE,
}


def archive(entries: list[tuple[str, str, int]], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for kind, name, size in entries:
            info = tarfile.TarInfo(name)
            info.type = KINDS[kind]
            info.size = size if kind == "file" else 0
            info.linkname = (
                "target/" * 20 if kind in ("symlink", "link") and form != tarfile.USTAR_FORMAT else "t" if "link" in kind else ""
            )
            tar.addfile(info, io.BytesIO(bytes(size)))
    return out.getvalue()


def listed(data: bytes, length: int = 10_000) -> tuple[list[Entry], str, bytes]:
    listing, found, rest = TarListing(), [], b""
    for at in range(0, len(data), length):
        entries, more = listing.feed(data[at : at + length])
        found += entries
        rest += more
    fault, more = listing.finish()
    return found, fault, rest + more


@given(
    entries=st.lists(st.tuples(st.sampled_from(list(KINDS)), NAMES, st.sampled_from([0, 1, 511, 512, 513, 3000])), max_size=4),
    form=st.sampled_from(["gnu", "pax"]),
    length=st.integers(1, 2000),
)
def test_the_entries_are_those_that_pythons_tarfile_reads_however_the_stream_is_cut(
    entries: list[tuple[str, str, int]], form: str, length: int
) -> None:
    data = archive(entries, FORMATS[form])
    kinds = {value: key for key, value in KINDS.items()}
    wanted = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            kind = kinds[info.type]
            wanted.append(
                (kind, info.name.rstrip("/"), info.size if kind == "file" else 0, info.linkname if "link" in kind else "")
            )
    found, fault, rest = listed(data, length)
    assert [(one.kind, one.name.rstrip("/"), one.size, one.target) for one in found] == wanted
    assert (fault, rest) == ("", b"")


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_gnu_tar_writes_is_read(tmp_path: Path, form: str) -> None:
    if shutil.which("tar") is None:
        missing("GNU tar")
    name = "d" * 60 + "/" + "f" * (100 if form in ("gnu", "oldgnu", "posix") else 30)
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(b"x" * 700)
    (tmp_path / "link").symlink_to("where")
    command = ["tar", "cf", "-", f"--format={form}", "-C", str(tmp_path), name, "link"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    assert listed(data) == ([Entry("file", name, 700, ""), Entry("symlink", "link", 0, "where")], "", b"")


WHOLE = archive([("file", "one", 600), ("file", "two", 10)], tarfile.GNU_FORMAT)


@pytest.mark.parametrize("cut", range(0, 3 * BLOCK + 1, 100))
def test_a_torn_archive_says_where_it_breaks_off(cut: int) -> None:
    found, fault, rest = listed(WHOLE[: BLOCK + cut])
    assert [one.name for one in found] == ["one"] + (["two"] if cut >= 3 * BLOCK else [])
    if cut < 600:
        assert fault == "it breaks off in the middle of one"
    elif cut <= 2 * BLOCK:
        assert fault == "it breaks off before its end"
    assert rest == (WHOLE[3 * BLOCK : BLOCK + cut] if 2 * BLOCK < cut < 3 * BLOCK else b"")


@given(at=st.integers(0, BLOCK - 1), byte=st.integers(0, 255))
def test_a_header_with_another_byte_is_none_and_comes_back(at: int, byte: int) -> None:
    data = bytearray(WHOLE)
    data[3 * BLOCK + at] = byte
    if bytes(data) == WHOLE:
        return
    found, fault, rest = listed(bytes(data))
    if found[1:]:  # the checksum's own field may be written in several ways
        assert 148 <= at < 156
    else:
        assert "checksum" in fault or "number" in fault
        assert rest == data[3 * BLOCK :]


def test_what_stands_behind_the_end_comes_back() -> None:
    found, fault, rest = listed(WHOLE + b"hidden text")
    assert len(found) == 2 and fault == "something stands behind its end" and rest == b"hidden text"
    found, fault, rest = listed(WHOLE + b"hidden text".ljust(BLOCK, b"\0") + b"more")
    assert fault == "something stands behind its end" and rest == b"hidden text".ljust(BLOCK, b"\0") + b"more"


def header(kind: bytes, size: int, name: bytes = b"n", field: bytes | None = None) -> bytes:
    block = bytearray(name.ljust(100, b"\0") + b"0000644\0" * 3 + (field or b"%011o\0" % size) + b"00000000000\0" + b" " * 8 + kind)
    block = block.ljust(BLOCK, b"\0")
    block[148:156] = b"%06o\0 " % sum(block)
    assert is_header(bytes(block))
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header(b"x", LARGEST_RECORDS + 1), "too long"), (header(b"L", 5000), "too long"), (header(b"S", 0), "not known"),
        (header(b"x", 5) + b"9 a=b".ljust(BLOCK, b"\0"), "no records"), (header(b"x", 3) + b"x=y".ljust(BLOCK, b"\0"), "none"),
        (header(b"x", 6) + b"6 a=b\n".ljust(BLOCK, b"\0") + bytes(BLOCK), ""), (header(b"x", 2) + b"5 a=b".ljust(BLOCK, b"\0"), "between two"),
        (header(b"x", 12) + b"13 path=ab\n\n".ljust(BLOCK, b"\0"), "no records"), (header(b"L", 2) + b"ab".ljust(BLOCK, b"x"), "between two"),
        (header(b"0", 0, field=b"\x80" + b"\xff" * 11), "too large"), (header(b"0", 0, field=b"0000000000z\0"), "none"),
    ],
)  # fmt: skip
def test_what_is_no_archive_to_the_byte_is_a_fault(data: bytes, words: str) -> None:
    _, fault, rest = listed(data)
    assert (words in fault if words else fault == "") and (not words or rest or "too long" in fault)


def test_records_before_an_end_are_a_fault() -> None:
    _, fault, _ = listed(header(b"x", 10) + b"10 path=a\n".ljust(BLOCK, b"\0") + bytes(2 * BLOCK))
    assert fault == "it ends where an entry must follow"


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_no_bytes_raise_and_none_of_them_is_lost(data: bytes, length: int) -> None:
    found, fault, rest = listed(data, length)
    assert fault and (found or rest == data)
