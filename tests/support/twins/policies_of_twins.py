"""Policies and configurations between which the traffic changes. Each says of the same calls something else."""

from __future__ import annotations

from typing import Any

EVERYTHING = """
rules:
  - {name: all, effects: ["*"], as: {users: [jane, "dev-*"], groups: [developers]}, verdict: allow}
"""
READERS = """
guardrails:
  - {name: the vault is shut, namespaces: [vault], verdict: deny, reason: "ask the platform team"}
rules:
  - {name: humans read, kinds: [human], effects: [read], verdict: allow}
  - {name: bots read pods, kinds: [agent], resources: [pods, pods/log], effects: [read], verdict: allow, record: metadata}
  - {name: engineers write, groups: [engineers], effects: [read, write, workload, delete], verdict: allow, durable: all}
"""
BY_USER = """
rules:
  - {name: not bob, users: [bob], verdict: deny}
  - {name: eve looks, users: [eve], effects: [read], verdict: allow, record: none}
  - {name: pods named a, names: ["a*"], resources: [pods, pods/log], effects: [read], verdict: allow, mask: ["*"]}
  - {name: secrets for engineers, groups: [engineers], effects: ["*"], verdict: allow, reveal: [secret-data], durable: none}
  - {name: the rest, effects: [read], verdict: allow, reveal: ["*"]}
"""
MASKING = """
defaults: {mask: [email], reveal: []}
rules:
  - {name: shown, users: [ann], effects: [read, write], verdict: allow, reveal: [secret-data, env, config-map]}
  - {name: ended, users: [bob], effects: [read], verdict: allow, on-mask: end}
  - {name: hidden, effects: ["*"], verdict: allow, mask: ["*"]}
"""
WHEN = """
rules:
  - {name: small, effects: [write, workload], when: 'object.metadata.name.startsWith("a")', verdict: allow}
  - {name: by time, effects: [read], when: 'request.namespace != "vault"', verdict: allow, max-duration: 30s}
  - {name: drops, effects: [delete], groups: [engineers], verdict: allow}
"""
UNRECORDED = """
rules:
  - {name: silent, effects: [read, discovery], verdict: allow, record: none}
  - {name: rest, effects: ["*"], verdict: allow, record: metadata}
"""
GRANTED = """
grants:
  - {group: oncall, groups: [engineers, agents], reviewers: {groups: [sre]}, max: 2h}
rules:
  - {name: oncall does all, groups: [oncall], effects: ["*"], verdict: allow}
  - {name: look, kinds: [human], resources: [pods], effects: [read], verdict: allow}
"""
HOLDING = """
defaults: {reviewers: {groups: [sre]}}
guardrails:
  - {name: deletes are looked at, effects: [delete], verdict: hold}
rules:
  - {name: three writes, effects: [write, workload], verdict: allow, budget: {writes: 3, per: 10m}}
  - {name: all, effects: ["*"], verdict: allow}
"""
NOBODY = "rules: []\n"
BROKEN = "rules: [{name: x, verdict: perhaps}]\n"

POLICIES = (EVERYTHING, EVERYTHING, READERS, BY_USER, MASKING, WHEN, UNRECORDED, NOBODY, BROKEN)
WITH_DESKS = (GRANTED, GRANTED, HOLDING)

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"warnings": "refusals"},
    {"log": {"access": "errors"}},
    {"log": {"access": "off"}},
    {"recording": {"durable": "all", "reserve": "1GiB"}},
    {"recording": {"durable": "none", "reserve": "1GiB"}},
    {"masking": {"registry": "off"}},
    {"masking": {"detectors": {"email": "on"}, "patterns": [{"name": "employee", "pattern": "EMP-[0-9]{6}"}]}},
    {"prod impersonate": "user"},
    {"prod impersonate": "none", "prod groups": None},
    {"prod prefix": "gw:"},
    {"prod groups": None},
    {"prod record": "metadata"},
    {"prod server": "https://moved.internal.example.com:443"},
    {"prod hosts": ["other.example.com"]},
    {"dev groups": ["team-*"], "dev record": "all"},
)


def with_identity(settings: dict[str, Any], which: int) -> dict[str, Any]:
    """Another `identity`: an audience that no token has, certificates first, everybody an agent."""
    oidc, certificates = settings["identity"]
    if which == 0:
        return {"identity": [{**oidc, "oidc": {**oidc["oidc"], "audience": "another"}}, certificates]}
    if which == 1:
        return {"identity": [certificates, oidc]}
    if which == 2:
        return {"identity": [{**oidc, "kind": "agent", "prefix": "idp:"}, certificates]}
    return {"identity": [oidc]}
