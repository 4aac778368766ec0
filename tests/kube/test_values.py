"""Ports are read as Go reads them."""

from __future__ import annotations

import pytest

from l7gw.kube.values import port_number


@pytest.mark.parametrize(("text", "port"), [("1", 1), ("80", 80), ("08080", 8080), ("65535", 65535)])
def test_a_port_is_plain_digits(text: str, port: int) -> None:
    assert port_number(text) == port


@pytest.mark.parametrize("text", ["", "0", "65536", "99999", "000080", "-1", "+80", " 80", "8_0", "\u0668\u0660", "\u00b2", "80x"])
def test_a_text_that_is_no_port_is_zero(text: str) -> None:
    assert port_number(text) == 0
