"""The keys of `identity`."""

from __future__ import annotations

from typing import get_args

from l7gw.config.aws_identity import ACCOUNT
from l7gw.config.document import lasting
from l7gw.config.identity import LEAST_LIFETIME, MOST_LIFETIME
from l7gw.config.settings import DAY, KINDS, EmailVerified, LoginToken, OidcIssuer
from l7gw.config.shapes import Duration, Either, Flag, Key, Listed, Mapping, Named, Number, Text, Texts, Words

URL = Text("https URL")
FILE = Text("file")
CERTIFICATE_AUTHORITY = FILE

KIND_BY_CLAIM = Mapping(
    (
        Key(
            "claim",
            Text("claim", some=True),
            "The claim of the token that tells the kind: a name, or a path.",
            "client_kind",
            required=True,
        ),
        Key("human", Texts(), "Values of the claim that prove a person. With it, any other value is an agent's.", "[person]"),
        Key("agent", Texts(), "Values of the claim that prove an agent. A token without the claim is an agent's.", "[bot, mcp]"),
        Key("workload", Texts(), "Values of the claim that prove a workload.", "[ci]"),
    ),
    some_of=KINDS,
)

LOGIN = Mapping(
    (
        Key(
            "client-id",
            Text(some=True),
            "The public client by which people log in. With `token: id` it must be an `audience`.",
            "l7gw",
            required=True,
        ),
        Key(
            "scopes",
            Texts(),
            "What is asked for.",
            "[openid, offline_access, groups]",
            absent="`[openid, offline_access]`, with `email` where `username` is",
        ),
        Key(
            "token",
            Words(get_args(LoginToken)),
            "Which token the gateway gets: `id`, or `access` where the issuer's access tokens are JWTs.",
            "access",
            default="id",
        ),
        Key(
            "port",
            Number(1, 65535, text=True),
            "Where the browser comes back to, on 127.0.0.1: for issuers that compare the redirect's port, as Okta and Cognito.",
            "8000",
            absent="any",
        ),
    )
)

AUDIENCES = Key(
    "audiences",
    Words(("exact", "any-of")),
    "`any-of` takes a token that is for others too. It may stand in `oidc`, or beside it.",
    "any-of",
    default="exact",
)

OIDC = Mapping(
    (
        Key("issuer", URL, "An https URL, exactly as the tokens' `iss`.", "https://idp.example.com", required=True),
        Key("audience", Texts(), "What a token's `aud` must be; a list takes any of its values.", "l7gw", required=True),
        AUDIENCES,
        Key(
            "username",
            Text("claim"),
            "The claim of the user: a name, or a path such as `realm_access.name`.",
            "email",
            default="sub",
        ),
        Key("groups", Text("claim"), "The claim of the groups: a name, or a path such as `realm_access.roles`.", "groups"),
        Key(
            "certificate-authority",
            CERTIFICATE_AUTHORITY,
            "Whom to trust for the issuer's https, in PEM.",
            "idp-ca.crt",
            absent="the machine's",
        ),
        Key(
            "login",
            LOGIN,
            "How people log in there by `l7gw login` (docs/login.md); `l7gw kubeconfig NAME --login` reads it.",
            "{client-id: l7gw}",
        ),
    )
)

ARN_LINE = Mapping(
    (
        Key(
            "arn",
            Text("ARN", some=True),
            "`arn:aws:iam::ACCOUNT:role/NAME` or `:user/NAME`, without a path. `*` in NAME stands for any characters; letters "
            "fit whatever their case.",
            '"arn:aws:iam::111122223333:role/deploy-*"',
            required=True,
        ),
        Key("user", Text("user"), "The user.", "deployer", absent="as without the line"),
        Key("groups", Texts(), "The groups.", "[deployers]"),
        Key(
            "kind", Words(KINDS), "Which kind of caller it is.", "workload", absent="`human` with `user`, else as without the line"
        ),
    ),
    some_of=("user", "groups", "kind"),
)

AWS = Mapping(
    (
        Key(
            "accounts",
            Texts(Text("account id", ACCOUNT.pattern)),
            "Ids of the accounts whose users and roles are let in: twelve digits, in quotes.",
            '["111122223333"]',
            required=True,
        ),
        Key(
            "regions",
            Texts(Text("region")),
            "Regions whose STS a token may name: their usual hosts, those of FIPS and of dual stack, and `sts.amazonaws.com` "
            "with `us-east-1`.",
            "[eu-west-1]",
            required=True,
        ),
        Key(
            "map",
            Listed(ARN_LINE),
            "Who somebody is; the first line that fits counts.",
            '[{arn: "arn:aws:iam::111122223333:role/ops", groups: [ops], kind: human}]',
        ),
        Key(
            "endpoint-url",
            URL,
            "https://HOST[:PORT] that is asked instead of the host in the token. A token for this host counts too.",
            "https://sts.vpce.example.com",
        ),
        Key("certificate-authority", CERTIFICATE_AUTHORITY, "Whom to trust for STS, in PEM.", "sts-ca.crt", absent="the machine's"),
    )
)

AUTHORITY_OF_CLIENTS = Mapping(
    (
        Key(
            "certificate-authority",
            FILE,
            "The authority that signed the certificates of the clients, in PEM.",
            "people-ca.crt",
            required=True,
        ),
    )
)

ENTRY = Mapping(
    (
        Key(
            "oidc",
            OIDC,
            "An OpenID Connect issuer, whose tokens are let in.",
            '{issuer: "https://idp.example.com", audience: l7gw, username: email, groups: groups}',
            absent="one of three",
            without=("client-certificate", "aws"),
        ),
        Key(
            "client-certificate",
            AUTHORITY_OF_CLIENTS,
            "Client certificates of an authority. The user is the certificate's CN, its groups are the O's.",
            "{certificate-authority: people-ca.crt}",
            absent="one of three",
            without=("oidc", "aws"),
        ),
        Key(
            "aws",
            AWS,
            "The tokens that an EKS kubeconfig sends (`aws eks update-kubeconfig`), which STS verifies (docs/eks.md). One entry "
            "alone.",
            '{accounts: ["111122223333"], regions: [eu-west-1]}',
            absent="one of three",
            without=("oidc", "client-certificate", "kind"),
        ),
        Key(
            "kind",
            Either((Words(KINDS), KIND_BY_CLAIM)),
            "What `kinds` of a rule looks at. A map takes it from a claim: without the claim the kind is agent; with a value "
            "that stands in no list it is human, or agent where `human:` is listed.",
            "{claim: client_kind, agent: [bot, mcp], workload: [ci]}",
            default="human",
            without=("aws",),
        ),
        Key(
            "prefix",
            Text(),
            "Stands before users and groups, in rules too. It does not begin with `system:`. All entries but one need one.",
            '"cert:"',
        ),
        Key(
            "require",
            Named(Either((Text(some=True), Flag())), name="CLAIM"),
            "What claims of a token must be: texts, `true` or `false`. A claim that is a list must hold the text.",
            "{org: acme, mfa: true}",
            beside=("oidc",),
        ),
        Key(
            "end-with-credential",
            Flag(),
            "`true`: a running exec, attach, port-forward, watch or followed log ends with the token.",
            "true",
            default="false",
            beside=("oidc",),
        ),
        Key(
            "email-verified",
            Words(get_args(EmailVerified)),
            "For `username: email`. `if-present` takes a token that has no `email_verified`.",
            "if-present",
            default=OidcIssuer.email_verified,
            beside=("oidc",),
        ),
        Key(
            "longest-lifetime",
            Duration(LEAST_LIFETIME, MOST_LIFETIME),
            "How long a token may live, from `iat` to `exp`.",
            "30d",
            default=lasting(DAY),
            beside=("oidc",),
        ),
        Key(
            "audiences",
            AUDIENCES.shape,
            AUDIENCES.says,
            AUDIENCES.example,
            default=AUDIENCES.default,
            beside=("oidc",),
        ),
    ),
    one_of=(("oidc",), ("client-certificate",), ("aws",)),
)
