"""Secrets in files of their own: read again when they change, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.config.secret_file import LONGEST, SHORTEST, SecretFile

SECRET = "tres-secret-0123456789"


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_secret_is_one_line_without_the_white_space_around_it(tmp_path: Path) -> None:
    assert SecretFile(write(tmp_path / "s", f"  {SECRET}\r\n")).value() == SECRET
    assert SecretFile(write(tmp_path / "l", "x" * LONGEST)).value() == "x" * LONGEST
    assert SecretFile(write(tmp_path / "k", "x" * SHORTEST)).value() == "x" * SHORTEST


@pytest.mark.parametrize(
    "text", ["", "short", "x" * (SHORTEST - 1), "x" * (LONGEST + 1), f"{SECRET}\n{SECRET}", f"{SECRET} x", "ä" * 20, "\x00" * 20]
)
def test_what_is_no_secret_is_refused_in_words_that_hold_nothing_of_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(OSError, match="must hold one line") as refused:
        SecretFile(write(tmp_path / "s", text))
    assert not text or text not in str(refused.value)


def test_a_changed_secret_is_read_again_and_one_that_cannot_be_used_leaves_the_former(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "s", SECRET)
    secret = SecretFile(path)
    write(path, SECRET + "-the-next")
    assert secret.value() == SECRET + "-the-next"
    write(path, "short")
    assert secret.value() == secret.value() == SECRET + "-the-next"
    path.unlink()
    assert secret.value() == SECRET + "-the-next"
    assert "the former secret stays in force" in caplog.text and SECRET not in caplog.text
