"""Signatures over a time and a body: what the gateway's webhook sends and is answered, and what Slack sends (threats G7).

Both are an HMAC-SHA256 with a secret that both sides have. A message counts for WINDOW seconds around its time, and once: whoever
takes it remembers its mark (`Desk.take_once`).
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from l7gw.errors import Refusal

WINDOW = 300  # seconds that a message may be old, or ahead of our clock; Slack's own number
REMEMBERED = 2.0 * WINDOW  # seconds after which a message is too old, whatever its time
HEADER = "l7gw-signature"
_SIGNATURE = re.compile("t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_SLACK_TIME = re.compile("[0-9]{1,12}")
_SLACK_SIGNATURE = re.compile("v0=[0-9a-f]{64}")

UNSIGNED = "it is not signed"
WRONG = "its signature is not that of the secret"


def sign(secret: str, when: int, body: bytes) -> str:
    """The header's value for a body that is sent at `when`, in seconds since 1970."""
    return f"t={when},v1={_mac(secret, f'{when}.', body)}"


def check(secret: str, signature: str, body: bytes, now: float) -> str:
    """The mark of a message to the webhook. Raises Refusal 401, in words, where the signature proves nothing."""
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        raise _refused(f"{UNSIGNED}: send the header L7GW-Signature: t=SECONDS,v1=HEX")
    if not hmac.compare_digest(_mac(secret, f"{found[1]}.", body), found[2]):
        raise _refused(WRONG)
    _check_time(int(found[1]), now)
    return f"webhook {signature}"


def check_slack(secret: str, when: str, signature: str, body: bytes, now: float) -> str:
    """The mark of a message of Slack's, by its headers X-Slack-Request-Timestamp and X-Slack-Signature
    (https://docs.slack.dev/authentication/verifying-requests-from-slack). Raises Refusal 401, in words."""
    if not _SLACK_TIME.fullmatch(when) or not _SLACK_SIGNATURE.fullmatch(signature):
        raise _refused(UNSIGNED)
    if not hmac.compare_digest(f"v0={_mac(secret, f'v0:{when}:', body)}", signature):
        raise _refused(WRONG)
    _check_time(int(when), now)
    return f"slack {when} {signature}"


def replayed() -> Refusal:
    return Refusal(409, "Conflict", "this message was taken before; each counts once")


def _check_time(when: int, now: float) -> None:
    if abs(now - when) > WINDOW:
        past = "old" if when < now else "ahead of this clock"
        raise _refused(f"it is {abs(now - when):.0f} s {past}, and counts for {WINDOW}; compare the clocks")


def _mac(secret: str, before: str, body: bytes) -> str:
    return hmac.new(secret.encode(), before.encode() + body, sha256).hexdigest()


def _refused(why: str) -> Refusal:
    return Refusal(401, "Unauthorized", f"the message is not taken: {why}")
