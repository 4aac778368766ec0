"""Which clients TLS lets in, which get a 401, and which are cut: as Go verifies, but an expired certificate gets a 401 with words
(threats I7, J3)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from l7gw.clock import SystemClock
from l7gw.cluster.endpoint import Endpoint
from l7gw.config.settings import Certificate, ClientCertificate, Cluster, KindRule, Recording, Settings, TokenFile
from l7gw.demo.pki import write_private
from l7gw.errors import Refusal
from l7gw.gateway.tls import Listening
from l7gw.identity import fetch
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from tests.conftest import missing
from tests.support.authorities import BEGAN, WITHIN_ALL, Issued, Key, Question, bundle, go_says, root
from tests.support.ending import certificate
from tests.support.go_programs import MissingGo
from tests.support.handshakes import shaken
from tests.support.written_configuration import Written

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
NOW = BEGAN.replace(year=2026)
FOREIGN = root("foreign")
GATEWAY = FOREIGN.server("127.0.0.1")
RSA = rsa.generate_private_key(65537, 2048)
OVERS = ("nothing", "the leaf", "the middle", "the root")


class Family:
    """A root, an intermediate authority below it, and certificates of both. `over` names which of them are expired."""

    def __init__(self, over: str) -> None:
        self.root = root("root", over=over == "the root")
        self.middle = self.root.authority("middle", over=over == "the middle")
        self.renewed_root = root("root", key=self.root.key)
        self.renewed_middle = self.root.authority("middle", key=self.middle.key)
        leaf = over == "the leaf"
        self.clients = self._shown(self.root.client("ann", over=leaf), self.middle.client("ann", over=leaf))
        self.servers = self._shown(self.root.server("127.0.0.1", over=leaf), self.middle.server("127.0.0.1", over=leaf))

    def _shown(self, direct: Issued, below: Issued) -> dict[str, tuple[Issued, ...]]:
        return {
            "of the root": (direct,),
            "of the middle, alone": (below,),
            "of the middle, with it": (below, self.middle),
            "of the middle, with both": (below, self.middle, self.root),
        }

    @property
    def trusted(self) -> dict[str, tuple[tuple[Issued, ...], ...]]:
        """The authority files of one entry, or of two entries."""
        return {
            "the root": ((self.root,),),
            "the middle": ((self.middle,),),
            "both": ((self.root, self.middle),),
            "another": ((FOREIGN,),),
            "the root, and renewed": ((self.root, self.renewed_root),),
            "the middle, and renewed": ((self.middle, self.renewed_middle),),
            "the root | another": ((self.root,), (FOREIGN,)),
            "another | the root": ((FOREIGN,), (self.root,)),
            "another | the middle": ((FOREIGN,), (self.middle,)),
            "the root | the middle": ((self.root,), (self.middle,)),
            "the middle | the root": ((self.middle,), (self.root,)),
        }


def go(questions: list[Question]) -> list[str]:
    try:
        return go_says(questions)
    except MissingGo as error:
        missing(f"certificates are compared with Go's reading: {error}")


@dataclass
class Door:
    """A listener's TLS and identity, and their verdict on a client."""

    folder: Path
    files: tuple[tuple[Issued, ...], ...]
    server: Issued = GATEWAY

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = tuple(
            ClientCertificate(bundle(self.folder / f"{place}.crt", *file), KindRule(), "abc"[place] + ":")
            for place, file in enumerate(self.files)
        )
        pair = self.server.write(self.folder / "server")
        none = Path("none")
        settings = Settings(none, (), Certificate(*pair), none, entries, {}, none, Recording())
        self.listening = Listening(settings)
        self.identity = IdentityChain(entries, SystemClock())

    def tells(self, shown: tuple[Issued, ...], version: ssl.TLSVersion) -> str:
        """The verdict on a client that shows these certificates: its user, "401: " and the reason, or "cut"."""
        context = client(version)
        context.load_cert_chain(*shown[0].write(self.folder / "client", *shown[1:]))
        try:
            here, _ = shaken(self.listening.context, context)
        except ssl.SSLError:
            return "cut"
        return self.asks(here)

    def asks(self, here: ssl.SSLObject) -> str:
        try:
            who = self.identity.of(None, self.listening.chain(here), "192.0.2.1")
        except Refusal as refusal:
            return f"{refusal.code}: {refusal.message}"
        assert isinstance(who, Principal)
        return who.user


def client(version: ssl.TLSVersion) -> ssl.SSLContext:
    """The context of a client that trusts the gateway and speaks this version alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=FOREIGN.pem)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("over", OVERS)
def test_a_client_certificate_is_accepted_as_go_accepts_it_and_an_expired_one_is_a_401(over: str, tmp_path: Path) -> None:
    """All combinations of trusted authorities, certificates sent, expired certificates and versions of TLS."""
    family = Family(over)
    cases = [(name, how) for name in family.trusted for how in family.clients]

    def ask(at: object) -> list[str]:
        return go([
            Question(tuple(one for file in family.trusted[name] for one in file), shown[0], shown[1:], "client", at)  # type: ignore[arg-type]
            for name, how in cases for shown in [family.clients[how]]
        ])  # fmt: skip

    for (name, how), without_times, now in zip(cases, ask(WITHIN_ALL), ask(NOW), strict=True):
        door = Door(tmp_path / name, family.trusted[name])
        for version in VERSIONS:
            told = door.tells(family.clients[how], version)
            case = f"trusted: {name}; shown: {how}; over: {over}; {version.name}; Go: {now or 'good'}; told: {told}"
            if without_times:
                assert told == "cut", case
            elif now:
                assert told.startswith("401: ") and "is expired" in told, case
            else:
                assert told in ("a:ann", "b:ann"), case


def endpoint(authority: Path) -> ssl.SSLContext:
    token = write_private(authority.with_suffix(".token"), b"token")
    return Endpoint(Cluster("prod", "127.0.0.1", 1, authority, TokenFile(token))).tls


@pytest.mark.parametrize("over", OVERS)
@pytest.mark.parametrize("contexts", [endpoint, fetch.trust], ids=["cluster", "issuer"])
def test_a_cluster_and_an_issuer_are_trusted_where_go_trusts_them(
    contexts: Callable[[Path], ssl.SSLContext], over: str, tmp_path: Path
) -> None:
    family = Family(over)
    cases = [(name, how) for name, files in family.trusted.items() if len(files) == 1 for how in family.servers]
    said = go([
        Question(family.trusted[name][0], family.servers[how][0], family.servers[how][1:], "server", NOW) for name, how in cases
    ])  # fmt: skip
    for (name, how), no in zip(cases, said, strict=True):
        shown = family.servers[how]
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*shown[0].write(tmp_path / "server", *shown[1:]))
        for version in VERSIONS:
            context = contexts(bundle(tmp_path / "trusted.crt", *family.trusted[name][0]))
            server.minimum_version = server.maximum_version = version
            try:
                shaken(server, context)
            except ssl.SSLError as error:
                trusted = str(error)
            else:
                trusted = ""
            assert bool(trusted) is bool(no), f"trusted: {name}; shown: {how}; over: {over}; {version.name}; Go: {no}; {trusted}"


@pytest.fixture
def family() -> Iterator[Family]:
    yield Family("nothing")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "trusted, user",
    [
        ("the root | another", "a:ann"),
        ("another | the root", "b:ann"),
        ("another | the middle", "b:ann"),
        ("the root | the middle", "b:ann"),  # the entry with the nearest authority
        ("the middle | the root", "a:ann"),
    ],
)
def test_the_entry_with_the_nearest_authority_decides_about_a_client_certificate(
    family: Family, tmp_path: Path, trusted: str, user: str, version: ssl.TLSVersion
) -> None:
    assert Door(tmp_path, family.trusted[trusted]).tells(family.clients["of the middle, with it"], version) == user


@pytest.mark.parametrize("version", VERSIONS)
def test_a_renewed_authority_of_the_same_name_lets_in_clients_that_it_signed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Its certificates have no key identifiers, as those of `openssl x509 -req`. So OpenSSL finds the issuer by the name alone."""
    old, new = root("authority", over=True), root("authority")
    for order in ((old, new), (new, old)):
        assert Door(tmp_path, (order,)).tells((new.client("ann"),), version) == "a:ann"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_of_two_authorities_with_one_name_and_end_is_the_only_one_tried(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Said in docs/compatibility.md: Go would look at both."""
    one, other = root("authority"), root("authority")
    door = Door(tmp_path, ((one, other),))
    assert [door.tells((it.client("ann"),), version) for it in (one, other)] == ["a:ann", "cut"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_expired_intermediate_in_the_authority_file_is_not_replaced_by_one_that_the_client_sends(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Said in docs/compatibility.md: Go would look at both."""
    family = Family("the middle")
    door = Door(tmp_path, ((family.root, family.middle),))
    told = door.tells((family.clients["of the middle, alone"][0], family.renewed_middle), version)
    assert told == "401: an authority of the client certificate, 'CN=middle', is expired"


@pytest.mark.parametrize("over", OVERS)
def test_the_certificate_times_of_a_resumed_session_are_checked_as_of_the_first(tmp_path: Path, over: str) -> None:
    """TLS 1.2 resumes by session id. OpenSSL then verifies nothing, and has the client's own certificate alone."""
    family = Family(over)
    door = Door(tmp_path, ((family.root,),))
    context = client(ssl.TLSVersion.TLSv1_2)
    leaf, middle = family.clients["of the middle, with it"]
    context.load_cert_chain(*leaf.write(tmp_path / "client", middle))
    first, there = shaken(door.listening.context, context)
    again, _ = shaken(door.listening.context, context, session=there.session)
    assert again.session_reused and not first.session_reused
    chain = door.listening.chain(first)
    assert len(chain) == 3 and door.listening.chain(again) == chain
    assert door.asks(again) == door.asks(first)
    assert ("expired" in door.asks(again)) is (over != "nothing")


def test_a_resumed_session_whose_chain_is_forgotten_is_told_to_connect_again(tmp_path: Path) -> None:
    family = Family("nothing")
    door = Door(tmp_path, ((family.root,),))
    context = client(ssl.TLSVersion.TLSv1_2)
    context.load_cert_chain(*family.clients["of the middle, with it"][0].write(tmp_path / "client", family.middle))
    _, there = shaken(door.listening.context, context)
    again, _ = shaken(door.listening.context, context, session=there.session)
    assert again.session_reused
    assert door.asks(again).startswith("401: ") and door.asks(again).endswith("connect again")
    assert door.asks(shaken(door.listening.context, context)[0]) == "a:ann"


@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"])
def test_of_the_ciphers_of_both_sides_the_one_is_used_that_the_client_names_first(tmp_path: Path, suite: str) -> None:
    context, first = client(ssl.TLSVersion.TLSv1_2), f"ECDHE-ECDSA-{suite}"
    context.set_ciphers(f"{first}:ECDHE+AESGCM:ECDHE+CHACHA20")
    here, _ = shaken(Door(tmp_path, ((FOREIGN,),)).listening.context, context)
    used = here.cipher()
    assert used is not None and used[0] == first


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", ["X25519", "X448", "prime256v1", "secp384r1", "secp521r1"])
def test_a_client_that_supports_a_single_key_exchange_group_connects(tmp_path: Path, group: str, version: ssl.TLSVersion) -> None:
    """The certificate is RSA: in TLS 1.2 the groups that a client names are those of certificates too (RFC 8422 section 5.1.1)."""
    door = Door(tmp_path, ((FOREIGN,),), FOREIGN.server("127.0.0.1", key=RSA))
    context = client(version)
    context.set_ecdh_curve(group)
    here, _ = shaken(door.listening.context, context)
    assert here.version() == {VERSIONS[0]: "TLSv1.2", VERSIONS[1]: "TLSv1.3"}[version]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "key",
    [
        RSA,
        ed25519.Ed25519PrivateKey.generate(),
        *(ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)),
    ],
    ids=["RSA", "Ed25519", "P-256", "P-384", "P-521"],
)
def test_a_client_certificate_may_have_any_usual_key(family: Family, tmp_path: Path, key: Key, version: ssl.TLSVersion) -> None:
    door = Door(tmp_path, ((family.middle,),))
    assert door.tells((family.middle.client("ann", key=key),), version) == "a:ann"
    assert go([Question((family.middle,), family.middle.client("ann", key=key), (), "client", NOW)]) == [""]


def test_a_client_certificate_on_a_curve_that_the_client_does_not_name_works_in_tls_1_3_alone(tmp_path: Path) -> None:
    """Said in docs/compatibility.md: Go would serve it in TLS 1.2 as well."""
    door = Door(tmp_path, ((FOREIGN,),))
    old, new = map(client, VERSIONS)
    old.set_ecdh_curve("X25519")
    new.set_ecdh_curve("X25519")
    shaken(door.listening.context, new)
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shaken(door.listening.context, old)


def _constrained() -> dict[str, tuple[Issued, tuple[Issued, ...]]]:
    """Name -> (the trusted root, the certificates shown), for chains that are valid, or break for another reason than a time."""
    top, foreign = root("root"), root("root")
    narrow = top.authority("narrow", length=0)
    below = narrow.authority("below")
    leaf = top.client("leaf")
    for_servers = top.authority("for servers", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    for_clients = top.authority("for clients", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    return {
        "signed by somebody's own certificate": (top, (leaf.client("eve"), leaf)),
        "as many authorities as may be": (top, (narrow.client("ann"), narrow)),
        "one authority more than may be": (top, (below.client("eve"), below, narrow)),
        "the same, the lower one trusted": (below, (below.client("ann"),)),
        "the same, the upper one trusted": (narrow, (below.client("eve"), below)),
        "a server's certificate": (top, (top.server("127.0.0.1"),)),
        "an authority for servers alone": (top, (for_servers.client("eve"), for_servers)),
        "an authority for clients": (top, (for_clients.client("ann"), for_clients)),
        "another authority of the same name": (top, (foreign.client("eve"),)),
        "the intermediate of another root of the same name": (top, (foreign.authority("middle").client("eve"),)),
        "the trusted certificate itself": (leaf, (leaf,)),
        "another certificate of the trusted one's name": (leaf, (top.client("leaf"),)),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_chain_that_breaks_for_another_reason_than_a_time_is_cut_as_go_refuses_it(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    cases = _constrained()
    said = go([Question((trusted,), shown[0], shown[1:], "client", NOW) for trusted, shown in cases.values()])
    told = {case: Door(tmp_path / case, ((trusted,),)).tells(shown, version) for case, (trusted, shown) in cases.items()}
    assert {case: one == "cut" for case, one in told.items()} == {case: no != "" for case, no in zip(cases, said, strict=True)}


def test_the_log_has_each_day_a_certificate_that_ends_soon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = Written(tmp_path)
    certificate(tmp_path, 365, left=12)
    written.prod |= {"hosts": ["prod.example.com"], "tls": {"certificate": "short.crt", "key": "short.key"}}
    listening = Listening(written.load())
    for _ in range(3):
        listening.refresh()
    told = [record.message for record in caplog.records if "short.crt" in record.message]
    assert 1 <= len(told) <= 2  # two where midnight is between
    assert told[0].endswith("in 11 days; renew it, with `l7gw clusters certificate prod` where EKS signed it")
