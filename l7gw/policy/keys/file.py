"""The keys of the policy's file itself, of `grants`, `defaults` and `tests`."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from l7gw.config.document import lasting
from l7gw.config.settings import DAY, KINDS, RecordMode
from l7gw.config.shapes import Duration, Key, Listed, Mapping, Text, Texts, Words
from l7gw.policy.grants import LEAST, MAX
from l7gw.policy.holds import LEAST_TIME, MOST_TIME, TTL
from l7gw.policy.keys.rules import GUARDRAILS, HANDLING, HOLDING, MASKS, REVIEWERS, RULES
from l7gw.policy.verdict import Decision

GRANT = Mapping(
    (
        Key("group", Text("group", some=True), "The group: one name, and none of `system:`.", "oncall", required=True),
        Key("users", Texts(), "Users who may ask for it.", "[ann]", absent="any"),
        Key("groups", Texts(), "Groups whose members may ask, those of their credential.", "[engineers]", absent="any"),
        Key("kinds", Texts(Words((*KINDS, "*"))), "Kinds of callers who may ask.", "[human, agent]", default="[human]"),
        Key("clusters", Texts(), "On which clusters.", '["prod*"]', absent="any"),
        Key(
            "reviewers",
            REVIEWERS,
            "Who approves, as of a hold; it stands here or in `defaults`.",
            "{groups: [sre]}",
            absent="as `defaults`",
        ),
        Key("max", Duration(LEAST, DAY), "For how long at most.", "2h", default=lasting(MAX)),
        Key("ttl", Duration(LEAST_TIME, MOST_TIME), "How long a request is pending.", "30m", default=lasting(TTL)),
        Key(
            "bind",
            Text("`ROLE` or `NAMESPACE/ROLE`"),
            "The ClusterRole, or Role, that the cluster binds while the grant is in force (docs/eks.md).",
            "pod-debugger",
            beside=("namespaces",),
        ),
        Key("namespaces", Texts(Text("namespace"), one=False), "Where `bind` binds it.", "[shop]", beside=("bind",)),
    )
)


# As it stands in `defaults`, a key is for all rules of which it may be said.
NOT_NONE = Words(tuple(one for one in get_args(RecordMode) if one != "none"))
DEFAULTS = Mapping(
    tuple(
        replace(
            key,
            shape=NOT_NONE if key.name == "record" else key.shape,
            absent="none" if key.name == "reviewers" else key.absent,
            needs=(),
        )
        for key in (*MASKS, *HOLDING, *HANDLING)
    )
)

CALLER = Mapping(
    (
        Key("user", Text("user", some=True), "The user, as the identity gives it, with its prefix.", "ann", required=True),
        Key("groups", Texts(), "The groups.", "[engineers]"),
        Key("kind", Words(KINDS), "The kind.", "human", default="human"),
        Key("issuer", Text(), "What a condition sees as `principal.issuer`.", "https://idp.example.com", absent="empty"),
        Key("actor", Text(), "The agent that acts for the user.", "coder", absent="empty"),
        Key("address", Text("IP address"), "Where the call comes from.", "192.0.2.7", absent="empty"),
    )
)

SENDS = (("call", "kubectl create -f web.yaml"), ("verdict", "deny"))

CASE = Mapping(
    (
        Key("as", CALLER, "Who calls.", "{user: ann, groups: [engineers]}", required=True),
        Key("cluster", Text(), "The cluster. Without it rules with `clusters` are about no test.", "prod"),
        Key(
            "call",
            Text("call", some=True),
            "A kubectl command as typed, or a request such as `GET /metrics`. Of a command's calls the worst verdict counts.",
            "kubectl get pods -n dev",
            required=True,
        ),
        Key(
            "object",
            Text("file"),
            "A file with what is sent. Where the command names one with `-f`, that is read without it.",
            "web.yaml",
            needs=SENDS,
        ),
        Key("result", Text("file"), "A file with what a dry run of the call gives, one object.", "web.yaml", needs=SENDS),
        Key("verdict", Words(get_args(Decision)), "What the policy says to it.", "allow", required=True),
        Key("rule", Text(), "By which rule; of a hold, one of those that hold it.", "engineers read", absent="any"),
    )
)

POLICY = Mapping(
    (
        Key(
            "guardrails",
            GUARDRAILS,
            "Rules that deny or hold before all others, and that nothing overrides.",
            "[{name: prod is not deleted from, namespaces: [prod], effects: [delete], verdict: deny}]",
        ),
        Key(
            "rules",
            RULES,
            "The first rule that matches decides; what none allows is denied. At most 2000 with the guardrails.",
            "[{name: engineers read, groups: [engineers], effects: [read], verdict: allow}]",
        ),
        Key(
            "grants",
            Listed(GRANT),
            "The groups that somebody may ask for, for some time and after an approval (docs/approvals.md).",
            "[{group: oncall, groups: [engineers], reviewers: {groups: [sre]}, max: 2h}]",
        ),
        Key(
            "defaults",
            DEFAULTS,
            "What a rule says that does not say it itself.",
            '{mask: ["*"], reviewers: {groups: [sre]}}',
        ),
        Key(
            "tests",
            Listed(CASE),
            "What the policy shall say. A policy with a test that fails is not loaded.",
            "[{as: {user: ann, groups: [engineers]}, call: kubectl get pods -n dev, verdict: allow}]",
            needs=(("rules", "[{name: engineers read, groups: [engineers], effects: [read], verdict: allow}]"),),
        ),
    ),
    some_of=("guardrails", "rules"),
)
