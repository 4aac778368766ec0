"""The files that tar carried are named; whatever is no tar stays to be seen or is told."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording import events as e
from l7gw.recording.copied_files import CopiedFiles, runs_tar

OUT = io.BytesIO()
with tarfile.open(fileobj=OUT, mode="w") as TAR:
    for NAME, SIZE in (("one", 5), ("dir/two", 600)):
        INFO = tarfile.TarInfo(NAME)
        INFO.size = SIZE
        TAR.addfile(INFO, io.BytesIO(b"x" * SIZE))
WHOLE = OUT.getvalue()


def lines(*pieces: tuple[str, bytes]) -> tuple[list[str], CopiedFiles]:
    copied = CopiedFiles()
    frames = [e.Frame(at, 1, channel, channel == "stdin", 1, data) for at, (channel, data) in enumerate(pieces)]
    return [("== " if line.ours else "") + line.text for line in copied.lines(frames)], copied


@pytest.mark.parametrize(
    ("argv", "runs"),
    [
        (("tar", "xmf", "-", "-C", "/x"), True), (("/bin/tar", "cf", "-"), True), (("sh", "-c", "tar cf - x | tail -c+1"), True),
        (("cat", "x.tar"), False), (("starting",), False), (("target", "x"), False), (None, False),
    ],
)  # fmt: skip
def test_a_command_that_runs_tar_is_known_by_its_argv(argv: tuple[str, ...] | None, runs: bool) -> None:
    assert runs_tar(argv) == runs


@given(length=st.integers(1, 3000), channel=st.sampled_from(["stdin", "stdout"]))
def test_files_are_named_however_the_stream_is_cut(length: int, channel: str) -> None:
    found, copied = lines(*((channel, WHOLE[at : at + length]) for at in range(0, len(WHOLE), length)))
    way = "to the pod" if channel == "stdin" else "from the pod"
    assert found == [
        f"== {way}: 5 bytes  one",
        f"== {way}: 600 bytes  dir/two",
        f"== {way}: 2 files, 605 bytes; the archive is whole",
    ]
    assert (copied.content, copied.unshown) == (605, 0)


def test_what_follows_an_archive_is_shown_or_counted() -> None:
    found, _ = lines(("stdout", WHOLE + b"and more\nlines\n"))
    assert found[2:] == [
        f"== from the pod: 2 files, 605 bytes; the archive is torn after {len(WHOLE):,} bytes: something stands behind its end", "and more", "lines",
    ]  # fmt: skip
    found, copied = lines(("stdin", WHOLE + b"and more"))
    assert len(found) == 3 and copied.unshown == 8


def test_what_is_no_archive_at_all_is_text() -> None:
    assert lines(("stdout", b"usage: tar\n" * 100), ("stderr", b"oh\n"))[0] == ["usage: tar"] * 100 + ["oh"]
    assert lines(("stdout", b"short"))[0] == ["short"]
    assert lines(("stdout", bytes(10240)))[0] == ["== from the pod: 0 files, 0 bytes; the archive is whole"]
