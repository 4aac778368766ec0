"""A line that is remembered means what it means."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.known_lines import LONGEST, OF_ONE, KnownLines
from l7gw.kube.requestinfo import describe

LINES = [
    *(
        (method, target, "")
        for method in ("GET", "HEAD", "POST")
        for target in ("/version", "/api", "/apis/apps/v1?timeout=32s", "/metrics")
    ),
    ("GET", "/api/v1/namespaces/dev", ""),
    ("GET", "/api/v1/namespaces/dev/pods/web-0", ""),
    ("GET", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls", ""),
    ("GET", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls", "websocket"),
    ("POST", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls", "SPDY/3.1"),
    ("GET", "/version", "websocket"),
    ("GET", "/api/v1/watch/pods", ""),
    ("GET", "/api/../x", ""),
    ("PUT", "/api/v1/namespaces/dev/pods/web-0/exec", ""),
    ("GET", "/x/" + "y" * LONGEST, ""),
]


def said(work: Callable[[str, str, str], Act], line: tuple[str, str, str]) -> Act | tuple[int, str]:
    try:
        return work(*line)
    except Refusal as refusal:
        return refusal.code, refusal.message


@pytest.mark.parametrize("most", [0, 3 * OF_ONE, 100 * OF_ONE])
def test_a_line_means_the_same_each_time(most: int) -> None:
    lines = KnownLines(most)
    for line in LINES * 3:
        assert said(lines.describe, line) == said(describe, line)


def test_a_line_of_discovery_is_read_once_and_an_upgrade_each_time() -> None:
    lines = KnownLines()
    assert lines.describe("GET", "/apis/apps/v1", "") is lines.describe("GET", "/apis/apps/v1", "")
    exec_line = "GET", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls", "websocket"
    assert lines.describe(*exec_line) is not lines.describe(*exec_line)


def test_what_is_remembered_is_bounded_and_usual_and_very_long_lines_take_no_place() -> None:
    lines = KnownLines(8 * OF_ONE)
    for number in range(100):
        lines.describe("GET", f"/x/{number}", "")
        assert len(lines._known) <= 16
    before = len(lines._known)
    lines.describe("GET", "/api/v1/namespaces/dev/pods/web-0", "")
    lines.describe("GET", "/x/" + "y" * LONGEST, "")
    assert len(lines._known) == before


def test_a_gateway_that_remembers_nothing_keeps_no_line() -> None:
    lines = KnownLines(0)
    lines.describe("GET", "/version", "")
    assert len(lines._known) == 0
