"""The device code: what the person is shown, and when to ask again whether he has agreed. No socket, no clock (RFC 8628)."""

from __future__ import annotations

import re

from l7gw.identity.fetch import FetchError, checked
from l7gw.login.answers import Denied, number_of, object_of
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer
from l7gw.login.wanted import Wanted

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USUAL_INTERVAL = 5.0  # seconds between two questions, where the issuer does not say (section 3.2)
LONGEST_INTERVAL = 60.0  # seconds; an issuer that asked for more would never be asked before its code ends
SLOWER = 5.0  # seconds that `slow_down` adds for good (section 3.5)
LONGEST_LIFE = 1800.0  # seconds of a code; issuers give ten or fifteen minutes
_USER_CODE = re.compile(r"[\x21-\x7e]{1,64}")
_DEVICE_CODE = re.compile(r"[\x21-\x7e]{1,4096}")


class DeviceCode:
    """One login by device code. `url` is where the person goes and `user_code` what he types there; `whole_url` is an address with
    the code in it, "" where there is none. `interval` is in seconds."""

    def __init__(self, wanted: Wanted, answer: Answer, now: float) -> None:
        """`now` is in seconds of any clock that does not jump. Raises LoginFailed."""
        said = object_of(answer, "the issuer's device endpoint", ())
        self._client_id = wanted.client_id
        self._code = _text(said.get("device_code"), _DEVICE_CODE, "device_code")
        self.user_code = _text(said.get("user_code"), _USER_CODE, "user_code")
        try:
            self.url = checked(said.get("verification_uri"))
            whole = said.get("verification_uri_complete")
            self.whole_url = checked(whole) if whole is not None else ""
        except FetchError as error:
            raise LoginFailed(f"the issuer's address for a device code cannot be used: {error}") from None
        self._ends = now + min(_seconds(said.get("expires_in")), LONGEST_LIFE)
        self.interval = min(max(_seconds(said.get("interval", USUAL_INTERVAL)), 1.0), LONGEST_INTERVAL)

    @property
    def form(self) -> dict[str, str]:
        """What the token endpoint is asked with."""
        return {"grant_type": GRANT, "device_code": self._code, "client_id": self._client_id}

    def asked(self, failure: LoginFailed) -> None:
        """The token endpoint was asked, and this is why there is no token. Raises it where asking again is of no use."""
        code = failure.code if isinstance(failure, Denied) else ""
        if code == "slow_down":
            self.interval = min(self.interval + SLOWER, LONGEST_INTERVAL)
        elif code == "expired_token":
            raise _over()
        elif code == "access_denied":
            raise LoginFailed("the login was refused where the code was typed") from None
        elif failure.passing:  # section 3.5: who is not reached is asked less often
            self.interval = min(self.interval * 2, LONGEST_INTERVAL)
        elif code != "authorization_pending":
            raise failure

    def wait(self, now: float) -> float:
        """Seconds until the next question. Raises LoginFailed where the code will have ended."""
        if now + self.interval >= self._ends:
            raise _over()
        return self.interval


def _seconds(value: object) -> float:
    value = number_of(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise LoginFailed("the issuer's expires_in or interval of a device code is no time")
    return float(value)


def _over() -> LoginFailed:
    return LoginFailed("the code was not typed in time", "run the command again")


def _text(value: object, form: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise LoginFailed(f"the issuer's {name} cannot be used")
    return value
