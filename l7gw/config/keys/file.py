"""The keys of l7gw.yaml itself, of `recording` and of `log`; the other sections have modules of their own."""

from __future__ import annotations

from typing import get_args

from l7gw.config.document import sized
from l7gw.config.keys.approvals import LIMITS, PERSON, REVIEWS, SOCKET
from l7gw.config.keys.clusters import CLUSTERS, TLS
from l7gw.config.keys.identity import ENTRY, FILE
from l7gw.config.keys.masking import HOOK, MASKING
from l7gw.config.load import LATER, LEAST_RESERVED, LISTEN, MOST_RESERVED, STATE
from l7gw.config.settings import Durable, Log, LogAccess, LogFormat, LogLevel, Recording, Settings, Warnings
from l7gw.config.shapes import Either, Key, Listed, Mapping, Number, Size, Switch, Text, Texts, Words
from l7gw.config.store import EXAMPLE

RECORDING = Mapping(
    (
        Key(
            "durable",
            Words(get_args(Durable)),
            "Which calls are on the disk before they go to the cluster: those that change something or open a channel "
            "(`writes`), all, or none. A rule of the policy may say otherwise of its calls.",
            "all",
            default=Recording.durable,
        ),
        Key(
            "reserve",
            Size(LEAST_RESERVED, MOST_RESERVED),
            "Calls stop when less than this is free on the disk.",
            "10GiB",
            default=sized(Recording.reserve),
        ),
    )
)

LOG = Mapping(
    (
        Key(
            "access",
            Switch(tuple(one for one in get_args(LogAccess) if one not in ("on", "off"))),
            "Which calls have a line in the log: all (`on`), none (`off`), or those that were refused or failed (`errors`).",
            "errors",
            default=Log.access,
        ),
        Key(
            "format",
            Words(get_args(LogFormat)),
            "`auto` is text where the log goes to a terminal, else JSON.",
            "json",
            default=Log.format,
        ),
        Key(
            "level",
            Words(get_args(LogLevel)),
            "The least that is written; `debug` is what `l7gw serve -v` writes.",
            "warning",
            default=Log.level,
        ),
    )
)

FILE_KEYS = Mapping(
    (
        Key(
            "listen",
            Texts(Text("HOST:PORT")),
            "Where the gateway listens, at most 16 addresses. IPv6 is `[::]:8443`. It changes with a restart.",
            "0.0.0.0:8443",
            default=LISTEN,
        ),
        Key(
            "tls",
            TLS,
            "The certificate that the gateway shows to clients.",
            "{certificate: server.crt, key: server.key}",
            required=True,
        ),
        Key(
            "state",
            Text("folder"),
            "The folder of the recordings. The gateway makes it; one that is there has mode 0700. It changes with a restart.",
            "state",
            default=STATE,
        ),
        Key(
            "workers",
            Either((Words(("auto",)), Number(1, 1))),
            "How many processes serve; more than one are not in this version.",
            "auto",
            default="auto",
        ),
        Key(
            "identity",
            Listed(ENTRY, some=True),
            "Who may ask: issuers, authorities of client certificates, accounts of AWS.",
            '[{oidc: {issuer: "https://idp.example.com", audience: l7gw}}]',
            required=True,
        ),
        Key(
            "clusters",
            CLUSTERS,
            "Where calls go. Clients reach a cluster by `https://GATEWAY/NAME`, or by one of its `hosts`; the only cluster needs "
            "neither.",
            "{prod: {server: https://10.0.0.1:6443, certificate-authority: prod-ca.crt, "
            "credential: {client-certificate: gw.crt, client-key: gw.key}}}",
            required=True,
        ),
        Key(
            "policy",
            FILE,
            "The policy's file (docs/policy.md). It is read again as soon as it is saved.",
            "policy.yaml",
            required=True,
        ),
        Key(
            "recording", RECORDING, "When calls wait for the disk, and how much of it stays free.", "{durable: all, reserve: 10GiB}"
        ),
        Key(
            "masking",
            MASKING,
            "What is masked beside Secrets (docs/masking.md). Masking itself is always on.",
            "{registry: on, detectors: {email: on}}",
            absent="what is on by itself",
        ),
        Key(
            "hooks",
            Listed(HOOK),
            "Your own Python classes that the gateway calls, at most 16 (docs/hooks.md).",
            '[{name: acme, object: "acme_hooks:Acme", path: hooks}]',
        ),
        Key(
            "people",
            Listed(PERSON),
            "Who has several names. Nobody approves his own call, whichever of his names he uses, and one person counts once "
            "(docs/approvals.md).",
            '[{user: ann, also: ["aws:ann"]}]',
        ),
        Key("reviews", REVIEWS, "Who may answer holds beside the API.", "{local: true}"),
        Key("limits", LIMITS, "How many calls may wait. The other limits are not in this version.", "{holds: 50}"),
        Key(
            "socket",
            SOCKET,
            "Where `l7gw holds` reaches the gateway on its machine. It changes with a restart.",
            "{path: /run/l7gw/l7gw.sock, group: sre}",
        ),
        Key(
            "store",
            Text("`sqlite`, or a `postgresql://` URL"),
            "Where holds, reviews and budgets are kept: in `state`, or at a server that several gateways may share. It changes "
            "with a restart.",
            f'"{EXAMPLE}"',
            default="sqlite",
        ),
        Key("log", LOG, "What is written to stderr.", "{access: errors, format: json}", absent="all calls, at level info"),
        Key(
            "warnings",
            Words(get_args(Warnings)),
            "Which answers have a `Warning` of ours. `refusals`: none that succeeds has one, for `kubectl --warnings-as-errors`.",
            "refusals",
            default=Settings.warnings,
        ),
    ),
    later=LATER,
)
