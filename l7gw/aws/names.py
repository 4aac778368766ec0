"""Whom AWS is told of: the name of a role session, its source identity, and the tag with the whole user.

CloudTrail, IAM's conditions and EKS's access entries show these. No two users have the same session name. A user that AWS takes as
a name is the name itself, as far as it does not look like the name that another user is given.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

GATEWAY = "l7gw"  # the session of the gateway itself: for DescribeCluster, and for all callers with `per: gateway`
USER_TAG = "l7gw-user"
LONGEST_NAME = 64  # characters of a role session name and of a source identity (STS API, AssumeRole)
LONGEST_TAG_KEY = 128  # characters (STS API, Tag)
LONGEST_TAG_VALUE = 256  # characters (STS API, Tag), which are counted here as UTF-16 has them, as AWS may do
RESERVED = "aws:"  # how no key and no value of a tag may begin (IAM User Guide, Tags for IAM resources), whatever its case
MOST_TAGS = 50  # of a session (STS API, AssumeRole); the user's is one of them
DIGITS = 10  # hex digits of the hash in a name

FITS = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)  # RoleSessionName and SourceIdentity; so none begins with `aws:`
_NOT_ALLOWED = re.compile(r"[^\w+=,.@-]", re.ASCII)
_LOOKS_MADE = re.compile(rf".*-[0-9a-f]{{{DIGITS}}}")


def session_name(issuer: str, user: str) -> str:
    """The role session name and source identity of a user. An empty user is the gateway itself.

    A user that AWS does not take, or that looks like a made name, is its allowed characters, cut, with `-` and 10 hex digits of
    SHA-256 over issuer, NUL and user.
    """
    if not user:
        return GATEWAY
    if FITS.fullmatch(user) and user != GATEWAY and not _LOOKS_MADE.fullmatch(user):
        return user
    return f"{_NOT_ALLOWED.sub('', user)[: LONGEST_NAME - DIGITS - 1]}-{_hash(issuer, user)}"


def user_tag(issuer: str, user: str) -> str:
    """The value of the session tag with the whole user.

    Where AWS does not take all of it, or it looks like a made value or the gateway's, each character that AWS does not take is
    `_`, and `-` and 10 hex digits as in `session_name` are at the end.
    """
    if tag_takes(user, LONGEST_TAG_VALUE) and user != GATEWAY and not _LOOKS_MADE.fullmatch(user):
        return user
    value = "".join(c if _is_taken(c) else "_" for c in user)
    if _is_reserved(value):
        value = value.replace(":", "_", 1)
    cut = value.encode("utf-16-le")[: 2 * (LONGEST_TAG_VALUE - DIGITS - 1)].decode("utf-16-le", "ignore")
    return f"{cut}-{_hash(issuer, user)}"


def tag_takes(text: str, longest: int) -> bool:
    r"""Whether AWS takes the text as a tag's key or value, of so many characters of [\p{L}\p{Z}\p{N}_.:/=+\-@] (STS API, Tag)."""
    return all(map(_is_taken, text)) and len(text.encode("utf-16-le")) <= 2 * longest and not _is_reserved(text)


def _is_taken(c: str) -> bool:
    return c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN"


def _is_reserved(text: str) -> bool:
    return text[: len(RESERVED)].lower() == RESERVED


def _hash(issuer: str, user: str) -> str:
    return hashlib.sha256(f"{issuer}\0{user}".encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
