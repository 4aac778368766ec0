"""The keys of `clusters`."""

from __future__ import annotations

from typing import get_args

from l7gw.config.aws import EKS_NAME
from l7gw.config.aws_settings import Per
from l7gw.config.clusters import API_ROOTS, AWS_ID, LATER
from l7gw.config.fields import LABEL
from l7gw.config.keys.identity import FILE, URL
from l7gw.config.settings import Impersonate, RecordMode
from l7gw.config.shapes import Key, Mapping, Named, Text, Texts, Words

TLS = Mapping(
    (
        Key("certificate", FILE, "The certificate in PEM, with its chain behind it.", "server.crt", required=True),
        Key("key", FILE, "Its key in PEM, which nobody but the gateway's user can read (0600).", "server.key", required=True),
    )
)

EKS = Mapping(
    (
        Key(
            "name", Text("name", EKS_NAME.pattern), "The cluster's name, as `aws eks list-clusters` has it.", "prod", required=True
        ),
        Key("region", Text("region", some=True), "Its region.", "eu-west-1", required=True),
        Key(
            "endpoint-url",
            URL,
            "Where EKS is asked instead: https://HOST[:PORT].",
            "https://eks.vpce.example.com",
            absent="AWS's own",
        ),
        Key("certificate-authority", FILE, "Whom to trust there, in PEM.", "eks-ca.crt", absent="the machine's"),
    )
)

ROLE = Mapping(
    (
        Key(
            "role",
            Text("ARN", some=True),
            "The ARN of the IAM role as which the gateway reaches the cluster, with its path. Nobody who calls chooses one.",
            '"arn:aws:iam::111122223333:role/l7gw-prod"',
            required=True,
        ),
        Key(
            "per",
            Words(get_args(Per)),
            "Whose a role session is: each person's (`person`), or one that all callers share (`gateway`).",
            "gateway",
            default="person",
        ),
        Key("external-id", Text(), "What the role's trust policy asks for as `sts:ExternalId`.", "acme-7"),
        Key(
            "session-tags",
            Named(Text(), name="TAG"),
            "Tags of every role session beside `l7gw-user`, which is the user: at most 49, all transitive.",
            "{team: platform}",
        ),
        Key(
            "profile",
            Text(),
            "A profile of the gateway's own AWS files.",
            "l7gw",
            absent="boto3's chain finds the credentials",
        ),
        Key(
            "endpoint-url",
            URL,
            "Where STS is asked: https://HOST[:PORT], such as a VPC endpoint's. Tokens for the cluster name the public host all "
            "the same.",
            "https://sts.vpce.example.com",
            absent="AWS's own",
        ),
        Key("certificate-authority", FILE, "Whom to trust there, in PEM.", "sts-ca.crt", absent="botocore's, or `AWS_CA_BUNDLE`"),
    )
)

CREDENTIAL = Mapping(
    (
        Key(
            "client-certificate",
            FILE,
            "A client certificate that the cluster knows, in PEM.",
            "gw.crt",
            absent="one of three",
            without=("token-file", "aws"),
            beside=("client-key",),
        ),
        Key(
            "client-key",
            FILE,
            "Its key in PEM, which nobody but the gateway's user can read (0600).",
            "gw.key",
            absent="required with `client-certificate`",
            without=("token-file", "aws"),
            beside=("client-certificate",),
        ),
        Key(
            "token-file",
            FILE,
            "A file with a bearer token, such as a service account's. It is read again when it changes.",
            "gw.token",
            absent="one of three",
            without=("client-certificate", "client-key", "aws"),
        ),
        Key(
            "aws",
            ROLE,
            "A role of IAM, for a cluster of EKS (docs/eks.md).",
            '{role: "arn:aws:iam::111122223333:role/l7gw-prod"}',
            absent="one of three",
            without=("client-certificate", "client-key", "token-file"),
        ),
    ),
    one_of=(("client-certificate", "client-key"), ("token-file",), ("aws",)),
)

CLUSTER = Mapping(
    (
        Key(
            "server",
            URL,
            "https://HOST[:PORT] of the API server.",
            "https://10.0.0.1:6443",
            absent="required without `eks`",
            without=("eks",),
        ),
        Key(
            "certificate-authority",
            FILE,
            "Whom to trust there, in PEM.",
            "prod-ca.crt",
            absent="required without `eks`",
            without=("eks",),
        ),
        Key(
            "eks",
            EKS,
            "The cluster is one of EKS, as `aws eks list-clusters` has it. Endpoint and CA are what DescribeCluster says, which "
            "is asked at the start, every minute, and where a connection fails (docs/eks.md).",
            "{name: prod, region: eu-west-1}",
            without=("server", "certificate-authority"),
            needs=(("credential", "{token-file: gw.token}"),),
        ),
        Key(
            "credential",
            CREDENTIAL,
            "The gateway's own: a client certificate, a token in a file or, for a cluster of EKS, a role.",
            "{client-certificate: gw.crt, client-key: gw.key}",
            required=True,
        ),
        Key(
            "hosts",
            Texts(Text("host name")),
            "TLS server names that lead to this cluster. No two clusters have the same.",
            "[prod.k8s.example.com]",
        ),
        Key(
            "tls",
            TLS,
            "The certificate for those `hosts`. `l7gw clusters certificate NAME` makes one, signed by the CA of an EKS cluster.",
            "{certificate: prod.crt, key: prod.key}",
            absent="the gateway's",
            beside=("hosts",),
        ),
        Key(
            "impersonate",
            Words(get_args(Impersonate)),
            "`groups`: callers are the user `l7gw` there, with their groups. `user`: they are themselves, with their groups. "
            "`none`: they are the gateway's own credential, and RBAC cannot tell them apart.",
            "user",
            default="groups",
        ),
        Key(
            "prefix",
            Text(),
            "Stands before every group there, and with `impersonate: user` before the user.",
            '"gw:"',
            default='"l7gw:"',
        ),
        Key(
            "groups",
            Texts(),
            "Groups of callers that go up beside those that rules name, as rules write them, without `prefix`. `*` stands for "
            "any characters, and alone for all groups.",
            '["team-*"]',
        ),
        Key(
            "record",
            Words(get_args(RecordMode)),
            "`metadata` leaves out bodies and the bytes of execs and port-forwards. `none` keeps nothing of its calls but the "
            "session. A rule of the policy may say otherwise of its calls.",
            "metadata",
            default="all",
        ),
        Key(
            "aws-cluster-id",
            Text("id", AWS_ID.pattern),
            "The id by which callers' tokens of EKS name this cluster (`x-k8s-aws-id`). Without either the cluster takes no such "
            "token.",
            "prod",
            absent="the name in `eks`",
        ),
        Key(
            "break-glass",
            Texts(Text("ARN")),
            "Who may go round the gateway to a cluster of EKS: ARNs, in which `*` stands for any characters behind the account, "
            "and the word `public-endpoint`. `l7gw clusters test` answers 1 while anybody else can (docs/eks.md).",
            '["arn:aws:iam::111122223333:role/break-glass-*"]',
            beside=("eks",),
            needs=(("credential", "{token-file: gw.token}"),),
        ),
    ),
    one_of=(("server", "certificate-authority"), ("eks",)),
    later=LATER,
)

CLUSTERS = Named(CLUSTER, pattern=LABEL.pattern, taken=tuple(API_ROOTS), some=True)
