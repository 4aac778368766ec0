"""The one failure of a login, in words for the person at the terminal."""

from __future__ import annotations


class LoginFailed(Exception):
    """No token can be had. The words hold nothing secret; `hint` says what to do, "" for nothing. `passing` is true where the same
    may work in a moment, as the issuer was not reached or is overloaded."""

    def __init__(self, what: str, hint: str = "", *, passing: bool = False) -> None:
        super().__init__(what + (f"\n  hint: {hint}" if hint else ""))
        self.what = what
        self.passing = passing
