"""The one search that says of most bodies that their structure masks nothing never says so of one in which the exact searches find
something."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.masking.objects import objects
from l7gw.masking.objects.structure_hints import Hints

PIECES = [
    *('"kind":"Secret"', '"kind": "ConfigMapList"', '"Secret', '\\"Secret\\"', '\\"ConfigMap\\"', "\x12\x06Secret\x12", "kind"),
    *(
        "kind: Config\n",
        'kind\\":\\"Config\\"',
        "kind:\x0bConfig,",
        "\\u0026",
        "\\u003c",
        "\\u003C",
        "\\u0074",
        "\\u00",
        "\\u002",
        "\\/",
    ),
    *(
        '"name":"A_TOKEN","value":"x"',
        '"name"',
        ":",
        '"DB_PASS"',
        ",",
        '"value"',
        '"x"',
        "\x0a\x08",
        "API_KEY",
        "\x12\x02",
        "\x00",
        "\\",
    ),
    *('\\"name\\": \\"key\\", \\"value\\": \\"', '"value":"a","name":"SECRET"', "\xff", "\n", " "),
]


@given(st.lists(st.sampled_from(PIECES) | st.text(alphabet='kindCofg:\\"u0 \n', max_size=3), max_size=6))
def test_what_an_exact_search_finds_is_noticed(pieces: list[str]) -> None:
    data = "".join(pieces).encode("latin-1")
    if objects.is_structural(objects.without_go_escapes(data)):
        assert objects.hints().noticed(data)


@pytest.mark.parametrize(
    "piece", ['"kind":"Secret"', "kind:\x0bConfig,", '"name":"A_TOKEN","value":"x"', "\x0a\x07API_KEY\x12\x02x", "\\u0074"]
)
def test_the_exact_searches_find_such_things(piece: str) -> None:
    assert objects.is_structural(piece.encode("latin-1"))


def test_an_ordinary_pod_has_nothing_that_is_noticed() -> None:
    pod = b'{"metadata":{"name":"web","managedFields":[{"k:{\\"name\\":\\"c\\"}":{}}]},"spec":{"containers":[{"env":[{"name":"LOG","value":"info"}]}]}}'
    assert not objects.hints().noticed(pod)


def test_threads_search_at_once() -> None:
    hints = Hints([b"a.c"])
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(hints.noticed(b"x" * 100_000 + b"a\nc"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
