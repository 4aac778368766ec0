"""Looks at a value tell values from what only stands in their place."""

from __future__ import annotations

import base64

import pytest

from l7gw.masking.detectors import values


@pytest.mark.parametrize(
    "value",
    "true False yes null None 12 -3.5 1e9 0x1f *** xxxx {{x}} {name} %s [REDACTED] redacted string your-password "
    "process.env.PW os.environ[x] env.PW getpass() @pw@".split(),
)
def test_booleans_numbers_placeholders_and_references_are_no_values(value: str) -> None:
    assert not values.is_value(value.encode())


@pytest.mark.parametrize("value", "hunter2 x1 changeme admin p@ss 12ab a.b.c Sup3r!".split())
def test_words_are_values(value: str) -> None:
    assert values.is_value(value.encode())


def test_names_of_objects_do_not_look_random_and_keys_do() -> None:
    for name in ("default-token-x7k2p", "kube-system/bootstrap-token-abcdef", "my-app.example.com", "sha256:0123456789abcdef"):
        assert not values.is_random(name.encode())
    assert values.is_random(b"a8f5f167f44f4964e6c998dee827110c")


def test_cards_pass_luhn() -> None:
    assert values.is_card(b"4111 1111 1111 1111")
    assert not values.is_card(b"4111111111111112") and not values.is_card(b"0000000000000000")


def test_logins_are_base64_of_a_user_and_a_password() -> None:
    assert values.is_basic(base64.b64encode(b"ann:hunter2"))
    assert not values.is_basic(base64.b64encode(b"annhunter2")) and not values.is_basic(b"authentication")


def test_a_pem_block_that_hides_a_command_is_not_whole() -> None:
    body = base64.b64encode(b"\x30\x82" + bytes(range(200)))
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    block = b"-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----"
    assert values.is_whole_pem(block % b"\n".join(lines))
    assert not values.is_whole_pem(block % b"\n".join([lines[0], b"reboot", *lines[1:]]))
    assert not values.is_whole_pem(block % b"reboot")


def test_a_key_has_letters_and_digits_and_is_no_name_of_words() -> None:
    assert all(map(values.is_key, (b"hunter2x", b"abc123def", b"Zx81-q7-e")))
    assert not any(map(values.is_key, (b"my-service-key-1", b"rotation-2026", b"v1.example", b"changeme", b"12345678")))
