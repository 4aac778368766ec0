"""A placeholder in protobuf comes back as in JSON."""

from __future__ import annotations

import pytest

from l7gw.masking.coming_back.coming_back import must_be_read, restore
from l7gw.masking.sent.sent_body import Sent
from tests.support.coming_back import PASSWORD, TOKEN, act, hidden, reading, refused, secret


def field(number: int, data: bytes) -> bytes:
    """A field of protobuf with a length below 16,384."""
    length = bytes((len(data),)) if len(data) < 128 else bytes((len(data) & 127 | 128, len(data) >> 7))
    return bytes((number << 3 | 2,)) + length + data


def secret_in_protobuf(data: dict[str, str], *, version: str | None = "", string_data: dict[str, str] | None = None) -> bytes:
    """A Secret in its envelope (kubernetes-wire 3.2). Without a `version`, its field is missing."""
    metadata = field(1, b"db") + field(3, b"shop") + (field(6, version.encode()) if version is not None else b"")
    entries = b"".join(field(2, field(1, key.encode()) + field(2, value.encode())) for key, value in data.items())
    texts = b"".join(field(4, field(1, key.encode()) + field(2, value.encode())) for key, value in (string_data or {}).items())
    raw = field(1, metadata) + entries + field(3, b"Opaque") + texts
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, b"Secret")) + field(2, raw) + field(3, b"") + field(4, b"")


def back(body: bytes) -> bytes:
    sent = Sent(act=act(), format="protobuf", body=body)
    assert must_be_read(sent)
    return restore(sent, reading(secret()))


def test_a_secret_comes_back_and_gets_the_version_of_the_reading() -> None:
    body = secret_in_protobuf({"password": hidden(PASSWORD), "token": "mine"})
    assert back(body) == secret_in_protobuf({"password": PASSWORD, "token": "mine"}, version="7")


def test_a_version_that_was_sent_stays() -> None:
    body = secret_in_protobuf({"token": hidden(TOKEN)}, version="3", string_data={"password": hidden(PASSWORD)})
    assert back(body) == secret_in_protobuf({"token": TOKEN}, version="3", string_data={"password": PASSWORD})


def test_without_the_field_of_the_version_nothing_is_restored() -> None:
    assert "resourceVersion" in refused(lambda: back(secret_in_protobuf({"token": hidden(TOKEN)}, version=None)))


@pytest.mark.parametrize("key", ["token", "none"])
def test_a_placeholder_elsewhere_is_refused(key: str) -> None:
    assert f"data.{key}" in refused(lambda: back(secret_in_protobuf({key: hidden(PASSWORD)})))
