"""What `l7gw init` says when it has written: the files, and what to type, as a shell takes it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from l7gw.cli.init.files import CONFIGURATION, POLICY, RBAC, TOKEN, names
from l7gw.cli.init.rbac import ACCOUNT, SPACE
from l7gw.cli.init.text import AGENTS
from l7gw.cli.init.wanted import Wanted

TOKEN_HOURS = 720  # of the gateway's token; a cluster may give less
EKS = ".eks.amazonaws.com"


def told(wanted: Wanted) -> str:
    """All of it. From the line `Type` on it can be typed as it stands: what is no command is a comment."""
    wide = max(map(len, names(wanted)))
    written = [f"  {name:<{wide}}  {_what(name, wanted)}" for name in names(wanted)]
    return "\n".join([f"Written into {wanted.folder}:", *written, "", *_mind(wanted), "Type, in this order:", "", *_typed(wanted)])


def _what(name: str, wanted: Wanted) -> str:
    people = "a first person" if wanted.issuer is None else "people"
    return {
        CONFIGURATION: "the configuration",
        POLICY: "who may do what",
        RBAC: "what the cluster must let the gateway do, and its callers",
        f"{wanted.name}.kubeconfig": f"for {people}",
        f"{wanted.name}-agent.kubeconfig": "for a first agent, with its key: it is the agent's alone",
        "certs/cluster-ca.crt": "whom the gateway trusts as the cluster",
        "certs/ca.crt": "a development authority",
        "certs/ca.key": "its key: who has it can pass for the gateway" + (" and for people" if wanted.issuer is None else ""),
        "certs/server.crt": f"the gateway's own certificate, for {wanted.host}",
        "certs/server.key": "and its key",
        "certs/agents-ca.crt": "an authority of agents",
        "certs/agents-ca.key": "its key: who has it can pass for any agent",
    }[name]


def _mind(wanted: Wanted) -> Iterator[str]:
    if wanted.issuer is None:
        yield f"This is for a first try: {wanted.user} comes by a certificate of the development authority, which holds for 90 days"
        yield "and cannot be taken back. With an OIDC issuer (--issuer) people come by tokens."
        yield ""
    if wanted.cluster.host.endswith(EKS):
        yield "This is a cluster of EKS. `l7gw help eks` has a better way: a role session for each person, and no token to keep."
        yield ""


def _typed(wanted: Wanted) -> Iterator[str]:
    kubectl = " ".join(map(shlex.quote, ("kubectl", *wanted.cluster.kubectl)))
    l7gw, config = shlex.quote(wanted.command), f"--config {_path(wanted, CONFIGURATION)}"
    yield "# Let the gateway into the cluster. It is typed with your own rights there, which must be an administrator's."
    yield f"{kubectl} apply -f {_path(wanted, RBAC)}"
    if wanted.credential is None:
        yield ""
        yield f"# The gateway's token, for {TOKEN_HOURS // 24} days or what the cluster gives at most. Type it again before then:"
        yield "# a new one is taken while the gateway runs."
        make = f"{kubectl} create token {ACCOUNT} --namespace {SPACE} --duration {TOKEN_HOURS}h"
        yield f"(umask 077 && {make} > {_path(wanted, TOKEN)})"
    yield ""
    yield "# What the configuration means; then whether issuer and cluster answer, and what they let the gateway do."
    yield f"{l7gw} check {config}"
    yield f"{l7gw} check --online {config}"
    yield ""
    yield "# Run it. It goes on until Ctrl-C; what follows is for another terminal."
    yield f"{l7gw} serve {config}"
    yield ""
    yield from _first_calls(wanted)
    yield f"{l7gw} sessions list {config}"


def _first_calls(wanted: Wanted) -> Iterator[str]:
    people = _path(wanted, f"{wanted.name}.kubeconfig")
    call = f"kubectl --kubeconfig {people} get pods --namespace {wanted.namespace}"
    if wanted.issuer is None:
        yield f"# A call of {wanted.user}, in the group {wanted.group}."
    elif wanted.issuer.login:
        yield f"# Your call: it opens a browser for the login at {wanted.issuer.url}. Your groups must have {wanted.group}."
    else:
        yield f"# Your call, with a token of {wanted.issuer.url} in $TOKEN, in whose {wanted.issuer.groups} is {wanted.group}."
        yield f'kubectl --kubeconfig {people} config set-credentials {wanted.name} --token="$TOKEN"'
    yield call
    if wanted.agents:
        yield ""
        agent = _path(wanted, f"{wanted.name}-agent.kubeconfig")
        yield f"# A call of an agent, {AGENTS}first, which the policy lets read, and not delete."
        yield f"kubectl --kubeconfig {agent} get pods --namespace {wanted.namespace}"
    yield ""
    yield "# What was recorded."


def _path(wanted: Wanted, name: str) -> str:
    return shlex.quote(str(wanted.folder / name))
