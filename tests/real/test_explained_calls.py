"""What `l7gw policy explain -- kubectl ...` says that a command asks is what the real kubectl asks, the oldest and the newest.

Each command is run through a gateway that records. A call that it made and that is not explained fails the test; so does one that is
explained and was not made, but for those of which kubectl makes one or the other (`MAY`). Discovery is left out on both sides.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from l7gw.kube.act import Act
from l7gw.policy.cases import kubectl_calls
from l7gw.policy.kubectl.calls import Call
from l7gw.policy.kubectl.words import MakesNoCall, NotRead
from l7gw.policy.rules import verb_of
from l7gw.recording.past_calls import PastCalls
from tests.support.both_ways import Both, versions
from tests.support.compared_commands import Side

FILES = {
    "new.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {a: b}\n",
    "settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: red}\n",
    "local.txt": "hello\n",
    "editor": "#!/bin/sh\nsed -i 's/colour: .*/colour: edited/' \"$1\"\n",
}
PREPARED = (
    "create configmap settings --from-literal=colour=blue",
    "create deployment web --image=busybox",
    "create configmap gone-1",
    "create configmap gone-2",
    "create configmap gone-3",
)
# In this order, one after the other. A command that does not end by itself is ended once it has asked what it asks.
USUAL = [
    "get pods", "get po/web-0 -ojson", "describe pod web-0", "exec deploy/web -- echo hi", "logs web-0 --tail=1",
    "cp web-0:local.txt copy.txt", "apply -f new.yaml", "apply --server-side -f new.yaml --force-conflicts",
    "label cm settings a=b", "rollout restart deploy/web", "scale deploy web --replicas=2", "delete cm gone-1",
    "auth can-i list pods",
]  # fmt: skip
OTHERS = [
    "get deploy,cm -l app=web", "exec web-0 -- echo hi", "cp local.txt web-0:there.txt", "edit cm settings",
    "rollout status deploy/web --timeout=20s", "set image deploy/web busybox=busybox:2", "delete cm gone-2 --wait=false",
    "drain NODE --force --timeout=2s", "auth whoami", "api-resources", "version",
    "wait --for=condition=Ready pod/web-0 --timeout=20s", "debug web-0 --image=busybox -- true", "port-forward web-0 :80",
    "get cm settings -w", "get --raw /metrics", "get all", "describe cm", "describe deploy web", "logs deploy/web --tail=1",
    "logs -l app=web --tail=1", "attach web-0", "run extra --image=busybox",
    "run seen --image=busybox --attach --rm --command -- true", "create -f new.yaml --dry-run=server",
    "create deployment d2 --image=busybox", "create secret generic s1 --from-literal=a=b", "create token default",
    "create role r --verb=get --resource=pods", "create job j --image=busybox", "create quota q --hard=pods=100",
    "create service clusterip svc1 --tcp=80", "apply -f settings.yaml --dry-run=server", "apply view-last-applied cm new",
    "patch cm settings -p 'data: {a: b}'", "annotate cm settings a=b", "label cm -l a=b c=d",
    "rollout history deploy/web", "rollout pause deploy/web", "rollout resume deploy/web", "rollout undo deploy/web",
    "set env deploy/web A=b", "set resources deploy/web --limits=cpu=1", "set serviceaccount deploy/web default",
    "autoscale deploy web --max=3", "expose deploy web --port=80", "delete -f new.yaml", "delete cm -l never=there",
    "delete cm gone-3 --grace-period=0", "cordon NODE", "uncordon NODE", "taint node NODE a=b:NoSchedule", "top pod",
    "cluster-info", "explain pods", "api-versions", "events", "diff -f settings.yaml", "replace -f settings.yaml",
    "certificate approve no-such", "config view", "get pods -A --field-selector=metadata.name=web-0",
    "get deploy/web -o yaml --show-managed-fields", "wait --for=delete pod/no-such --timeout=5s",
    "debug web-0 --image=busybox --copy-to=copied -- true", "get crd", "port-forward deploy/web :80", "describe node NODE",
    "describe svc kubernetes -n default", "describe sa default", "describe ns NAMESPACE", "describe sts",
    "cluster-info dump --output-directory=dumped", "auth can-i --list", "scale deploy web --current-replicas=2 --replicas=1",
    "rollout status deploy web", "apply set-last-applied -f settings.yaml --create-annotation", "version --client",
    "kustomize --help", "get events", "get cm settings --subresource=status", "replace --force -f settings.yaml",
    "delete deploy web",
]  # fmt: skip
ENDLESS = ("port-forward", "get cm settings -w", "attach")
# What is explained, and made only where the cluster is so: all of `apply` for what is there and for what is not.
MAY = {
    "apply": ("create", "patch"),
    "wait": ("list", "watch"),  # of what is so already, or is not there
    "delete": ("get", "list", "watch", "delete"),  # of what is there no more, or what a selector does not choose
    "top": ("list", "get"),  # where metrics are not served, it looks no further
    "certificate": ("update",),  # of none
    "replace": ("delete",),
    "drain": ("patch",),  # it is cordoned already
    "cordon": ("patch",),  # as it is so already
    "run": ("list", "watch", "get", "create"),  # attach or the log, as fast as the pod is
    "rollout": ("list", "watch"),
    "describe": ("get",),  # of none there are none
    "cluster-info": ("get",),  # logs of pods, of which a namespace may have none
}
NAMESPACE = re.compile(r"explained-[a-z]+-v[0-9-]+-x")
NOT_FOUND = "get namespaces NS NS"  # what kubectl asks where an object is not found


def said(act: Act) -> str:
    """A call as a line: verb, resource, namespace and name; no name where only the cluster knows it."""
    what = act.kind if act.is_resource else act.path
    return NAMESPACE.sub("NS", f"{verb_of(act)} {what} {act.namespace or '-'} {act.name}").strip()


def is_discovery(act: Act) -> bool:
    return not act.is_resource and act.path.split("/")[1] in ("api", "apis", "openapi", "version")


def difference(command: str, explained: list[Call], made: list[Act]) -> list[str]:
    """What was made and is not explained, and what is explained and was not made."""
    words, found = {said(call.act) for call in explained}, []
    spare = {said(call.act) for call in explained if call.spare}
    met: set[str] = set()
    for line in dict.fromkeys(said(act) for act in made):
        nameless = line.rsplit(" ", 1)[0]
        if line == NOT_FOUND and line not in words:
            continue
        anywhere = " ".join([*line.split()[:2], "-"])  # of pods wherever they are
        if known := next((one for one in (line, nameless, anywhere) if one in words), ""):
            met.add(known)
        else:
            found.append(f"{command}: {line} is not explained")
    verbs = MAY.get(command.split()[1], ())
    return found + [f"{command}: {line} was not made" for line in sorted(words - met - spare) if line.split()[0] not in verbs]


class Explained:
    """A namespace in which the commands are run, each as a user of its own, so that its calls are a session of their own."""

    def __init__(self, both: Both, kubectl: Path, version: str, what: str) -> None:
        self.both, self.kubectl = both, kubectl
        self.version = f"{what}-{version}"
        self.namespace = f"explained-{what}-{version.replace('.', '-')}-x"
        both.cluster.namespace(self.namespace)
        both.cluster.pod("web-0", self.namespace)
        self.node = f"node-{self.namespace}"
        node = {"metadata": {"name": self.node}, "spec": {"unschedulable": True}}
        both.cluster.request("POST", "/api/v1/nodes", node)
        both.cluster.pod("on-node", self.namespace, wait=False, nodeName=self.node)
        self.folder = both.folder / self.namespace
        self.folder.mkdir(exist_ok=True)
        for name, text in FILES.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)
        for command in PREPARED:
            self.run(command, "preparer")

    def words(self, command: str) -> list[str]:
        return shlex.split(command.replace("NODE", self.node).replace("NAMESPACE", self.namespace))

    def run(self, command: str, user: str) -> None:
        side = Side(user, self.both.of(user), self.namespace, self.folder, {"KUBE_EDITOR": str(self.folder / "editor")})
        words = side.command(self.kubectl, *self.words(command))
        process = subprocess.Popen(
            words, cwd=self.folder, env={**side.env(), "KUBECACHEDIR": str(self.folder / "cache")},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(2 if command.startswith(ENDLESS) else 60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def run_all(self, commands: list[str]) -> None:
        for number, command in enumerate(commands):
            self.run(command, f"{self.version}-{number}")

    def until_recorded(self, number: int) -> None:
        """Wait until the last command's calls are in the journal; reads are written within a second."""
        until = time.monotonic() + 10
        while not any(PastCalls(self.both.gateway.state, user=f"{self.version}-{number}", bodies=False)):
            assert time.monotonic() < until, "nothing is recorded of the last command"
            time.sleep(0.05)

    def differences(self, commands: list[str]) -> list[str]:
        made: dict[str, list[Act]] = {f"{self.version}-{number}": [] for number in range(len(commands))}
        for call in PastCalls(self.both.gateway.state, user=f"{self.version}-*", bodies=False):
            if not is_discovery(call.act):
                made[call.principal.user].append(call.act)
        found = []
        for command, acts in zip(commands, made.values()):
            words = ["--namespace", self.namespace, *self.words(command)]
            try:
                explained = [call for call in kubectl_calls(words, None, self.folder) if not is_discovery(call.act)]
            except MakesNoCall:
                explained = []
            except NotRead as error:
                found.append(f"kubectl {command}: {error}; made {[said(act) for act in acts]}")
                continue
            found += difference(f"kubectl {command}", explained, acts)
        return found


def asked_and_explained(both: Both, what: str, kept: list[str], commands: list[str]) -> dict[str, list[str]]:
    kubectls = both.cluster.kubectls()
    scenes = [Explained(both, kubectls[version], version, what) for version in kept]
    with ThreadPoolExecutor() as pool:  # one after the other for each kubectl, since a command finds what those before it left
        list(pool.map(lambda scene: scene.run_all(commands), scenes))
    for scene in scenes:
        scene.until_recorded(len(commands) - 1)
    found = {scene.version: scene.differences(commands) for scene in scenes}
    return {version: said for version, said in found.items() if said}


USED = [version for version, _, is_long in versions() if not is_long]  # the oldest and the newest


def test_a_usual_command_asks_what_is_explained(both_sides: Both) -> None:
    assert not asked_and_explained(both_sides, "usual", USED[-1:], USUAL)


@pytest.mark.long
@pytest.mark.timeout(300)  # ninety commands, one after the other
@pytest.mark.parametrize("version", USED)
def test_every_command_asks_what_is_explained(both_sides: Both, version: str) -> None:
    assert not asked_and_explained(both_sides, "every", [version], USUAL + OTHERS)
