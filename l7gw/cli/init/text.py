"""The two files that `l7gw init` writes for people: the configuration and the policy, with what to change in them."""

from __future__ import annotations

from l7gw.cli.init.wanted import Issuer, Wanted
from l7gw.plainyaml import dumped

AGENTS = "bot:"  # stands before the users and groups of agents
AGENT_GROUP = "agents"


def configuration(wanted: Wanted) -> str:
    """l7gw.yaml. Paths are relative to its folder, but for files that were there before."""
    pair = wanted.pair or ("certs/server.crt", "certs/server.key")
    credential = (
        "{token-file: gateway.token}"
        if wanted.credential is None
        else f"{{client-certificate: {_text(wanted.credential[0])}, client-key: {_text(wanted.credential[1])}}}"
    )
    return f"""\
# Where the gateway listens, who may ask, and where calls go. `l7gw check` says what it means; `l7gw help configuration` has
# every key.
listen: {_text(wanted.listen)}
tls: {{certificate: {_text(pair[0])}, key: {_text(pair[1])}}}
state: {_text(wanted.state)}  # recordings; the gateway makes the folder, for itself alone
identity:
{_people(wanted.issuer)}{_agents() if wanted.agents else ""}\
clusters:
  {wanted.name}:  # clients reach it by https://{wanted.address}/{wanted.name}
    server: {_text(wanted.cluster.server)}
    certificate-authority: certs/cluster-ca.crt
    credential: {credential}
policy: policy.yaml
"""


def _people(issuer: Issuer | None) -> str:
    if issuer is None:
        return """\
  # For a first try: certificates of the development authority, user CN, groups O. Then an issuer: oidc: {issuer, audience, ...}
  - client-certificate: {certificate-authority: certs/ca.crt}
"""
    more = f", certificate-authority: {_text(issuer.authority)}" if issuer.authority is not None else ""
    more += f", login: {{client-id: {_text(issuer.login)}}}" if issuer.login else ""
    claims = f"username: {_text(issuer.username)}, groups: {_text(issuer.groups)}"
    return f"  - oidc: {{issuer: {_text(issuer.url)}, audience: {_text(issuer.audience)}, {claims}{more}}}\n"


def _agents() -> str:
    return f"""\
  # Agents have certificates of an authority of their own. Their users and groups begin with {AGENTS}
  - client-certificate: {{certificate-authority: certs/agents-ca.crt}}
    kind: agent
    prefix: {_text(AGENTS)}
"""


def policy(wanted: Wanted) -> str:
    """policy.yaml: people read everywhere but Secrets, and change one namespace; agents read."""
    people, space = _text(wanted.group), _text(wanted.namespace)
    elsewhere = "kube-system" if wanted.namespace != "kube-system" else "default"
    rules = f"""\
# Who may do what: what no rule allows is denied. It is read again when it is saved. `l7gw policy check policy.yaml` runs its tests,
# `l7gw help policy` has every key, `l7gw policy packs` other policies to start from.
guardrails:
  - {{name: no way round by a node, resources: [nodes/proxy], verdict: deny, reason: "a node's own API knows no policy"}}
rules:
  # `read` is all but Secrets and tokens, which `secrets` would allow, with their values masked.
  - {{name: people read, groups: [{people}], effects: [read], verdict: allow}}
  - name: people work in {wanted.namespace}
    groups: [{people}]
    namespaces: [{space}]
    effects: [write, workload, delete, execute, tunnel]
    verdict: allow
"""
    ann = f"as: {{user: ann, groups: [{people}]}}, cluster: {wanted.name}"
    tests = f"""\
tests:
  - {{{ann}, call: kubectl get pods -A, verdict: allow}}
  - {{{ann}, call: kubectl delete pod web-0 -n {wanted.namespace}, verdict: allow}}
  - {{{ann}, call: kubectl delete pod web-0 -n {elsewhere}, verdict: deny}}
  - {{{ann}, call: kubectl get secrets -n {wanted.namespace}, verdict: deny}}
"""
    if wanted.agents:
        group = _text(AGENTS + AGENT_GROUP)
        rules += f"  - {{name: agents read, groups: [{group}], kinds: [agent], effects: [read], verdict: allow}}\n"
        agent = f"as: {{user: {_text(AGENTS + 'first')}, groups: [{group}], kind: agent}}, cluster: {wanted.name}"
        tests += f"  - {{{agent}, call: kubectl get pods -A, verdict: allow}}\n"
        tests += f"  - {{{agent}, call: kubectl delete pod web-0 -n {wanted.namespace}, verdict: deny}}\n"
    return rules + tests


def _text(value: object) -> str:
    """A text as a scalar of YAML, in quotes where it needs them, also between braces."""
    return dumped([str(value)], flow=True).strip()[1:-1]
