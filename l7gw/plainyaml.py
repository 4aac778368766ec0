"""YAML that every reader reads alike.

Python's writer leaves `y`, `08`, `1e3` and `12e45` bare, which kubectl takes for a bool and for numbers. They can be names of
namespaces, groups and clusters, and are written in quotes.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

WIDE = 1 << 20  # characters of a line, so that nothing is broken over two
# How a number of any YAML may begin, and the bools of YAML 1.1 that Python's reader does not know (go-yaml v2, resolve.go)
_ELSEWHERE_NO_TEXT = re.compile(r"[-+.]*[0-9].*|[yYnN]", re.DOTALL)


class _Dumper(yaml.SafeDumper):
    """Quotes texts about which readers differ."""


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = None
    if not text.isprintable():
        style = '"'  # with escapes: readers differ about what ends a line
    elif _ELSEWHERE_NO_TEXT.fullmatch(text):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def dumped(value: Any, *, flow: bool | None = False) -> str:
    """A value as one document, its keys in their order. `flow`: all of it in one line; None: what holds no other list or map is."""
    written: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=WIDE)
    return written
