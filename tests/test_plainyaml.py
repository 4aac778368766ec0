"""What is written as YAML is read alike by Python and by kubectl."""

from __future__ import annotations

import pytest
import yaml

from l7gw.plainyaml import dumped

ODD = ["y", "N", "n", "08", "010", "1e3", "1.e3", "12e45", "0o17", "+1", ".5", "1_0", "1:30", "-1e3", "+.5", "0x1F", "2024-01-01"]
USUAL = [
    "null",
    "~",
    "on",
    "NO",
    "=",
    "<<",
    "",
    " a",
    "a: b",
    "a #b",
    "'",
    '"; rm -rf',
    "- a",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "größe",
]
ENDS = ["a\nb", "a\n", "a\u2028b", "a\x85 b", "\x1b[31m", "\ufeffx", "a\tb", "\r\n"]


@pytest.mark.parametrize("flow", [False, True, None])
def test_every_text_reads_back_as_itself_and_is_bare_only_where_no_reader_takes_it_for_something_else(flow: bool | None) -> None:
    for text in (*ODD, *USUAL, *ENDS):
        written = dumped({"a": [text], text: "b"}, flow=flow)
        assert yaml.safe_load(written) == {"a": [text], text: "b"}
        assert yaml.load(written, yaml.BaseLoader) == {"a": [text], text: "b"}
        assert written.count(f"'{text}'" if text in ODD else "") >= 2, text
    for text in ENDS:
        assert all(c.isprintable() or c == "\n" for c in dumped([text], flow=flow)), text


def test_names_that_are_plain_stay_bare_and_keys_in_their_order() -> None:
    value = {"b": ["v1", "rbac.authorization.k8s.io/v1"], "a": "n1", "n1": True, "c": 1}
    assert dumped(value, flow=None) == "b: [v1, rbac.authorization.k8s.io/v1]\na: n1\nn1: true\nc: 1\n"
