"""Looks at a value that a shape found: is it one? Each takes the value's bytes."""

from __future__ import annotations

import base64
import binascii
import re

LONGEST_WORD = 128  # bytes of a word that counts as a password

_DIGIT = re.compile(rb"[0-9]")
_LETTER = re.compile(rb"[A-Za-z]")
_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]")
_HEX = re.compile(rb"[0-9a-f]+|[0-9A-F]+")
# A boolean, a number, nothing, a placeholder of a document, or a reference to where the value really stands.
_NO_VALUE = re.compile(
    rb"(?i)(?:true|false|yes|no|on|off|null|nil|none|undefined|empty|unset|default|string|bytes|boolean|integer|object|optional"
    rb"|required|(?:\[|\(|\{)?(?:redacted|hidden|masked|omitted|filtered|removed|secret)(?:\]|\)|\})?|todo|tbd|n/a|x+|\*+|\.+|-+|_+|\?+|#+"
    rb"|[+-]?[0-9][0-9_,.]*(?:e[+-]?[0-9]+)?|0x[0-9a-f]+"
    rb"|%[a-z_0-9]*%?|%[-+#0-9.]*[svdqxt][,.]?|\{[^}]{0,64}\}?|\{\{.*|\[[^\]]{0,64}\]?|@[a-z_.]+@?"
    rb"|(?:process\.env|os\.environ|env|var|local|each|data|module|config|settings|self|this|args|opts|options|ref|vault)[.:\[].*"
    rb"|\$\{[^}]*\}|\$\([^)]*\)|\$[a-z_][a-z0-9_]*"
    rb"|your[-_ ].*|my[-_]?password|(?:your|the)?[-_]?(?:password|passwd|token|secret|passphrase)"
    rb"|[a-z_.]{1,64}\([^)]*\)?)"
)
_NUMBER = re.compile(rb"[+-]?[0-9][0-9_,.]*(?:e[+-]?[0-9]+)?", re.IGNORECASE)


def is_value(value: bytes) -> bool:
    """No boolean, number, null, placeholder or reference to an environment."""
    return _NO_VALUE.fullmatch(value) is None and (_WORD.search(value) is not None or len(value) > 3)


def is_one_word(value: bytes) -> bool:
    """As `is_value`, and no longer than a password: a word that is longer could be anything."""
    return len(value) <= LONGEST_WORD and is_value(value)


def is_word(value: bytes) -> bool:
    """As `is_one_word`, and not a plain word of prose or of a usage text: something in it is no small letter."""
    return is_one_word(value) and not value.isupper() and not (value.isalpha() and (value.islower() or value.istitle()))


def is_random(value: bytes) -> bool:
    """Whether it looks made by a machine: letters and digits mixed in one run of 12 or more, of at least 8 different bytes."""
    if not is_value(value) or value.startswith((b"sha256:", b"sha512:", b"system:", b"/", b"http")):
        return False
    return any(
        len(set(run)) >= 8 and _DIGIT.search(run) and _LETTER.search(run) for run in re.findall(rb"[A-Za-z0-9+]{12,}", value)
    )


def is_key(value: bytes) -> bool:
    """Whether it looks like a key behind a name that says so: letters and digits, and no words with hyphens and a number."""
    return is_opaque(value) and _NAME.fullmatch(value) is None


_NAME = re.compile(rb"[a-z]+(?:[-.][a-z]+)*(?:[-.]?[0-9]{1,4})?|v[0-9].*")


def is_opaque(value: bytes) -> bool:
    """Whether it looks like an opaque token, not like a word: it has a digit and a letter."""
    return is_value(value) and _DIGIT.search(value) is not None and _LETTER.search(value) is not None


def no_hex(value: bytes) -> bool:
    """No hash: something in it is no digit of one case of hex."""
    return _HEX.fullmatch(value) is None


def both_cases(value: bytes) -> bool:
    """Small letters and capitals behind the prefix, as a random text of some length has."""
    rest = value.rpartition(b"_")[2]
    return not rest.islower() and not rest.isupper()


def mixed(value: bytes) -> bool:
    """A small letter, a capital letter and a digit: no hash, no word and no path of words."""
    return not value.islower() and not value.isupper() and _DIGIT.search(value) is not None


def _decoded(value: bytes) -> bytes | None:
    """What base64 of either alphabet stands for, its padding left out or not; None where it is none."""
    plain = value.translate(_URL_SAFE).rstrip(b"=")
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def is_jwt(value: bytes) -> bool:
    """Whether the first part is the JSON header of a token."""
    head = _decoded(value.partition(b".")[0])
    return head is not None and head.lstrip().startswith(b"{") and (b'"alg"' in head or b'"enc"' in head)


def is_basic(value: bytes) -> bool:
    """Whether it is base64 of USER:PASSWORD."""
    said = _decoded(value)
    return said is not None and b":" in said and said.isascii() and said.decode("ascii").isprintable()


def is_card(value: bytes) -> bool:
    """Luhn's check over 13 to 19 digits, and not the same digit everywhere."""
    digits = [byte - 48 for byte in value if 48 <= byte <= 57]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_PEM_BODY = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----(.*?)(?:-----END|\Z)", re.DOTALL)
_LINE_END = re.compile(rb"(?:\\+[rn]|[\r\n])+[ \t]*")
_KEY_STARTS = (b"\x30", b"openssh-key-v1", b"\x95", b"\x94", b"\xc5", b"\x97", b"\x96", b"\xc7")  # DER, OpenSSH, OpenPGP packets


_RUN = re.compile(rb"[A-Za-z0-9+/]{32}")


def is_pem(value: bytes) -> bool:
    """Whether a PEM block has a line of base64: text that names the block has none."""
    return _RUN.search(value) is not None


def is_whole_pem(value: bytes) -> bool:
    """Whether a PEM block has lines of one length that decode to what begins as a key does, so that nothing else hides in it."""
    body = _PEM_BODY.match(value)
    lines = [line for line in _LINE_END.split(body[1] if body else b"") if line and b":" not in line]
    if not lines or len({len(line) for line in lines[:-1]}) > 1 or any(len(line) < 48 for line in lines[:-1]):
        return False
    said = _decoded(b"".join(line for line in lines if not line.startswith(b"=")))
    return said is not None and (said.startswith(_KEY_STARTS) or b"Proc-Type" in value)
