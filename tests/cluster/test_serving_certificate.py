"""What a cluster's CA is asked to sign, and which answers are taken."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from l7gw.cluster.serving_certificate import SIGNER, checked, key_of, key_pem, manifest, new_key, object_name
from l7gw.demo.pki import Authority
from tests.support.ending import certificate

HOSTS = ("prod.gw.example.com", "localhost")


def request_of(made: dict[str, Any]) -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(base64.b64decode(made["spec"]["request"]))


def test_the_request_names_all_hosts_and_asks_for_what_the_signer_of_eks_takes() -> None:
    key = new_key()
    made = manifest("prod", key, HOSTS)
    request = request_of(made)
    assert made["spec"]["signerName"] == SIGNER and made["spec"]["usages"] == [
        "digital signature",
        "key encipherment",
        "server auth",
    ]
    assert request.is_signature_valid and request.public_key() == key.public_key()
    assert request.subject.rfc4514_string() == "CN=prod.gw.example.com"
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == list(HOSTS) and not names.critical
    assert key_pem(key) not in base64.b64decode(made["spec"]["request"]) and "PRIVATE" not in str(made)


def test_a_host_that_is_no_common_name_stands_among_the_alternative_names_alone() -> None:
    long = ".".join(["a" * 40] * 2)
    request = request_of(manifest("prod", new_key(), (long,)))
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert not list(request.subject) and names.critical and names.value.get_values_for_type(x509.DNSName) == [long]


def test_the_name_of_the_request_follows_from_key_and_hosts() -> None:
    key = key_of(key_pem(new_key()))
    again = key_of(key_pem(key))
    assert object_name("prod", key, HOSTS) == object_name("prod", again, HOSTS)
    assert len({object_name("prod", key, HOSTS), object_name("prod", key, HOSTS[:1]), object_name("prod", new_key(), HOSTS)}) == 3


def test_an_answer_is_taken_with_the_authority_at_its_end(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem, key = (path.read_bytes() for path in authority.server("s", *HOSTS))
    chain, ends = checked(pem, load_pem_private_key(key, None), HOSTS, authority.certificate.read_bytes())  # type: ignore[arg-type]
    assert chain == pem + authority.certificate.read_bytes()
    assert ends == x509.load_pem_x509_certificate(pem).not_valid_after_utc
    whole, _ = checked(chain, load_pem_private_key(key, None), HOSTS, authority.certificate.read_bytes())  # type: ignore[arg-type]
    assert whole == chain


def test_an_answer_for_another_key_other_hosts_of_another_ca_or_of_the_past_is_refused_in_words(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusted = authority.certificate.read_bytes()
    pem, text = (path.read_bytes() for path in authority.server("s", *HOSTS))
    key: Any = load_pem_private_key(text, None)
    old: Any = load_pem_private_key((certificate(tmp_path, 9, left=-1).with_suffix(".key")).read_bytes(), None)
    elsewhere = Authority(tmp_path / "b")
    other, others = elsewhere.certificate.read_bytes(), elsewhere.server("s", *HOSTS)[0].read_bytes()
    for answer, of_key, hosts, ca, words in (
        (b"x", key, HOSTS, trusted, "no certificate in PEM"),
        (b"x" * 70000, key, HOSTS, trusted, "larger than"),
        (pem, new_key(), HOSTS, trusted, "another key"),
        (pem, key, (*HOSTS, "more.example.com"), trusted, "does not name more.example.com"),
        (pem, key, HOSTS, other, "not signed by the cluster's CA"),
        (pem + other, key, HOSTS, other, "not signed by the cluster's CA"),
        (pem + others, key, HOSTS, other, "not signed by the cluster's CA"),
        ((tmp_path / "short.crt").read_bytes(), old, ("localhost",), trusted, "it ended on"),
    ):
        with pytest.raises(ValueError, match=words):
            checked(answer, of_key, hosts, ca)


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    elliptic = Authority(tmp_path).server("s", "a")[1].read_bytes()
    for pem in (b"x", elliptic):
        with pytest.raises(ValueError, match=r"it is no RSA key|PEM"):
            key_of(pem)
