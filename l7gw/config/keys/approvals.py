"""The keys of `people`, `reviews`, `limits` and `socket`."""

from __future__ import annotations

from typing import get_args

from l7gw.config.approvals import LIMITS_LATER
from l7gw.config.keys.identity import FILE, URL
from l7gw.config.reviews import SLACK_API, SLACK_USER
from l7gw.config.settings import MOST_HOLDS, USUAL_HOLDS, SlackShow
from l7gw.config.shapes import Flag, Key, Mapping, Named, Number, Text, Texts, Words

PERSON = Mapping(
    (
        Key("user", Text("user", some=True), "The name that the others go by, with its prefix.", "ann", required=True),
        Key(
            "also",
            Texts(Text("user")),
            "The person's other names, with their prefix. A name stands once.",
            '["aws:ann", "cert:ann"]',
            required=True,
        ),
    )
)

MAPPED = Mapping(
    (
        Key("user", Text("user", some=True), "Who the person is, as a token of an issuer would name him.", "lea", required=True),
        Key("groups", Texts(), "The person's groups, by which `reviewers` of a rule may name him.", "[sre]"),
    )
)

SLACK = Mapping(
    (
        Key(
            "listen",
            Text("HOST:PORT"),
            "Where Slack's answers come in. It changes with a reload too.",
            "127.0.0.1:8444",
            required=True,
        ),
        Key("token-file", FILE, "The bot's token (xoxb-...), in a file that nobody else can read.", "slack.token", required=True),
        Key(
            "signing-secret-file",
            FILE,
            "The app's signing secret, by which Slack's answers are known, in such a file.",
            "slack.secret",
            required=True,
        ),
        Key("channel", Text("channel"), "Where holds are told: a name or an id.", '"#approvals"', required=True),
        Key(
            "users",
            Named(MAPPED, name="ID", pattern=SLACK_USER.pattern),
            "Who may answer, by ids of Slack's. Whom it does not name is no reviewer.",
            "{U0123456789: {user: lea, groups: [sre]}}",
            required=True,
        ),
        Key(
            "show",
            Words(get_args(SlackShow)),
            "What a message has of a call: `summary` has numbers and kinds, and no content of an object; `diff` the masked "
            "difference.",
            "diff",
            default="summary",
        ),
        Key("endpoint-url", URL, "The URL of Slack's API.", "https://slack.example.com/api", default=SLACK_API),
        Key("certificate-authority", FILE, "Whom to trust there, in PEM.", "slack-ca.crt", absent="the machine's"),
    )
)

WEBHOOK = Mapping(
    (
        Key(
            "url",
            URL,
            "Where each hold is posted, signed; http only to this machine.",
            "https://hooks.example.com/l7gw",
            required=True,
        ),
        Key(
            "secret-file",
            FILE,
            "The secret of the signatures, both ways, in a file that nobody else can read.",
            "hook.secret",
            required=True,
        ),
        Key(
            "users",
            Named(MAPPED, name="USER"),
            "Who may answer, by the names that the other side gives. Without it nobody answers there.",
            "{lea@example.com: {user: lea, groups: [sre]}}",
        ),
        Key("certificate-authority", FILE, "Whom to trust there, in PEM.", "hooks-ca.crt", absent="the machine's"),
    )
)

REVIEWS = Mapping(
    (
        Key(
            "local",
            Flag(),
            "`true`: root at the gateway's socket is one approval of any hold, without a credential.",
            "true",
            default="false",
        ),
        Key(
            "slack",
            SLACK,
            "Holds are told in a channel of Slack, and answered by its buttons (docs/slack-and-webhook.md).",
            '{listen: "127.0.0.1:8444", token-file: slack.token, signing-secret-file: slack.secret, channel: "#approvals", '
            "users: {U0123456789: {user: lea, groups: [sre]}}}",
        ),
        Key(
            "webhook",
            WEBHOOK,
            "Holds are posted to a URL, and answered by a signed POST (docs/slack-and-webhook.md).",
            "{url: https://hooks.example.com/l7gw, secret-file: hook.secret}",
        ),
    )
)

LIMITS = Mapping(
    (
        Key(
            "holds",
            Number(1, MOST_HOLDS),
            "How many calls of one principal may wait for an approval.",
            "50",
            default=str(USUAL_HOLDS),
        ),
    ),
    later=LIMITS_LATER,
)

SOCKET = Mapping(
    (
        Key(
            "path",
            FILE,
            "Where the socket is. With `group` it lies where the group's members can go, in a folder that only its owner may "
            "write to.",
            "/run/l7gw/l7gw.sock",
            absent="`l7gw.sock` in `state`",
        ),
        Key(
            "group",
            Text("group of the machine"),
            "Its members may connect too, and must send a token (docs/api.md). Without it root and the gateway's user alone may.",
            "sre",
        ),
    )
)
