"""The section `identity` of l7gw.yaml: which tokens and client certificates prove who calls."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml

from l7gw.config.aws_identity import aws_identity_of
from l7gw.config.aws_settings import AwsIdentity
from l7gw.config.document import Reader, plain, shown
from l7gw.config.fields import authority_of, prefix_of, url_of
from l7gw.config.settings import (
    DAY,
    KINDS,
    ClientCertificate,
    EmailVerified,
    IdentityEntry,
    KindRule,
    LoginToken,
    OidcIssuer,
    OidcLogin,
)

LONGEST_ISSUER = 512  # characters; the issuer stands in every recorded session
LEAST_LIFETIME = 60  # seconds of a token; a shorter one would end before it is used
MOST_LIFETIME = 400 * DAY  # seconds; a projected token of Kubernetes may live a year
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")  # RFC 6749 section 3.3
MOST_AUDIENCES = 100  # of one issuer; an audience is one of its clients, and most have one to three

OF_TOKENS = ("require", "end-with-credential", "email-verified", "longest-lifetime", "audiences")  # only beside `oidc`
IDENTITY_KEYS = ("oidc", "client-certificate", "aws", "kind", "prefix", *OF_TOKENS)
KINDS_OF_ENTRIES = ("oidc", "client-certificate", "aws")
OIDC_KEYS = ("issuer", "audience", "audiences", "username", "groups", "certificate-authority", "login")
LOGIN_KEYS = ("client-id", "scopes", "token", "port")


def identity_of(top: Reader) -> tuple[IdentityEntry, ...]:
    """The entries that have no mistake, in the file's order. Every mistake is reported to the document."""
    found: list[IdentityEntry] = []
    of_aws: yaml.Node | None = None
    seen: dict[str, yaml.Node] = {}
    nodes = top.items("identity")
    if not nodes and (not top.has("identity") or isinstance(top.node_of("identity"), yaml.SequenceNode)):
        top.wrong("identity", "`identity` has no entry", "without one nobody can be let in")
    for node in nodes:
        entry = Reader(top.document, node, "an entry of `identity`", IDENTITY_KEYS)
        if entry.node is None or not isinstance(entry.node, yaml.MappingNode):
            continue
        prefix = prefix_of(entry)
        if prefix in seen:
            what = f"the same prefix {shown(prefix)} as" if prefix else "no `prefix`, as has"
            what = f"this entry of `identity` has {what} the one in line {seen[prefix].start_mark.line + 1}"
            top.document.wrong(node, what, "all but one need one, no two the same: else two issuers could name the same person")
        seen.setdefault(prefix, node)
        if entry.has("aws"):
            if of_aws is not None:
                hint = f"`accounts`, `regions` and `map` of the one in line {of_aws.start_mark.line + 1} take more"
                top.document.wrong(node, "`identity` has two entries `aws`", hint)
            of_aws = of_aws or node
        made = _entry(entry, node, prefix)
        if made is not None:
            found.append(made)
    return tuple(found)


def _entry(entry: Reader, node: yaml.Node, prefix: str) -> IdentityEntry | None:
    which = [key for key in KINDS_OF_ENTRIES if entry.has(key)]
    if len(which) > 1:
        entry.document.wrong(node, "an entry of `identity` is one of oidc, client-certificate, aws", "make it two entries")
    if not which:
        entry.document.wrong(node, "an entry of `identity` needs oidc, client-certificate or aws")
        return None
    if which[0] == "oidc":
        return _oidc(entry, _kind(entry), prefix)
    what = "a certificate" if which[0] == "client-certificate" else "a token of EKS"
    for key in OF_TOKENS:
        if entry.has(key):
            entry.wrong(key, f"`{key}` is for oidc", f"{what} has no claims")
    return _aws(entry, prefix) if which[0] == "aws" else _certificate(entry, prefix)


def _aws(entry: Reader, prefix: str) -> AwsIdentity | None:
    if entry.has("kind"):
        entry.wrong(
            "kind",
            "`kind` is not for aws",
            "sessions of IAM Identity Center are people, all others agents; a line of `map` may say `kind`",
        )
    return aws_identity_of(entry, prefix)


def _certificate(entry: Reader, prefix: str) -> ClientCertificate | None:
    kind = _kind(entry)
    if kind.claim is not None:
        entry.wrong("kind", "`kind` of client certificates is human, agent or workload", "a certificate has no claims")
    inner = entry.inner("client-certificate", ("certificate-authority",))
    authority = authority_of(inner, required=True)
    if authority is None or not _readable(inner, authority):
        return None
    return ClientCertificate(authority, kind=kind, prefix=prefix)


def _readable(reader: Reader, authority: Path) -> bool:
    """Whether `cryptography` reads the file too: OpenSSL accepts forms of PEM that it does not. A failure is reported."""
    from cryptography import x509  # the import takes 60 ms, so only configurations with such an entry pay for it

    try:
        return bool(x509.load_pem_x509_certificates(authority.read_bytes()))
    except (OSError, ValueError):
        hint = f"openssl x509 -in {authority} -clrtrust -out ca.crt"
        reader.wrong("certificate-authority", f"{authority} is no list of certificates that begin with BEGIN CERTIFICATE", hint)
        return False


def _oidc(entry: Reader, kind: KindRule, prefix: str) -> OidcIssuer | None:
    oidc = entry.inner("oidc", OIDC_KEYS)
    issuer, audiences = oidc.text("issuer", required=True), _audiences(oidc)
    url, _ = url_of(issuer)
    # OpenID Connect Discovery 1.0, section 3: https, no query, no fragment
    if issuer and (url is None or url.query or url.fragment or issuer.endswith(("?", "#")) or len(issuer) > LONGEST_ISSUER):
        oidc.wrong("issuer", f"`issuer` must be an https URL, exactly as the tokens' iss, not {shown(issuer)}")
    require = _require(entry)
    authority = authority_of(oidc, required=False)
    username, groups = oidc.text("username", "sub"), oidc.text("groups")
    for key, value in (("username", username), ("groups", groups)):
        if oidc.has(key) and not value:
            oidc.wrong(key, f"`{key}` is empty", "it names a claim; leave it out for the default")
    beside = entry if entry.has("audiences") else oidc
    if beside is entry and oidc.has("audiences"):
        oidc.wrong("audiences", "`audiences` stands in `oidc` and beside it", "once is enough")
    any_audience = beside.choice("audiences", "exact", ("exact", "any-of")) == "any-of"
    verified = entry.choice("email-verified", OidcIssuer.email_verified, get_args(EmailVerified))
    if entry.has("email-verified") and username != "email":
        entry.wrong("email-verified", "`email-verified` is for `username: email`", "leave it out, or name users by their email")
    lifetime = entry.duration("longest-lifetime", DAY, least=LEAST_LIFETIME, most=MOST_LIFETIME)
    ends = entry.flag("end-with-credential")
    login = _login(oidc, audiences, username) if oidc.has("login") else None
    if not issuer or not audiences:
        return None
    return OidcIssuer(
        issuer=issuer,
        audiences=audiences,
        username=username,
        groups=groups,
        certificate_authority=authority,
        kind=kind,
        prefix=prefix,
        require=require,
        end_with_credential=ends,
        any_audience=any_audience,
        email_verified=verified,
        longest_lifetime=lifetime,
        login=login,
    )


def _login(oidc: Reader, audiences: tuple[str, ...], username: str) -> OidcLogin | None:
    login = oidc.inner("login", LOGIN_KEYS)
    client = login.text("client-id", required=True)
    token = login.choice("token", OidcLogin.token, get_args(LoginToken))
    usual = ("openid", "offline_access", *(["email"] if username == "email" else []))
    scopes = login.texts("scopes", one=True) or usual
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            login.wrong("scopes", f"`scopes`: {shown(scope)} is no scope", "words without spaces, as the issuer names them")
    if token == "id" and "openid" not in " ".join(scopes).split():
        login.wrong("scopes", "`scopes` lacks openid", "without it the issuer gives no id token")
    if client and token == "id" and audiences and client not in audiences:
        hint = f"audience: {client}, or token: access"
        login.wrong("client-id", f"`client-id` {shown(client)} is no `audience`: an id token's audience is its client", hint)
    return OidcLogin(client, tuple(dict.fromkeys(scopes)), token, _port(login)) if client else None


def _port(login: Reader) -> int:
    """The port of a redirect, 0 where none is written."""
    node = login.node_of("port")
    digits = node.value if isinstance(node, yaml.ScalarNode) else ""
    port = int(digits) if re.fullmatch(r"[0-9]{1,5}", digits) else 0
    if node is not None and not 0 < port <= 65535:
        login.wrong("port", "`port` must be a number from 1 to 65535")
        return 0
    return port


def _audiences(oidc: Reader) -> tuple[str, ...]:
    if not oidc.has("audience"):
        oidc.missing("audience")
        return ()
    found = oidc.texts("audience", one=True) or ()
    if len(found) > MOST_AUDIENCES:
        oidc.wrong("audience", f"`audience` has more than {MOST_AUDIENCES} values")
    return tuple(dict.fromkeys(found))


def _require(entry: Reader) -> dict[str, str]:
    require = {}
    for claim, _, node in entry.entries("require"):
        value = plain(node)
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, str) and value:
            require[claim] = value
        else:
            entry.document.wrong(node, f"`require`: {claim} must be text, true or false", f'{claim}: "..."')
    return require


def _kind(entry: Reader) -> KindRule:
    node = entry.node_of("kind")
    if not isinstance(node, yaml.MappingNode):
        return KindRule(fixed=entry.choice("kind", "human", KINDS))
    inner = entry.inner("kind", ("claim", *KINDS))
    values = {kind: values for kind in KINDS if (values := inner.texts(kind, one=True))}
    if not any(inner.has(kind) for kind in KINDS):
        entry.wrong("kind", "`kind` by a claim needs the values that tell", 'kind: {claim: client_kind, agent: ["bot"]}')
    of = {value: kind for kind in values for value in values[kind]}
    if sum(len(set(listed)) for listed in values.values()) > len(of):
        entry.wrong("kind", "`kind`: one value stands for two kinds")
    return KindRule(fixed=None, claim=inner.text("claim", required=True), values=values)
