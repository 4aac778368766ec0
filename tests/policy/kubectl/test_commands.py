"""The calls that a kubectl command makes, from its words as typed (kubectl 1.27 to 1.36). `tests/real/test_explained_calls.py`
holds them to what real kubectls ask."""

from __future__ import annotations

import pytest

from l7gw.policy.kubectl.commands import NO_CALL, UNKNOWN_CALLS, calls_of
from l7gw.policy.kubectl.manifests import objects_in
from l7gw.policy.kubectl.words import CannotTell, MakesNoCall, NotRead, split

DEV, APPS = "/api/v1/namespaces/dev", "/apis/apps/v1/namespaces/dev"
WEB = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"


def asked(command: str, objects: bytes | None = None) -> list[str]:
    words = split(command)
    assert words.pop(0) == "kubectl"
    found = calls_of(words, objects_in(objects, "FILE") if objects else None)
    return [f"{call.method} {call.act.target}" for call in found if not call.spare]


@pytest.mark.parametrize(
    ("command", "calls"),
    [
        ("get pods -n dev", [f"GET {DEV}/pods"]),
        ("get pods", ["GET /api/v1/namespaces/default/pods"]),
        ("-n dev get po/web-0 -ojson", [f"GET {DEV}/pods/web-0"]),
        ("get deploy,svc -ndev -l app=web", [f"GET {APPS}/deployments?labelSelector=app%3Dweb", f"GET {DEV}/services?labelSelector=app%3Dweb"]),
        ("get pods a b --namespace=dev", [f"GET {DEV}/pods/a", f"GET {DEV}/pods/b"]),
        ("get pod a -n dev -w", [f"GET {DEV}/pods/a", f"GET {DEV}/pods?fieldSelector=metadata.name%3Da&watch=true"]),
        ("get secrets -A", ["GET /api/v1/secrets"]),
        ("get nodes n1", ["GET /api/v1/nodes/n1"]),
        ("get Deployments.v1.apps web -n dev", [f"GET {APPS}/deployments/web"]),
        ("get widgets.example.com w -n dev", ["GET /apis/example.com/v1/namespaces/dev/widgets/w"]),
        ("get networkpolicies -n dev", ["GET /apis/networking.k8s.io/v1/namespaces/dev/networkpolicies"]),
        ("get --raw /metrics", ["GET /metrics"]),
        ("describe ns dev", ["GET /api/v1/namespaces/dev"]),
        ("top pods -n dev", ["GET /apis/metrics.k8s.io/v1/namespaces/dev/pods"]),
        ("auth can-i delete pods", ["POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"]),
        ("logs -f web-0 -c app -n dev", [f"GET {DEV}/pods/web-0", f"GET {DEV}/pods/web-0/log?follow=true"]),
        ("delete pod web-0 -n dev --now", [f"DELETE {DEV}/pods/web-0"]),
        ("delete -n dev pod/a svc/b", [f"DELETE {DEV}/pods/a", f"DELETE {DEV}/services/b"]),
        ("delete ns dev --dry-run=server", ["DELETE /api/v1/namespaces/dev?dryRun=All"]),
        ("exec web-0 -n dev -it -- sh -c 'id; ls'", [f"GET {DEV}/pods/web-0", f"POST {DEV}/pods/web-0/exec?command=sh&command=-c&command=id%3B+ls&stdin=true&tty=true"]),
        ("attach web-0 -i -n dev", [f"GET {DEV}/pods/web-0", f"POST {DEV}/pods/web-0/attach?stdin=true"]),
        ("cp dev/web-0:/etc/x x", [f"GET {DEV}/pods/web-0", f"POST {DEV}/pods/web-0/exec?command=tar&command=cf&command=-&command=%2Fetc%2Fx"]),
        (
            "cp x dev/web-0:/tmp/x",
            [
                f"GET {DEV}/pods/web-0",
                f"POST {DEV}/pods/web-0/exec?command=test&command=-d&command=%2Ftmp%2Fx",
                f"POST {DEV}/pods/web-0/exec?command=tar&command=-xmf&command=-&command=-C&command=%2Ftmp&stdin=true",
            ],
        ),
        ("port-forward pod/web-0 8080:80 -n dev", [f"GET {DEV}/pods/web-0", f"POST {DEV}/pods/web-0/portforward"]),
        ("debug web-0 -it --image busybox -n dev", [
            f"GET {DEV}/pods/web-0", f"PATCH {DEV}/pods/web-0/ephemeralcontainers", f"GET {DEV}/pods?fieldSelector=metadata.name%3Dweb-0",
            f"GET {DEV}/pods?fieldSelector=metadata.name%3Dweb-0&watch=true", f"POST {DEV}/pods/web-0/attach?stdin=true&tty=true",
        ]),
        ("debug node/n1 --image busybox", ["GET /api/v1/nodes/n1", "POST /api/v1/namespaces/default/pods"]),
        ("scale --replicas=3 deploy/web -n dev", [f"GET {APPS}/deployments/web", f"PATCH {APPS}/deployments/web/scale"]),
        ("rollout restart deploy web -n dev", [f"GET {APPS}/deployments/web", f"PATCH {APPS}/deployments/web"]),
        ("rollout status deploy/web -n dev", [f"GET {APPS}/deployments{end}" for end in ("/web", "?fieldSelector=metadata.name%3Dweb", "?fieldSelector=metadata.name%3Dweb&watch=true")]),
        ("rollout history sts/db -n dev", [f"GET {APPS}/statefulsets/db", f"GET {APPS}/controllerrevisions"]),
        ("rollout undo deploy/web -n dev", [f"GET {APPS}/deployments/web", f"GET {APPS}/replicasets", f"PATCH {APPS}/deployments/web"]),
        ("set serviceaccount deploy web robot -n dev", [f"GET {APPS}/deployments/web", f"PATCH {APPS}/deployments/web"]),
        ("set env deploy/web -c main A=b -n dev", [f"GET {APPS}/deployments/web", f"PATCH {APPS}/deployments/web"]),
        ("scale --current-replicas=2 --replicas=3 deploy/web -n dev", [f"GET {APPS}/deployments/web", f"GET {APPS}/deployments/web/scale", f"PUT {APPS}/deployments/web/scale"]),
        ("apply view-last-applied cm web -n dev", [f"GET {DEV}/configmaps/web"]),
        ("describe cm -n dev", [f"GET {DEV}/configmaps", f"GET {DEV}/configmaps/-"]),
        ("cluster-info", ["GET /api/v1/namespaces/kube-system/services?labelSelector=kubernetes.io%2Fcluster-service%3Dtrue"]),
        ("auth can-i --list", ["POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews"]),
        ("auth whoami", ["POST /apis/authentication.k8s.io/v1/selfsubjectreviews"]),
        ("top node n1", ["GET /apis/metrics.k8s.io/v1/nodes/n1", "GET /api/v1/nodes/n1"]),
        ("events -n dev -w", [f"GET {DEV}/events", f"GET {DEV}/events?watch=true"]),
        ("run web --image nginx -it --rm -n dev", [
            f"POST {DEV}/pods", f"GET {DEV}/pods?fieldSelector=metadata.name%3Dweb", f"GET {DEV}/pods?fieldSelector=metadata.name%3Dweb&watch=true",
            f"POST {DEV}/pods/web/attach?stdin=true&tty=true", f"GET {DEV}/pods/web", f"DELETE {DEV}/pods/web",
        ]),
        ("exec deploy/web -n dev -- ls", [f"GET {APPS}/deployments/web", f"GET {DEV}/pods", f"POST {DEV}/pods/-/exec?command=ls"]),
        ("label pods web-0 team=a old- -n dev", [f"GET {DEV}/pods/web-0", f"PATCH {DEV}/pods/web-0"]),
        ("set image deploy/web web=nginx:1.27 -n dev", [f"GET {APPS}/deployments/web", f"PATCH {APPS}/deployments/web"]),
        ("edit cm web -n dev", [f"GET {DEV}/configmaps/web", f"PATCH {DEV}/configmaps/web"]),
        ("patch deploy web -n dev -p '{}'", [f"GET {APPS}/deployments/web", f"PATCH {APPS}/deployments/web"]),
        ("run web --image nginx -n dev", [f"POST {DEV}/pods"]),
        ("create token builder -n dev", [f"POST {DEV}/serviceaccounts/builder/token"]),
        ("create clusterrolebinding b --clusterrole=admin --user=ann", ["POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings"]),
        ("expose deploy/web --port 80 -n dev", [f"GET {APPS}/deployments/web", f"POST {DEV}/services"]),
        ("cordon n1", ["GET /api/v1/nodes/n1", "PATCH /api/v1/nodes/n1"]),
        ("certificate approve c", [f"{verb} /apis/certificates.k8s.io/v1/certificatesigningrequests/c{end}" for verb, end in (("GET", ""), ("PUT", "/approval"))]),
        ("wait --for=condition=Ready pod/a -n dev", [f"GET {DEV}/pods/a", f"GET {DEV}/pods?fieldSelector=metadata.name%3Da", f"GET {DEV}/pods?fieldSelector=metadata.name%3Da&watch=true"]),
    ],
)  # fmt: skip
def test_a_command_is_the_calls_that_kubectl_makes_of_it(command: str, calls: list[str]) -> None:
    assert asked(f"kubectl {command}") == calls


@pytest.mark.parametrize(
    ("command", "methods"),
    [
        ("apply -f x", ["GET", "POST", "PATCH"]),
        ("apply --server-side -f x", ["PATCH"]),
        ("apply --dry-run=client -f x", ["GET"]),
        ("create -f x", ["POST"]),
        ("replace -f x", ["GET", "PUT"]),
        ("replace --force -f x", ["GET", "DELETE", "POST"]),
        ("delete -f x", ["DELETE"]),
        ("get -f x", ["GET"]),
        ("diff -f x", ["GET", "PATCH"]),
        ("scale --replicas 1 -f x", ["GET", "GET", "PATCH", "PATCH"]),
    ],
)
def test_a_command_with_a_file_makes_its_calls_for_each_object(command: str, methods: list[str]) -> None:
    found = [line.split()[0] for line in asked(f"kubectl {command} -n dev", WEB)]
    assert found == methods if command.startswith("scale") else found == methods * 2
    lines = asked("kubectl delete -f x -n dev", WEB)
    assert lines == [f"DELETE {APPS}/deployments/web", "DELETE /api/v1/namespaces/n"]


@pytest.mark.parametrize(
    ("command", "verb", "kind"),
    [
        ("exec deploy/web -- ls", "create", "pods/exec"),
        ("logs deploy/web", "get", "pods/log"),
        ("logs -l app=web", "get", "pods/log"),
        ("port-forward svc/web 80", "create", "pods/portforward"),
        ("delete pods --all", "delete", "pods"),
        ("delete pods -l app=web", "delete", "pods"),
        ("drain n1 --ignore-daemonsets", "create", "pods/eviction"),
        ("drain n1 --disable-eviction", "delete", "pods"),
    ],
)
def test_an_object_that_only_the_cluster_knows_is_one_without_a_name(command: str, verb: str, kind: str) -> None:
    last = calls_of(split(command))[-1].act
    assert (last.verb, last.kind, last.name) == (verb, kind, "")
    assert (last.namespace == "") is command.startswith("drain")


def test_what_a_command_sends_is_known_where_its_words_say_it() -> None:
    assert calls_of(split("scale deploy/web --replicas=3"))[-1].object == {"spec": {"replicas": 3}}
    assert calls_of(split("patch deploy web -p '{\"a\": 1}'"))[-1].object == {"a": 1}
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan", "gracePeriodSeconds": 5}
    assert calls_of(split("delete pod a --cascade=orphan --grace-period=5"))[-1].object == options
    assert calls_of(split("edit cm web"))[-1].object is None


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "kubectl without a command makes no call"),
        ("gte pods", "kubectl 'gte' is not read here"),
        ("proxy", "passes on whatever is sent to it"),
        ("config view", "asks the cluster nothing: it changes or shows the kubeconfig"),
        ("version --client", "asks the cluster nothing"),
        ("get pods --help", "asks the cluster nothing"),
        ("auth reconcile", "auth reconcile needs a file"),
        ("auth login", "auth 'login' is not read here"),
        ("get", "names no resource"),
        ("get podz", "'podz' is no resource of Kubernetes' own"),
        ("get pods --namespac dev", "the flag --namespac is not known here"),
        ("get pods -Z", "the flag -Z is not known here"),
        ("get pods -n", "the flag -n needs a value"),
        ("get pods/a/b", "no resource and name"),
        ("get pods --as ann --as-uid 1", "refuses --as-uid"),
        ("get pods --as-group x", "refuses --as-group without --as"),
        ("get pods --as system:admin", "only service accounts can be asked for"),
        ("delete pods", "names no object"),
        ("exec web-0", "needs a pod and a command"),
        ("scale deploy/web", "needs --replicas"),
        ("cp a b", "must be in a pod"),
        ("apply -k here", "--kustomize is not read here"),
        ("apply -f x", "the objects behind -f are not known"),
        ("apply", "apply needs a file"),
        ("create deployment web --dry-run=client", "asks the cluster for nothing"),
        ("rollout pods", "is not read here"),
        ("get pods -n ..", "refuses GET"),
    ],
)
def test_a_command_that_cannot_be_read_is_a_mistake_in_words(command: str, words: str) -> None:
    with pytest.raises(NotRead, match=words.replace("(", "[(]")):
        calls_of(split(command))


def test_what_a_command_does_without_is_marked_and_stands_first() -> None:
    found = calls_of(split("delete pod a -n dev"))
    assert [(call.act.verb, call.spare) for call in found] == [("get", True), ("list", True), ("watch", True), ("delete", False)]
    assert [call.act.verb for call in calls_of(split("delete pod a --wait=false"))] == ["delete"]
    found = calls_of(split("describe node n1"))
    spare = {f"{call.act.verb} {call.act.kind}" for call in found if call.spare}
    assert spare == {"list pods", "get leases.coordination.k8s.io", "list resourceslices.resource.k8s.io", "list events"}


@pytest.mark.parametrize("command", [*NO_CALL, *UNKNOWN_CALLS])
def test_a_command_without_calls_or_with_unknown_ones_is_told_apart(command: str) -> None:
    with pytest.raises(CannotTell if command in UNKNOWN_CALLS else MakesNoCall):
        calls_of([command, "x"])
