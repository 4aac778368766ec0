"""Which values are worth recognising elsewhere."""

from __future__ import annotations

import pytest

from l7gw.demo.pki import Authority
from l7gw.masking.registry.registered_forms import HEAD, PIECE, forms, pieces, worth_registering

NOT = """true false admin password abcdefghijklmno 123456789012345 postgres.example.com db.prod.svc.cluster.local:5432 my-postgres
my-postgres-0 redis-master:6379 /var/run/secrets/token ./conf/app.yaml ~/.kube/config 10.0.0.1 10.0.0.1:8443 10.1.0.0/16 fe80::1
[2001:db8::1]:443 https://db.example.com:5432/path ann@example.com ******** aaaaaaaaaaaaaaaaaaaa POSTGRES.EXAMPLE.COM""".split()
YES = """hunter2! Tr0ub4dor abcdefghijklmnop 1234567890123456 correct-horse-battery-staple postgres://app:pw@db/x abcdef.0123456789abcdef
k3jd-93jd-x8s2 /9j4AAQSkZJRgABAQ a.b.c.d.e.f.9 https://hooks.example.com/T00/B00/x1Y2z3A4b5C6 admin:12""".split()


@pytest.mark.parametrize("value", NOT)
def test_a_word_that_stands_in_every_text_is_not_registered(value: str) -> None:
    assert not worth_registering(value.encode())


@pytest.mark.parametrize("value", YES)
def test_a_value_that_may_be_a_secret_is_registered(value: str) -> None:
    assert worth_registering(value.encode())


def test_a_public_certificate_is_not_registered_and_one_with_its_key_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("pki"), "a CA")
    certificate = authority.certificate.read_bytes()
    assert not worth_registering(certificate.strip())
    assert not worth_registering((certificate * 2).strip())
    assert worth_registering(certificate + b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----")


def test_a_head_stands_behind_what_is_no_secret() -> None:
    heads = [form[:head] for form, head in forms(b"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA")]
    assert heads[0] == b"-----BEGIN RSA PRIVATE KEY-----\nMIIE"
    assert all(len(head) > 30 for head in heads)
    assert [head for _, head in forms(b"hunter2-hunter2")] == [HEAD] * 6
    assert next(iter(forms(b"aaaaaaaabc!")))[1] == 5  # a run of one character is followed to its half


def test_a_long_value_has_pieces_that_hold_all_of_it() -> None:
    value = bytes(number % 251 for number in range(3 * PIECE + 100))
    cut = pieces(value)
    assert b"".join(cut[:3]) + cut[3][-100:] == value
    assert all(len(piece) == PIECE for piece in cut)
