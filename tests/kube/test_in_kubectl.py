"""A call in words is the kubectl command that would make it."""

from __future__ import annotations

import pytest

from l7gw.kube.act import acting
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.in_kubectl import LONGEST, in_kubectl
from l7gw.kube.requestinfo import describe

POD = "/api/v1/namespaces/dev/pods/web-0"


@pytest.mark.parametrize(
    ("line", "content_type", "words"),
    [
        (f"DELETE {POD}", "", "kubectl delete pods web-0 -n dev"),
        ("DELETE /api/v1/namespaces/dev", "", "kubectl delete namespaces dev"),
        ("DELETE /api/v1/namespaces/dev/pods", "", "kubectl delete pods -n dev --all"),
        ("DELETE /apis/apps/v1/deployments?labelSelector=a%3Db%2Cc", "", "kubectl delete deployments.apps -A -l a=b,c"),
        ("DELETE /api/v1/namespaces/dev/pods?fieldSelector=status.phase%3DFailed", "", "kubectl delete pods -n dev --field-selector status.phase=Failed"),
        ("POST /api/v1/namespaces/dev/pods", "application/json", "kubectl create pods -n dev"),
        (f"PUT {POD}", "application/json", "kubectl replace pods web-0 -n dev"),
        (f"PATCH {POD}", "application/merge-patch+json", "kubectl patch pods web-0 -n dev"),
        ("PATCH /apis/apps/v1/namespaces/dev/deployments/web", "application/apply-patch+yaml", "kubectl apply --server-side deployments.apps web -n dev"),
        ("PATCH /apis/apps/v1/namespaces/dev/deployments/web/scale", "", "kubectl patch --subresource=scale deployments.apps web -n dev"),
        (f"POST {POD}/eviction", "application/json", "evict pods web-0 -n dev"),
        (f"GET {POD}/exec?command=sh&command=-c&command=a+b&container=c&stdin=true&tty=true", "", "kubectl exec web-0 -n dev -c c -i -t -- sh -c 'a b'"),
        (f"GET {POD}/attach?stdin=true", "", "kubectl attach web-0 -n dev -i"),
        (f"GET {POD}/portforward?ports=80", "", "kubectl port-forward web-0 -n dev 80"),
        (f"GET {POD}", "", "kubectl get pods web-0 -n dev"),
        ("GET /api/v1/pods", "", "kubectl get pods -A"),
        ("GET /apis/apps/v1/deployments?watch=true&labelSelector=a%3Db", "", "kubectl get --watch deployments.apps -A -l a=b"),
        ("GET /api/v1/nodes", "", "kubectl get nodes"),
        ("GET /api/v1/namespaces", "", "kubectl get namespaces"),
        ("GET /api/v1/namespaces/dev/pods", "", "kubectl get pods -n dev"),
        ("GET /apis/example.com/v1/widgets", "", "kubectl get widgets.example.com"),
        ("DELETE /api/v1/namespaces/dev%20--dry-run/pods/a", "", "kubectl delete pods a -n 'dev --dry-run'"),
        ("DELETE /apis/b%20-n%20test/v1/namespaces/dev/c/a", "", "kubectl delete 'c.b -n test' a -n dev"),
        (f"POST {POD}/proxy/x", "", f"POST {POD}/proxy/x"),
        ("GET /logs/", "", "GET /logs/"),
        ("PUT /apis/rbac.authorization.k8s.io/v1/clusterroles/a%20b%3Bc", "", "kubectl replace clusterroles.rbac.authorization.k8s.io 'a b;c'"),
    ],
)  # fmt: skip
def test_a_call_is_written_as_its_command(line: str, content_type: str, words: str) -> None:
    method, target = line.split(" ", 1)
    assert in_kubectl(method, describe(method, target), content_type) == words


def test_a_command_is_cut_at_its_length() -> None:
    found = in_kubectl("GET", describe("GET", f"{POD}/exec?command={'x' * 5000}"))
    assert len(found) == LONGEST and found.endswith("…")


def test_as_whom_a_call_is_made_stands_before_what_may_be_cut() -> None:
    jane = ActsAs("jane; rm -rf", ("a b",))

    act = acting(describe("GET", f"{POD}/exec?command=x&command=" + "y" * LONGEST), ActsAs("jane"))
    assert in_kubectl("GET", act).startswith("kubectl exec --as=jane web-0 -n dev -- x yyy")
    assert in_kubectl("GET", acting(describe("GET", "/metrics"), jane)) == "GET --as='jane; rm -rf' --as-group='a b' /metrics"
    long = acting(describe("DELETE", "/api/v1/namespaces/dev/pods?labelSelector=" + "z" * LONGEST), jane)
    assert in_kubectl("DELETE", long).startswith("kubectl delete --as='jane; rm -rf' --as-group='a b' pods -n dev")
