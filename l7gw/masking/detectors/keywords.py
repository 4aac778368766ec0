"""Values that have no shape of their own: a name before them says what they are. They are looked for in what a cluster says, and
never in what a caller sends, because any word may stand behind such a name (docs/masking.md)."""

from __future__ import annotations

from l7gw.masking.detectors import values
from l7gw.masking.detectors.detector import Detector, Shape

QUOTE = r"""\\*["']"""  # a quote; inside a JSON text, or twice inside one, it is escaped
SPACE = r"[ \t]*"
WORD = r"""[^\x00-\x20\x7f"'\\;|&$()<>`]"""  # threats E8: no word ends or begins a command
FIRST = r"""[^\x00-\x20\x7f"'\\;|&$()<>`=~]"""
END = r"""(?:[\x00-\x20\x7f"'\\;|&$()<>`]|$)"""
LINE = r"(?:^|\\n|[{,])[ \t]*(?:- +)?"  # where a line of YAML, or an entry of a flow mapping, begins

_PASSWORD = r"(?:passw(?:or)?d|passphrase|[_.-]pass|[_.-]pwd|dbpass|userpass|pgpass)"
# What is noticed has bounds where a match has none, for a scan goes back as far as it may reach: JSON within JSON within JSON has
# seven backslashes before a quote, and no column is 64 wide. A narrower one would find some only where another stands beside them.
_PASSWORD_NOTICE = r"(?i)(?:passw(?:or)?d|passphrase|pass|pwd)(?:\\{0,15}[\"'])?[ \t]{0,64}[:=]"
_SECRET = (
    r"(?:(?:api|access|secret|private|auth|encryption|signing|master|account|shared|storage|license|webhook|session)[_.-]?key"
    r"|(?:client|app|consumer|shared|webhook|jwt|cookie|session|token|auth|api|user)[_.-]?secret|secret|token"
    r"|_auth)"
)
_SECRET_OPENS = r"(?i)(?:key|secret|token|_auth)(?:\\{0,15}[\"'])?[ \t]{0,64}[:=]"
# An object of Kubernetes has `"key":` and `"secret":{` everywhere: only with the beginning of a value behind it is it worth a look.
_ASSIGNED = r"""(?:\\{0,15}["'])?[ \t]{0,64}(?::=|[:=]>?)[ \t]{0,64}(?:\\{0,15}["'])?"""
_SECRET_NOTICE = rf"(?i){_SECRET}{_ASSIGNED}[A-Za-z0-9/+=%][\w.~+/=%:-]{{11}}"
# Names that no object of Kubernetes is called by, so that a shorter value counts.
_CREDENTIAL = (
    r"(?:(?:api|access|secret|private|auth|encryption|signing|master|account|license)[_.-]?key"
    r"|(?:client|app|consumer|webhook)[_.-]?secret|(?:access|refresh|auth|id|bearer|api|personal|deploy|bot|vault|hf|gh|npm)[_.-]?token)"
)
_CREDENTIAL_NOTICE = rf"(?i){_CREDENTIAL}{_ASSIGNED}[A-Za-z0-9][\w.~+=%-]{{7}}"

KEYWORDS = (
    Detector(
        name="password",
        finds='the word behind password=, passwd:, "passphrase": and names that end so',
        anchor="password, passwd, passphrase, _pass, pwd, with = or : behind it",
        reason="One word of at most 128 bytes; no boolean, number, null, placeholder or reference such as ${X}.",
        shapes=(
            Shape(
                rf"(?i){_PASSWORD}(?:{QUOTE})?{SPACE}(?::=|=>?){SPACE}(?:{QUOTE})?(?P<value>{FIRST}{WORD}*){END}",
                notice=_PASSWORD_NOTICE,
                opens=_PASSWORD_NOTICE,
                keeps=values.is_one_word,
            ),
            Shape(
                rf"(?i){_PASSWORD}(?:{QUOTE})?{SPACE}:{SPACE}{QUOTE}"
                rf"(?P<value>(?:[^\x00-\x20\x7f\"'\\,:}}\]]|\\u[0-9a-f]{{4}})(?:[^\x00-\x20\x7f\"'\\]|\\u[0-9a-f]{{4}})*){QUOTE}",
                longest=1024,
                notice=_PASSWORD_NOTICE,
                opens=_PASSWORD_NOTICE,
                keeps=values.is_one_word,
            ),
            Shape(
                rf"(?im){LINE}(?:{QUOTE})?[\w.-]*{_PASSWORD}(?:{QUOTE})?:[ \t]+"
                rf"(?P<value>{FIRST}{WORD}*?)(?:[;|&$()<>`]|[ \t]*(?:[,}}#\\\r\"']|$))",
                notice=_PASSWORD_NOTICE,
                opens=_PASSWORD_NOTICE,
                keeps=values.is_one_word,
            ),
            Shape(
                rf"(?i)(?:^|\\[nrt]|[^\w.-])pwd{SPACE}={SPACE}(?:{QUOTE})?(?P<value>[^\x00-\x20\x7f\"'\\;|&$()<>`=~/.]{WORD}*){END}",
                notice=_PASSWORD_NOTICE,
                opens=_PASSWORD_NOTICE,
                keeps=values.is_one_word,
            ),
            Shape(
                rf"(?i)--?(?:[a-z]+-){{0,2}}(?:password|passwd|passphrase|pass)[ \t]{{1,4}}(?:{QUOTE})?"
                rf"(?P<value>[^\x00-\x20\x7f\"'\\;|&$()<>`=~-]{WORD}{{3,}}){END}",
                notice=r"(?i)-pass(?:word|wd|phrase)?[ \t]",
                keeps=values.is_word,
            ),
        ),
        fixed=False,
        ns_per_byte=0.21,
    ),
    Detector(
        name="secret-key",
        finds='what looks random behind api_key=, client_secret:, "token": and names that end so',
        anchor="key, secret, token, with = or : behind it",
        reason="Objects are called by such names too: a value mixes letters and digits, behind a short name in a run of 12.",
        shapes=(
            Shape(
                rf"(?i){_SECRET}(?:{QUOTE})?{SPACE}(?::|:=|=>?){SPACE}(?:{QUOTE})?(?P<value>[A-Za-z0-9][\w.~+/=%:-]{{11,}}){END}",
                notice=_SECRET_NOTICE,
                opens=_SECRET_OPENS,
                keeps=values.is_random,
            ),
            Shape(
                rf"(?i){_CREDENTIAL}(?:{QUOTE})?{SPACE}(?::|:=|=>?){SPACE}(?:{QUOTE})?"
                rf"(?P<value>[A-Za-z0-9][\w.~+=%-]{{7,}}){END}",
                notice=_CREDENTIAL_NOTICE,
                opens=_SECRET_OPENS,
                keeps=values.is_key,
            ),
            Shape(r"_auth(?:Token)?[ \t]{0,4}=[ \t]{0,4}(?P<value>[\w.~+/:-]{16,255}={0,2})", keeps=values.is_opaque),
        ),
        fixed=False,
        ns_per_byte=0.18,
    ),
    Detector(
        name="aws-secret-key",
        finds="AWS secret access keys, and session tokens behind their name",
        anchor="secret_access_key, SecretAccessKey, aws_secret_key, session_token and their spellings",
        reason="Forty bytes of base64 have no shape of their own, so their name must stand before them; a SHA-1 in hex is none.",
        shapes=(
            Shape(
                rf"(?i)secret[_.-]?(?:access[_.-]?)?key(?:{QUOTE})?{SPACE}[:=]{SPACE}(?:{QUOTE})?(?P<value>[A-Za-z0-9/+]{{40}})(?:[^A-Za-z0-9/+=]|$)",
                notice=_SECRET_NOTICE,
                opens=_SECRET_OPENS,
                keeps=values.no_hex,
            ),
            Shape(
                rf"(?i)(?:session|security)[_.-]?token(?:{QUOTE})?{SPACE}[:=]{SPACE}(?:{QUOTE})?(?P<value>[A-Za-z0-9/+=%]{{100,}})",
                longest=4096,
                notice=_SECRET_NOTICE,
                opens=_SECRET_OPENS,
                keeps=values.mixed,
            ),
        ),
        fixed=False,
        ns_per_byte=0.17,
    ),
    Detector(
        name="azure-connection-key",
        finds="keys and signatures in Azure connection strings and shared access URLs",
        anchor="AccountKey=, SharedAccessKey=, SharedAccessSignature, &sig=",
        reason="Of a connection string the key alone is masked, so that it still says what is connected to.",
        shapes=(
            Shape(r"(?i)(?:account|sharedaccess|access)key=(?P<value>[A-Za-z0-9+/]{40,100}={0,2})"),
            Shape(r"(?i)(?:\?|&|u0026|;)sig=(?P<value>[A-Za-z0-9%+/]{40,100}={0,2})", notice=r"(?i)sig=[A-Za-z0-9%+/]{8}"),
        ),
        fixed=False,
        ns_per_byte=0.13,
    ),
    Detector(
        name="bootstrap-token",
        finds="bootstrap tokens of Kubernetes",
        anchor="token, and six characters, a dot and sixteen",
        reason="Anybody with one can join a node. The name must stand before it, as names of files look alike.",
        shapes=(
            Shape(
                rf"(?i)token(?:{QUOTE})?(?:{SPACE}[:=]{SPACE}|[ \t]{{1,8}})(?:{QUOTE})?"
                r"(?P<value>[a-z0-9]{6}\.[a-z0-9]{16})(?:[^a-z0-9.-]|$)",
                notice=r"(?i)token(?:\\{0,15}[\"'])?[ \t:=]{1,130}(?:\\{0,15}[\"'])?[a-z0-9]{6}\.[a-z0-9]{16}",
                keeps=values.is_opaque,
            ),
        ),
        fixed=False,
        ns_per_byte=0.11,
    ),
)
