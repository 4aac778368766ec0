"""A client certificate names one person, or nobody."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from l7gw.config.settings import ClientCertificate, KindRule
from l7gw.errors import Refusal
from l7gw.identity import certificate as certificates
from l7gw.identity.principal import Principal

KEY = ec.generate_private_key(ec.SECP256R1())
BEGINS = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ENDS = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
CN, O, OU = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME  # noqa: E741


def issue(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(kind, value, _validate=False) for kind, value in attributes])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(BEGINS)
        .not_valid_after(ENDS)
        .sign(KEY, hashes.SHA256())
    )


def prove(certificate: x509.Certificate, kind: str = "human", prefix: str = "") -> Principal:
    again = certificates.read(certificate.public_bytes(Encoding.DER))
    return certificates.prove(again, ClientCertificate(Path("ca.crt"), KindRule(kind), prefix), ENDS.timestamp())


def test_cn_is_the_user_and_o_are_the_groups_in_their_order() -> None:
    who = prove(issue((O, "sre"), (CN, "lea"), (OU, "not a group"), (O, "engineers"), (O, "sre")))
    assert who == Principal("lea", ("sre", "engineers"), issuer="client-certificate", expires=ENDS.timestamp())


def test_a_certificates_kind_and_prefix_are_those_of_its_entry() -> None:
    who = prove(issue((CN, "lea"), (O, "a,b")), kind="workload", prefix="cert:")
    assert (who.user, who.groups, who.kind) == ("cert:lea", ("cert:a,b",), "workload")


def test_a_kind_that_a_claim_decides_makes_an_agent_of_a_certificate_which_has_no_claims() -> None:
    entry = ClientCertificate(Path("ca.crt"), KindRule(None, "who", {"human": ("staff",)}), "")
    assert certificates.prove(issue((CN, "lea")), entry, ENDS.timestamp()).kind == "agent"


@pytest.mark.filterwarnings("ignore:Attribute's length")  # `cryptography` warns of the certificate that the gateway refuses
@pytest.mark.parametrize(
    "attributes, said",
    [
        ((), "one CN"),
        (((O, "sre"),), "one CN"),
        (((CN, "lea"), (CN, "root")), "one CN"),
        (((CN, ""),), "CN"),
        (((CN, "lea\r\nImpersonate-Group: system:masters"),), "CN"),
        (((CN, "lea\0root"),), "CN"),
        (((CN, " lea"),), "CN"),
        (((CN, "lea\u202e"),), "CN"),
        (((CN, "a" * 257),), "CN"),
        (((CN, "le\u3164a"),), "the client certificate's CN holds U+3164, which no name has: 'le\\u3164a'"),
        (((CN, "le\u0301a"),), "composed form"),
        (((CN, "lea"), *((O, str(n)) for n in range(1001))), "1001 groups"),
    ],
)
def test_a_subject_that_names_nobody_is_refused(attributes: tuple[tuple[x509.ObjectIdentifier, str], ...], said: str) -> None:
    with pytest.raises(Refusal) as refused:
        prove(issue(*attributes))
    assert refused.value.code == 401 and said in refused.value.message and refused.value.message.isprintable()


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize(
    "unfit, spellings",
    [("", ("p:",)), ("a\nb", ("p:a\nb", "p:a b")), (" system:masters", ("p: system:masters", "p:system:masters"))],
)
def test_an_organization_that_is_no_name_is_left_out(unfit: str, spellings: tuple[str, ...]) -> None:
    who = prove(issue((CN, "lea"), (O, unfit), (O, "sre")), prefix="p:")
    assert (who.groups, who.unfit) == (("p:sre",), spellings)


@pytest.mark.parametrize(
    "now, said",
    [
        (BEGINS.timestamp() - 1, "not yet valid"),
        (BEGINS.timestamp(), None),
        (ENDS.timestamp(), None),
        (ENDS.timestamp() + 1, "expired"),
    ],
)
def test_a_certificate_is_valid_from_its_first_second_to_its_last(now: float, said: str | None) -> None:
    certificate = issue((CN, "lea"))
    if said is None:
        assert certificates.check([], [certificate], now) == ENDS.timestamp()
    else:
        with pytest.raises(Refusal, match=said):
            certificates.check([], [certificate], now)


def test_every_cut_of_a_certificate_is_refused() -> None:
    der = issue((CN, "lea")).public_bytes(Encoding.DER)
    for size in range(len(der)):
        with pytest.raises(Refusal, match="malformed"):
            certificates.read(der[:size])
    with pytest.raises(Refusal, match="malformed"):
        certificates.read(der + b"\0")
    with pytest.raises(Refusal, match="too large"):
        certificates.read(bytes(64 * 1024 + 1))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_every_flipped_byte_of_a_certificate_is_a_name_or_a_refusal() -> None:
    der = issue((CN, "lea"), (O, "sre")).public_bytes(Encoding.DER)
    entry = ClientCertificate(Path("ca.crt"), KindRule(), "")
    for place in range(len(der)):
        for flip in (0x01, 0x80, 0xFF):
            changed = der[:place] + bytes([der[place] ^ flip]) + der[place + 1 :]
            try:
                certificate = certificates.read(changed)
                who = certificates.prove(certificate, entry, certificates.check([], [certificate], BEGINS.timestamp()))
            except Refusal as refused:
                assert refused.code == 401
            else:
                assert who.user.isprintable() and who.user
