"""The likeliest mistakes of a first hour, each made as a person makes it: what kubectl, the gateway's log and the commands say then.

Mistakes at kubectl are made in front of the gateways of `failures_at_kubectl` and of one whose issuer's entries have mistakes; mistakes
in files are made in a folder of their own.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from l7gw.cli.main import main
from l7gw.demo.pki import Authority
from tests.real.test_impersonation import RBAC, bound
from tests.support.failures_at_kubectl import KUBECTL_WITHIN, Stage, failures_at_kubectl
from tests.support.faults import until
from tests.support.gateway_process import L7GW, Gateway
from tests.support.kubernetes.cluster import RealCluster

Said = dict[str, str]  # who said it -> the lines
Made = Callable[["Mistakes", str], Said]
KUBECTL, LOG, CHECK, ONLINE, SERVE = "kubectl", "the log", "`l7gw check`", "`l7gw check --online`", "`l7gw serve`"
LIST, WRITTEN = "`l7gw sessions list`", "`l7gw kubeconfig`"
SOON = 20.0
POLICY = """
rules:
- {name: engineers read, groups: [engineers], effects: [read], verdict: allow}
- {name: agents read, kinds: [agent], effects: [read], verdict: allow}
"""


class Mistake(NamedTuple):
    """`made` makes it with a kubectl of this version and gives what was said; `remedy` are words that must be among these."""

    name: str
    made: Made
    remedy: str


class Mistakes:
    """Makes each mistake, and gives what was said. `mistaken` is a gateway whose entries of the issuer have mistakes, each for an
    audience of its own; it listens on every address of the machine."""

    def __init__(self, folder: Path, stage: Stage, mistaken: Gateway) -> None:
        self.folder, self.stage, self.mistaken = folder, stage, mistaken
        self._online = ""
        self._has_pod = False

    # ------------------------------------------------------------------ at kubectl

    def kubectl(self, version: str, kubeconfig: Path, *words: str) -> str:
        cache = self.folder / f"{version}-{kubeconfig.name}-cache"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECACHEDIR": str(cache)}
        command = [self.stage.cluster.kubectls()[version], "--kubeconfig", kubeconfig, *(words or ("get", "pods"))]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=KUBECTL_WITHIN, stdin=subprocess.DEVNULL
        )
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def kubeconfig(self, name: str, change: Callable[[dict[str, Any]], object], token: str | None = "") -> Path:
        """A kubeconfig for the first gateway that is good but for a change of its cluster's section."""
        path = self.stage.gateway.kubeconfig("real", self.ann() if token == "" else token, name=name)
        document = json.loads(path.read_text())
        change(document["clusters"][0]["cluster"])
        path.write_text(json.dumps(document))
        return path

    def ann(self, **claims: object) -> str:
        return self.stage.issuer.token("ann@example.com", ["engineers"], **claims)

    def newcomer(self) -> str:
        """A token whose group may see pods, and nothing else: no other test of this cluster binds a role to it."""
        return self.stage.issuer.token("ann@example.com", ["newcomers"])

    def as_before(self, version: str, failure: str) -> Said:
        """A mistake that is among the failures of docs/compatibility.md."""
        kubeconfig, more = self.stage.failures[failure]
        return {KUBECTL: self.kubectl(version, kubeconfig, "get", "pods", *more), LOG: log_of(self.stage.gateway)}

    def with_server(self, version: str, name: str, change: Callable[[dict[str, Any]], object]) -> Said:
        kubeconfig = self.kubeconfig(name.replace(" ", "-"), change)
        return {KUBECTL: self.kubectl(version, kubeconfig), LOG: log_of(self.stage.gateway)}

    def at_mistaken(self, version: str, token: str) -> Said:
        kubeconfig = self.mistaken.kubeconfig("real", token, name="mistaken")
        kubeconfig.write_text(kubeconfig.read_text().replace("0.0.0.0", "127.0.0.1"))
        return {KUBECTL: self.kubectl(version, kubeconfig), LOG: log_of(self.mistaken)}

    def online(self) -> str:
        """What `check --online` says of the first gateway's configuration; asked once."""
        if not self._online:
            self._online = self.l7gw("check", "--online", "--config", self.stage.gateway.config, "--address", "127.0.0.2:8443")
        return self._online

    def pod_once(self) -> None:
        """The pod web-0 of the namespace mistakes runs."""
        if not self._has_pod:
            self.stage.cluster.pod("web-0", self.stage.cluster.namespace("mistakes"))
            group = {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:newcomers"}
            bound(self.stage.cluster, "l7gw-newcomers", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}], group)
            self._has_pod = True

    # ------------------------------------------------------------------ in files

    def l7gw(self, *arguments: str | Path) -> str:
        """What a command that ends prints, within this process."""
        out = io.StringIO()
        shown = contextlib.redirect_stdout(out), contextlib.redirect_stderr(out)
        with shown[0], shown[1], _argv("l7gw", *map(str, arguments)), contextlib.suppress(SystemExit):
            main()
        return out.getvalue()

    def files(self, name: str, policy: str = POLICY, **changed: object) -> Path:
        """A configuration that is good but for what is changed of it, in a folder of its own."""
        entry = self.stage.settings
        made = Gateway(self.folder / name, {**entry, **changed}, policy)
        return made.config

    def serve(self, config: Path) -> str:
        """What a gateway prints that cannot start."""
        done = subprocess.run([L7GW, "serve", "--config", config], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def check(self, name: str, policy: str = POLICY, **changed: object) -> Said:
        return {CHECK: self.l7gw("check", "--config", self.files(name, policy, **changed))}


def log_of(gateway: Gateway) -> str:
    """The words of each line of a gateway's log; of a call's line its reason."""
    lines = (json.loads(line) for line in gateway.log.splitlines() if line.startswith("{"))
    return "\n".join(filter(None, (line.get("message") or line.get("reason") for line in lines)))


@contextlib.contextmanager
def _argv(*words: str) -> Iterator[None]:
    former, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = former


def another_ca(it: Mistakes, version: str) -> Said:
    other = Authority(it.folder / "another-ca", "another CA")
    data = base64.b64encode(other.certificate.read_bytes()).decode()
    return it.with_server(version, "another-ca", lambda cluster: cluster.update({"certificate-authority-data": data}))


def another_name(it: Mistakes, version: str) -> Said:
    kubeconfig = it.mistaken.kubeconfig("real", it.ann(), name="another-name")
    kubeconfig.write_text(kubeconfig.read_text().replace("0.0.0.0", "127.0.0.2"))
    return {KUBECTL: it.kubectl(version, kubeconfig), LOG: log_of(it.mistaken), ONLINE: it.online()}


def server(end: str, scheme: str = "https") -> Made:
    def made(it: Mistakes, version: str) -> Said:
        address = f"{scheme}://{it.stage.gateway.address}{end}"
        return it.with_server(
            version, f"server-{scheme}{end.replace('/', '-')}", lambda cluster: cluster.update({"server": address})
        )

    return made


def before(failure: str, *, online: bool = False) -> Made:
    def made(it: Mistakes, version: str) -> Said:
        return it.as_before(version, failure) | ({ONLINE: it.online()} if online else {})

    return made


def token(**claims: object) -> Made:
    def made(it: Mistakes, version: str) -> Said:
        return it.at_mistaken(version, it.ann(**claims))

    return made


def ahead(it: Mistakes, version: str) -> Said:
    now = int(time.time())
    return it.at_mistaken(version, it.ann(iat=now + 3600, exp=now + 7200))


def slash(it: Mistakes, version: str) -> Said:
    return it.at_mistaken(version, it.ann(iss=it.stage.issuer.url + "/"))


def exec_alone(it: Mistakes, version: str) -> Said:
    done = it.stage.of_kim(version, "exec", "web-0", "--", "ls")
    return {KUBECTL: done.stderr, LOG: log_of(it.stage.gateway)}


def not_bound(it: Mistakes, version: str) -> Said:
    kubeconfig = it.stage.gateway.kubeconfig("real", it.newcomer(), name="not-bound")
    return {KUBECTL: it.kubectl(version, kubeconfig, "get", "configmaps"), LOG: log_of(it.stage.gateway)}


def not_bound_attach(it: Mistakes, version: str) -> Said:
    it.pod_once()
    kubeconfig = it.stage.gateway.kubeconfig("real", it.newcomer(), name="not-bound-attach")
    return {KUBECTL: it.kubectl(version, kubeconfig, "attach", "web-0", "-n", "mistakes")}


def no_group(it: Mistakes, version: str) -> Said:
    return {
        KUBECTL: it.kubectl(
            version, it.stage.gateway.kubeconfig("real", it.stage.issuer.token("ann@example.com", []), name="no-group")
        )
    }


def state_mode(it: Mistakes, _: str) -> Said:
    config = it.files("state-mode")
    (config.parent / "state").chmod(0o755)
    return {CHECK: it.l7gw("check", "--config", config)}


def key_mode(it: Mistakes, _: str) -> Said:
    config = it.files("key-mode")
    next((config.parent / "pki").glob("server*key*")).chmod(0o644)
    return {CHECK: it.l7gw("check", "--config", config)}


def port_in_use(it: Mistakes, _: str) -> Said:
    return {SERVE: it.serve(it.files("port", listen=it.stage.gateway.address))}


def listen(it: Mistakes, _: str) -> Said:
    return it.check("listen", listen=8443)


def typo(it: Mistakes, _: str) -> Said:
    real = it.stage.settings["clusters"]["real"]  # type: ignore[index]
    changed = {("certificate-autority" if key == "certificate-authority" else key): value for key, value in real.items()}
    return it.check("typo", clusters={"real": changed})


def rules(name: str, policy: str, **changed: object) -> Made:
    return lambda it, _: it.check(name, policy, **changed)


def prefixed(name: str, group: str) -> Made:
    def made(it: Mistakes, _: str) -> Said:
        (entry,) = it.stage.settings["identity"]  # type: ignore[misc]
        policy = f'rules:\n- {{name: engineers read, groups: ["{group}"], effects: [read], verdict: allow}}\n'
        return it.check(name, policy, identity=[{**entry, "prefix": "corp:"}])

    return made


def saved(it: Mistakes, _: str) -> Said:
    former = it.mistaken.policy.read_text()
    it.mistaken.policy.write_text("rules:\n- {name: engineers read, group: [engineers], verdict: allow}\n")
    try:
        until(lambda: "the changed policy is not used" in log_of(it.mistaken), SOON)
    finally:
        it.mistaken.policy.write_text(former)
    return {LOG: log_of(it.mistaken)}


def disk_full(it: Mistakes, version: str) -> Said:
    return it.as_before(version, "the call cannot be recorded") | {LOG: log_of(it.stage.full)}


def no_credential(it: Mistakes, version: str) -> Said:
    written = it.l7gw("kubeconfig", "real", "--config", it.stage.gateway.config, "--address", "127.0.0.1:8443")
    return it.as_before(version, "no credential") | {WRITTEN: written}


def old_context(it: Mistakes, _: str) -> Said:
    return {LIST: it.l7gw("sessions", "list", "--config", it.files("old-context"))}


MISTAKES = (
    Mistake("the kubeconfig trusts another CA", another_ca, "l7gw kubeconfig NAME --edit FILE"),
    Mistake(
        "`server:` has an address that the gateway's certificate does not name", another_name, "a certificate that names 127.0.0.2"
    ),
    Mistake("`server:` has no path, with several clusters", server(""), "`server:` must be"),
    Mistake("`server:` has the name of no cluster", server("/prod"), "`server:` must be"),
    Mistake("`server:` has more behind the cluster's name", server("/real/k8s"), "must be https://GATEWAY/real"),
    Mistake("`server:` begins with http://", server("/real", "http"), "must begin with https://"),
    Mistake("no credential", no_credential, "kubectl config set-credentials"),
    Mistake("a name and a password", before("a name and a password"), "give the kubeconfig's user a `token` or an exec plugin"),
    Mistake("an old token", before("an expired token"), "get a new one"),
    Mistake("a token for another audience", before("another audience"), "set `audience` of its entry to what aud says"),
    Mistake(
        "an issuer that is not configured", before("an unknown issuer"), "`issuer` in l7gw.yaml must be exactly what stands in iss"
    ),
    Mistake("`issuer:` with a slash too many or too few", slash, "they differ by the slash at the end"),
    Mistake(
        "`username: email` where tokens do not say `email_verified`",
        token(aud="mail", email="ann@example.com"),
        "`email-verified: if-present`",
    ),
    Mistake("`username:` names a claim that tokens lack", token(aud="mail"), "must name a claim of its tokens"),
    Mistake("`groups:` names a claim that tokens lack", token(aud="roles"), "must name one of its claims"),
    Mistake("the clock of the issuer or the gateway is off", ahead, "compare the clocks"),
    Mistake("a group without its prefix in a rule", prefixed("no-prefix", "engineers"), "did you mean 'corp:engineers'?"),
    Mistake("a group with its prefix twice in a rule", prefixed("twice", "corp:corp:engineers"), "did you mean 'corp:engineers'?"),
    Mistake(
        "a group with the cluster's prefix in a rule", prefixed("clusters-prefix", "l7gw:engineers"), "did you mean 'engineers'?"
    ),
    Mistake("`kinds: [agent]` where everybody is human", rules("kinds", POLICY), "`kind: agent` beside the entry"),
    Mistake(
        "a regular expression in the place of a glob",
        rules("regex", 'rules:\n- {name: r, groups: ["^eng.*$"], effects: [read], verdict: allow}\n'),
        "did you mean 'eng*'?",
    ),
    Mistake("exec is allowed, and `get pods` is not", exec_alone, "allow `get pods` too"),
    Mistake(
        "RBAC does not let the gateway impersonate",
        before("RBAC does not let the gateway impersonate", online=True),
        "l7gw rbac render powerless",
    ),
    Mistake(
        "a role is bound that lacks exec, attach or port-forward",
        not_bound_attach,
        "kubectl create rolebinding NAME -n mistakes --clusterrole=ROLE --group=l7gw:newcomers",
    ),
    Mistake(
        "no role is bound to the caller's groups",
        not_bound,
        "kubectl create rolebinding NAME -n default --clusterrole=ROLE --group=l7gw:newcomers",
    ),
    Mistake("no group of the caller's goes up", no_group, "is `groups:` below identity the claim of your token?"),
    Mistake("another CA in the cluster's section", before("the cluster's CA is another", online=True), "trusted is the CA in"),
    Mistake("another port or address in the cluster's section", before("cluster down", online=True), "is it this port?"),
    Mistake(
        "a name without an address in the cluster's section",
        before("the cluster's name has no address", online=True),
        "getent ahosts",
    ),
    Mistake(
        "the gateway's token or certificate is wrong or old",
        before("the gateway's own credential is rejected", online=True),
        "a certificate of the cluster's client CA",
    ),
    Mistake("others may read the state's folder", state_mode, "chmod 700"),
    Mistake("others may read a private key", key_mode, "chmod 600"),
    Mistake("the port is in use", port_in_use, "ss -ltnp"),
    Mistake("`listen: 8443`", listen, "did you mean 0.0.0.0:8443?"),
    Mistake("a key with a typing error", typo, "did you mean `certificate-authority`?"),
    Mistake("a policy with a mistake is saved", saved, "did you mean `groups`?"),
    Mistake("the disk is full", disk_full, "make room there"),
    Mistake("kubectl talks to the cluster itself", old_context, "kubectl config view --minify"),
)


@contextlib.contextmanager
def likely_mistakes(folder: Path, cluster: RealCluster) -> Iterator[Mistakes]:
    """Start the gateways and end them behind the block."""
    with failures_at_kubectl(folder / "stage", cluster) as stage:
        (entry,) = stage.settings["identity"]  # type: ignore[misc]
        oidc = entry["oidc"]
        identity = [
            entry,
            {"oidc": {**oidc, "audience": "mail", "username": "email"}, "prefix": "mail:"},
            {"oidc": {**oidc, "audience": "roles", "groups": "roles"}, "prefix": "roles:"},
        ]
        settings = {**stage.settings, "identity": identity, "listen": "0.0.0.0:0"}
        with Gateway(folder / "mistaken", settings, POLICY) as mistaken:
            yield Mistakes(folder, stage, mistaken)
