"""`l7gw policy explain` takes kubectl's own command, says every call of it, and tells who types it wrongly what to type."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_check import run
from tests.support.written_configuration import Written

POLICY = """
rules:
- {name: read, groups: [engineers], effects: [read], verdict: allow}
- {name: change, groups: [engineers], namespaces: [dev], effects: [write, workload, delete], verdict: allow}
"""


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    it.load()
    (tmp_path / "policy.yaml").write_text(POLICY)
    return it


@pytest.fixture
def ask(written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def explain(*arguments: str) -> tuple[int, str, str]:
        where = ("--config", written.path, "--user", "ann", "--group", "engineers")
        status = run(monkeypatch, "policy", "explain", *where, *arguments)
        return (status, *capsys.readouterr())

    return explain


def test_a_kubectl_command_behind_two_dashes_has_each_call_with_its_verdict_and_the_worst_decides(ask: Any) -> None:
    status, out, _ = ask("--", "kubectl", "exec", "-it", "web-0", "-n", "dev", "--", "sh")
    assert status == 1
    assert out.startswith(
        "kubectl exec -it web-0 -n dev -- sh: denied, as its worst of 2 calls is: exec pods/exec web-0 in namespace dev\n\n"
        "  allowed    get pods web-0 in namespace dev\n  denied     exec pods/exec web-0 in namespace dev\n"
    )
    status, out, _ = ask("--", "kubectl", "get", "pods", "-ndev")
    assert status == 0 and out.startswith("kubectl get pods -ndev: allowed\n")


def test_what_kubectl_goes_on_without_is_said_and_decides_nothing(ask: Any) -> None:
    status, out, _ = ask("--", "kubectl", "delete", "pod", "a", "-n", "dev")
    assert status == 0 and "  allowed    watch pods a in namespace dev  (kubectl goes on without it)\n" in out
    status, out, _ = ask("-o", "json", "--", "kubectl", "delete", "pod", "a", "-n", "prod")
    document = json.loads(out)
    assert status == 1 and [one["request"]["spare"] for one in document["calls"]] == [True, True, True, False]
    assert document["request"]["verb"] == "delete" and document["verdict"] == "deny"


@pytest.mark.parametrize(
    ("command", "status", "verdict", "words"),
    [
        ("config view", 0, "none", "nothing to judge: kubectl config asks the cluster nothing"),
        ("completion bash", 0, "none", "nothing to judge: kubectl completion asks the cluster nothing"),
        ("proxy --port=8001", 3, "unknown", "not known: kubectl proxy passes on whatever is sent to it"),
    ],
)
def test_a_command_without_calls_or_with_unknown_ones_says_so(
    ask: Any, command: str, status: int, verdict: str, words: str
) -> None:
    found = ask("--", "kubectl", *command.split())
    assert found[0] == status and found[1].startswith(words)
    found = ask("-o", "json", "--", "kubectl", *command.split())
    document = json.loads(found[1])
    assert (found[0], document["verdict"], document["calls"], document["command"]) == (status, verdict, [], f"kubectl {command}")


def test_objects_on_stdin_are_those_that_kubectl_would_send(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    both = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(both)))
    status, out, _ = ask("--", "kubectl", "create", "-n", "dev", "-f", "-")
    assert status == 1 and "create configmaps in namespace dev" in out and "create secrets in namespace dev" in out
    status, _, err = ask("--", "kubectl", "create", "-f", "-")
    assert status == 2 and "stdin has 0 objects" in err and "hint: " in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("drain", "hint: kubectl's own command: -- kubectl drain node-1\n"),
        ("drain n1", "hint: kubectl's own command: -- kubectl drain n1\n"),
        ("cordon n1", "hint: it is kubectl's command: -- kubectl cordon n1\n"),
        ("logs", "hint: kubectl's own command: -- kubectl logs web-0"),
        ("logs web-0", "hint: kubectl's own command: -- kubectl logs web-0; or a verb and a resource: logs pods/web-0\n"),
        ("apply", "-- kubectl apply -f web.yaml"),
        ("get pod web-0", "get pod/web-0; or kubectl's own command: -- kubectl get pod web-0"),
        ("exec web-0 -- ls", "-- kubectl exec web-0 -- ls; or a verb and a resource: exec pods/web-0\n"),
        ("gte pods", "a whole command stands behind -- kubectl"),
        ("get", "-- kubectl get pods; or a verb and a resource: get pods/web-0\n"),
        ("get podz", "did you mean pod?"),
        ("-- kubectl gte pods", "did you mean kubectl get?"),
        ("-- kubectl get pods --namespac dev", "did you mean --namespace?"),
        ("-- kubectl get pods -Z", "`kubectl get --help` lists the flags"),
        ("-- kubectl zzz", "`kubectl --help` lists the commands"),
    ],
)
def test_a_wrong_use_says_what_to_type(ask: Any, words: str, told: str) -> None:
    status, out, err = ask(*words.split())
    assert (status, out) == (2, "") and "hint: " in err and told in err


def test_the_cluster_is_the_one_named_or_kubectls_context_or_the_only_one(
    ask: Any, written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cluster(*words: str) -> str:
        return str(json.loads(ask("-o", "json", *words)[1])["cluster"])

    assert cluster("get", "pods") == "prod"
    written.top["clusters"]["stage"] = written.prod
    written.load()
    (written.folder / "policy.yaml").write_text(POLICY)
    assert cluster("--", "kubectl", "get", "pods", "--context", "stage") == "stage"
    assert cluster("--cluster", "prod", "--", "kubectl", "get", "pods", "--context", "stage") == "prod"
    status, _, err = ask("get", "pods")
    assert status == 2 and "hint: --cluster NAME, one of prod, stage" in err
    assert run(monkeypatch, "policy", "explain", "--policy", written.folder / "policy.yaml", "--user", "ann", "get", "pods") == 2
    assert "--policy alone does not say which clusters there are" in capsys.readouterr().err
