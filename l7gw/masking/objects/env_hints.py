"""Whether the bytes of pods, or of templates of them, may hold an environment variable that is masked.

Most pods have none, and most of what a cluster says of them is long: their bytes are searched once, and are read only where
something is there. It is about Kubernetes' own kinds, which the API server writes in the order of Go's fields: the name of a
variable, and its value right behind it. A value that stands before its name is noticed too.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import re2

# Each word by which `secret_names` tells a secret has one of these in it
WORDS = ("pass", "pwd", "token", "secret", "key", "cred")

_TELLING = "(?:" + "|".join(WORDS) + ")"
_QUOTE = r'\\*"'  # of JSON, which may stand in a text of other JSON
SHAPES = (
    rf'"name{_QUOTE}\s*:\s*{_QUOTE}[^,]*{_TELLING}[^,]*{_QUOTE}\s*,\s*{_QUOTE}value{_QUOTE}',
    rf'"value{_QUOTE}\s*:\s*{_QUOTE}(?:[^"\\]|\\.)*{_QUOTE}\s*,\s*{_QUOTE}name{_QUOTE}\s*:\s*{_QUOTE}[^,]*{_TELLING}',
    # protobuf: field 1 with the name, field 2 with a value that is not empty
    rf"\x0a.{{1,2}}[ -~]*{_TELLING}[ -~]*\x12[^\x00]",
)

# The same, and a little more than that, for a search that is cheaper: a third of the time goes into the first shape's beginning
NOTICED = (rf"{_TELLING}[^,]*{_QUOTE}\s*,\s*{_QUOTE}value{_QUOTE}", *SHAPES[1:])


@cache
def _hint() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(f"(?is){'|'.join(SHAPES)}".encode(), options=options)


def may_hold_env(data: bytes) -> bool:
    """Whether a variable with a telling name and a value may stand in some bytes, in JSON without \\u escapes or in protobuf."""
    return _hint().search(data) is not None
