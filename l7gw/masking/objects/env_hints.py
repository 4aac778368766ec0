"""What the bytes of pods, or of templates of them, look like that hold an environment variable that is masked: expressions for
hyperscan.

Most pods have none, and most of what a cluster says of them is long: their bytes are searched, and are read only where something is
there. A pod of Kubernetes' own has the fields of a variable in the order of Go: its name, and its value right behind it; a value
right before its name is noticed too. A manifest in a text, such as kubectl's annotation, may have them in any order, with others
between.
"""

from __future__ import annotations

# Each word by which `secret_names` tells a secret has one of these in it
WORDS = ("pass", "pwd", "token", "secret", "key", "cred")

_TELLING = "(?:" + "|".join(WORDS) + ")"
_QUOTE = r'\\*"'  # of JSON, which may stand in a text of other JSON
_SPACE = r"(?:\s|\\+[nrt])*"  # likewise
_TEXT = r'(?:[^"\\]|\\.)*'
_TEXT_WITHIN = r'(?:[^"\\]|\\{2,}.|\\[^"])*'  # of JSON in a text, which ends before a quote with one backslash
_SAME_OBJECT = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"  # what stands between two members of an object

# Nearly as exact as EXACT where Go wrote the JSON, and searched for in half the time
_NAMED = rf"{_TELLING}{_TEXT}{_QUOTE}{_SPACE},{_SPACE}{_QUOTE}value{_QUOTE}"
_BACKWARDS = (
    rf'"value{_QUOTE}{_SPACE}:{_SPACE}{_QUOTE}{_TEXT}{_QUOTE}{_SPACE},{_SPACE}{_QUOTE}name{_QUOTE}{_SPACE}:{_SPACE}{_QUOTE}'
    rf"{_TEXT}{_TELLING}"
)
ROUGH = tuple(f"(?i){text}".encode() for text in (_NAMED, _BACKWARDS))


def _exact(quote: str, text: str) -> tuple[str, str]:
    to = rf"{quote}{_SPACE}:{_SPACE}{quote}"
    name, value = f"{quote}name{to}{text}{_TELLING}", f"{quote}value{to}"
    return f"{name}{text}{quote}{_SAME_OBJECT}{value}", f"{value}{text}{quote}{_SAME_OBJECT}{name}"


# A telling name and a value in one object, in JSON and in JSON within a text
EXACT = tuple(f"(?i){text}".encode() for text in (*_exact('"', _TEXT), *_exact(r'\\+"', _TEXT_WITHIN)))
# In protobuf: field 1 with a telling name, field 2 with a value that is not empty
PROTOBUF = rf"(?i)\x0a.{{1,2}}[ -~]*{_TELLING}[ -~]*\x12[^\x00]".encode()
