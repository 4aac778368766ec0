"""Paths of values in an object."""

from __future__ import annotations

import pytest

from l7gw.kube.objects.node import item_path, member_path


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("", "data", "data"),
        ("data", "password", "data.password"),
        ("data", "tls.crt", 'data."tls.crt"'),
        ("", "", '""'),
        ("data", 'a"b\\', 'data."a\\"b\\\\"'),
    ],
)
def test_a_name_that_a_path_could_misread_stands_in_quotes(path: str, name: str, expected: str) -> None:
    assert member_path(path, name) == expected


def test_an_item_has_its_number() -> None:
    assert item_path("items", 3) == "items[3]"
