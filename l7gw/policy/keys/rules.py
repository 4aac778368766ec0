"""The keys of a rule, of a guardrail, and of what stands in them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from l7gw.budget_terms import BUDGET_KINDS
from l7gw.config.document import lasting
from l7gw.config.settings import KINDS, Durable, RecordMode
from l7gw.config.shapes import Duration, Flag, Forbids, Key, Listed, Mapping, Number, Text, Texts, Words
from l7gw.hold_terms import WAITS
from l7gw.kube.act import EFFECTS
from l7gw.policy.budgets import LEAST_PER, MOST_COUNTED, MOST_PER
from l7gw.policy.handling import LEAST_DURATION, MOST_DURATION
from l7gw.policy.holds import LEAST_TIME, MOST_APPROVALS, MOST_TIME, TTL, USE_WITHIN
from l7gw.policy.masks import OnMask
from l7gw.policy.patterns import SPELLING
from l7gw.policy.verdict import Decision

HOLDS = (("verdict", "hold"), ("reviewers", "{groups: [sre]}"))
ANY = "any"

EMERGENCY = Mapping((Key("groups", Texts(), "Who may force an approval.", "[oncall]", required=True),))

REVIEWERS = Mapping(
    (
        Key("users", Texts(), "Users who may approve, as the identity gives them, with `*` as anywhere.", "[lea]"),
        Key("groups", Texts(), "Groups whose members may approve.", "[sre]"),
        Key(
            "owner",
            Flag(),
            "`true`: the person for whom an agent acts may approve its calls.",
            "true",
            default="false",
            needs=(("groups", "[sre]"),),
        ),
        Key(
            "minimum",
            Number(1, MOST_APPROVALS),
            "How many must approve.",
            "2",
            default="1",
            needs=(("groups", "[sre]"),),
        ),
        Key(
            "emergency",
            EMERGENCY,
            "Groups that may force an approval, with a reason; that alarms.",
            "{groups: [oncall]}",
            needs=(("groups", "[sre]"),),
        ),
    ),
    some_of=("users", "groups", "owner"),
)

_COUNTS = {
    "calls": "Every call that the rule allows, reads too.",
    "writes": "Calls with the effect `write`; a read is never one.",
    "deletes": "Calls with the effect `delete`, evictions too. A deletecollection exceeds any budget.",
    "executes": "Calls with the effect `execute`.",
}
BUDGET = Mapping(
    (
        *(Key(kind, Number(1, MOST_COUNTED), _COUNTS[kind], "5", absent="not counted") for kind in BUDGET_KINDS),
        Key("per", Duration(LEAST_PER, MOST_PER), "The time in which so many pass.", "10m", required=True),
    ),
    some_of=BUDGET_KINDS,
)

AS = Mapping(
    (
        Key(
            "users",
            Texts(),
            "Users as the cluster's RBAC knows them, with `*` as anywhere. The cluster's `prefix` is not put before them.",
            "[jane]",
        ),
        Key("groups", Texts(), "Groups as the cluster's RBAC knows them.", "[developers]"),
        Key(
            "service-accounts",
            Texts(Text("NAMESPACE/NAME")),
            "NAMESPACE/NAME, a `*` on either side. They bring their own groups along.",
            '["dev/ci-*"]',
        ),
    ),
    some_of=("users", "groups", "service-accounts"),
)

HOLDING = (
    Key(
        "reviewers",
        REVIEWERS,
        "Of a rule that holds: who may approve. It stands there or in `defaults`, and beside a `budget` too, as the next three "
        "may.",
        "{groups: [sre], minimum: 2}",
        absent="as `defaults`",
        needs=(("verdict", "hold"),),
    ),
    Key(
        "wait",
        Words(WAITS),
        "Of a rule that holds: `wait`, the call stays open; `come-back`, it is refused, and made again after the approval.",
        "come-back",
        absent="people wait, agents and workloads come back",
        needs=HOLDS,
    ),
    Key(
        "ttl",
        Duration(LEAST_TIME, MOST_TIME),
        "Of a rule that holds: how long a call is pending at most.",
        "30m",
        default=lasting(TTL),
        needs=HOLDS,
    ),
    Key(
        "use-within",
        Duration(LEAST_TIME, MOST_TIME),
        "Of a rule that holds: how long an approval may be used.",
        "1h",
        default=lasting(USE_WITHIN),
        needs=HOLDS,
    ),
)

MASKS = (
    Key(
        "mask",
        Texts(empty=True),
        "Of a rule that lets calls pass: what is masked for the caller, also where `reveal` or the configuration would show it. "
        "Names of detectors, of structure, types of Secrets, or `*`.",
        "[email]",
    ),
    Key(
        "reveal",
        Texts(empty=True),
        "Of a rule that lets calls pass: what the caller sees in spite of masking. The recording never has it; `mask` beats it.",
        "[config-map]",
    ),
    Key(
        "on-mask",
        Words(get_args(OnMask)),
        "Of a rule that lets calls pass: `end` ends an exec, attach or log at its first masked value.",
        "end",
        default="go-on",
    ),
)

HANDLING = (
    Key(
        "record",
        Words(get_args(RecordMode)),
        "Of a rule that lets calls pass: what is recorded. `none` only where its `effects` are `read` and `discovery` alone.",
        "metadata",
        absent="as the cluster's `record`",
    ),
    Key(
        "durable",
        Words(get_args(Durable)),
        "Of a rule that lets calls pass: which calls wait for the disk.",
        "all",
        absent="as `recording.durable`",
    ),
    Key(
        "max-duration",
        Duration(LEAST_DURATION, MOST_DURATION),
        "Of a rule that lets calls pass: how long an exec, attach, port-forward, watch, followed log or proxied call may last.",
        "1h",
        absent="12 hours",
    ),
)

WHO = (
    Key("users", Texts(), "Users as the identity gives them, with its prefix.", '[ann, "ci:*"]', absent=ANY),
    Key("groups", Texts(), "Groups as the identity gives them, with its prefix.", "[engineers]", absent=ANY),
    Key(
        "kinds",
        Texts(Words((*KINDS, "*"))),
        "Kinds of callers, as the identity's `kind` says.",
        "[agent]",
        absent=ANY,
    ),
    Key("clusters", Texts(), "Names of clusters.", '["prod*"]', absent=ANY),
)

ABOUT = (
    Key(
        "namespaces",
        Texts(),
        "Namespaces. An allow with it does not cover a call about all namespaces, but by `*`.",
        "[dev]",
        absent=ANY,
    ),
    Key(
        "effects",
        Texts(Words((*EFFECTS, "*"))),
        "What a call does: the table of effects.",
        "[read]",
        absent="all but `other`; of a deny or a hold all but `other` and `discovery`",
    ),
    Key(
        "verbs",
        Texts(Text("verb")),
        "RBAC's verbs, `exec`, `attach`, `portforward`, `proxy`; of a path that is no resource `head`, `post`, `put`, `options`.",
        "[get, list, watch]",
        absent=ANY,
    ),
    Key(
        "resources",
        Texts(Text("resource", SPELLING.pattern)),
        "Resources as `pods`, `pods/exec`, `deployments.apps`, `*.apps`, `*/scale`. `*` is all with their subresources, and no "
        "other pattern stands for subresources that it does not name.",
        "[pods, pods/log, deployments.apps]",
        absent=ANY,
    ),
    Key("names", Texts(), "Names of objects. An allow with it does not cover a call without a name.", '["web-*"]', absent=ANY),
    Key(
        "as",
        AS,
        "As whom a call with the effect `impersonate` may be made (`kubectl --as`).",
        '{users: [jane], groups: [developers], service-accounts: ["dev/ci-*"]}',
        absent="nobody",
        needs=(("effects", "[read, impersonate]"),),
    ),
    Key(
        "commands",
        Texts(Text("argv")),
        "The argv of an exec. `*` stays within one argument and matches no `/`; a last `**` is any further arguments.",
        '["cat /var/log/*", "ps **"]',
        absent=ANY,
        needs=(("effects", "[execute]"),),
    ),
    Key(
        "interactive",
        Flag(),
        "`true`: a rule that allows `commands` also allows a terminal or stdin with them.",
        "true",
        default="false",
        beside=("commands",),
        needs=(("effects", "[execute]"),),
    ),
    Key(
        "when",
        Text("condition", some=True),
        "A condition in CEL, looked at last.",
        "'request.namespace != \"prod\"'",
        absent="none",
    ),
    Key(
        "bind",
        Text("`ROLE` or `NAMESPACE/ROLE`"),
        "Of a rule that allows, on clusters with `impersonate: user`: the ClusterRole, or Role, that the cluster binds to the "
        "caller for the session, in each of the rule's `namespaces` (docs/eks.md).",
        "pod-debugger",
        beside=("namespaces",),
    ),
)

MESSAGE = Key(
    "message",
    Text(some=True),
    "Of a rule that holds: words for whoever waits, 300 characters at most.",
    '"somebody of sre looks"',
    needs=HOLDS,
)

_OF_HOLDS = (*(key.name for key in HOLDING), "message")
_OF_PASSES = tuple(key.name for key in (*MASKS, *HANDLING))
_OF_ALLOWS = ("budget", "bind", "interactive")

RULE = Mapping(
    (
        Key("name", Text(some=True), "Each once; it stands in refusals and recordings.", "engineers read", required=True),
        Key("verdict", Words(get_args(Decision)), "What the rule says.", "allow", required=True),
        Key("reason", Text(some=True), "Words for whoever is refused, 300 characters at most.", '"ask the platform team"'),
        *WHO,
        *ABOUT,
        *MASKS,
        *HOLDING,
        MESSAGE,
        Key(
            "budget",
            BUDGET,
            "Of a rule that allows: how many calls of each person it lets pass. One more is held by `reviewers`, or denied where "
            "there are none.",
            "{deletes: 5, per: 10m}",
        ),
        *HANDLING,
    ),
    forbids=(
        Forbids("verdict", "deny", (*_OF_HOLDS, *_OF_PASSES, *_OF_ALLOWS)),
        Forbids("verdict", "hold", _OF_ALLOWS),
        Forbids("verdict", "allow", _OF_HOLDS, unless="budget"),
    ),
)

# What a guardrail may say: it lets nothing pass, so that it neither masks, counts, binds nor says how calls are handled.
GUARDRAIL = Mapping(
    tuple(
        replace(key, shape=Words(("hold", "deny")), example="deny") if key.name == "verdict" else key
        for key in RULE.keys
        if key.name not in (*_OF_PASSES, *_OF_ALLOWS)
    ),
    forbids=(Forbids("verdict", "deny", _OF_HOLDS),),
)

RULES = Listed(RULE)
GUARDRAILS = Listed(GUARDRAIL)
