"""Names that say that their value is a secret: of an environment variable, of a key of a ConfigMap.

A name is split into words at everything that is no letter or digit, and where camel case begins a word. Digits at the end of a
word are left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from l7gw.steps import spent

LONGEST_KEPT = 256  # characters of a name that is remembered; a key of a ConfigMap has 253, and a caller may send one of 3 MiB
WORDS_AT_ONCE = 64  # of a name, 30 us; a name of 3 MiB may have 1,500,000
SHORTEST = 6  # characters of a value; a shorter one is a default such as `none`, and would be guessed as fast as read

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = frozenset(("true", "false", "yes", "no", "on", "off", "enabled", "disabled"))

# One word says it, in the plural too.
_TELLING = frozenset(
    """
    password passwords passwd passwds pwd passphrase passphrases passcode token tokens secret secrets key keys credential
    credentials cred creds
    apikey apikeys apitoken apisecret accesskey accesstoken appkey appsecret authkey authtoken bearertoken bottoken clientsecret
    cookiesecret dbpass dbpassword dbpasswd deploykey encryptionkey hmackey jwtsecret licensekey masterkey masterpassword
    mysqlpassword pgpass pgpassword privatekey refreshtoken rootpassword rootpass adminpassword userpassword secretkey
    secretaccesskey sessionkey sessionsecret sessiontoken sharedkey sharedsecret signingkey signingsecret sshkey sshpass
    smtppassword storagekey webhooksecret webhooktoken
    """.split()
)
# One of these stands in each of the words; the last is an escape of JSON, behind which a letter may hide.
_STEMS = (b"key", b"secret", b"token", b"pass", b"pwd", b"cred", b"\\u")
# These say it at the end of a name alone: `DB_PASS`, and not `PASS_THROUGH_HEADERS`.
_TELLING_AT_THE_END = frozenset(("pass",))
# A name that ends so says where the secret is, or how it is used, and not what it is.
_ABOUT = frozenset(
    "name file path dir url uri host port ttl id enabled username hostname filename dirname keyname secretname".split()
)


def says_secret(name: str) -> bool:
    """Whether a name says that its value is a secret."""
    return _known(name) if len(name) <= LONGEST_KEPT else _says_secret(name)


def _says_secret(name: str) -> bool:
    word, told = "", False
    for number, found in enumerate(_WORD.finditer(name), 1):
        word = found[0].lower()
        told = told or word in _TELLING
        if not number % WORDS_AT_ONCE:
            spent()
    return word not in _ABOUT and (told or word in _TELLING_AT_THE_END)


_known = lru_cache(maxsize=4096)(_says_secret)  # names repeat: each pod of a ReplicaSet has the same


def may_say_secret(data: bytes) -> bool:
    """Whether one of the names in these bytes, of JSON or protobuf, may say that its value is a secret."""
    lower = data.lower()
    return any(stem in lower for stem in _STEMS)


def may_be_secret(value: str) -> bool:
    """Whether a value can be a secret: it has SHORTEST characters, and is no boolean and no number."""
    return len(value) >= SHORTEST and value.lower() not in _BOOLEANS and _NUMBER.fullmatch(value) is None
