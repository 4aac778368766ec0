"""`l7gw policy check|explain`: verdicts without a call, and the requests that kubectl's words stand for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_check import run
from tests.support.written_configuration import Written

POLICY = """
guardrails:
- {name: keep prod, namespaces: [prod], effects: [delete], verdict: deny, reason: ask the owner}
rules:
- {name: read, groups: [engineers], effects: [read], verdict: allow}
- {name: dev, groups: [engineers], namespaces: [dev], effects: [write, workload, delete], verdict: allow}
- {name: diagnose, kinds: [agent], effects: [execute], commands: ["cat /var/log/*"], verdict: allow}
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    written = Written(tmp_path)
    written.load()
    (tmp_path / "policy.yaml").write_text(POLICY)

    def explain(*arguments: str, cluster: str = "prod") -> tuple[int, str, str]:
        who = ("--user", "ann", "--group", "engineers", "--cluster", cluster)
        status = run(monkeypatch, "policy", "explain", "--config", written.path, *who, *arguments)
        return (status, *capsys.readouterr())

    return explain


@pytest.mark.parametrize(
    "words, status, rule, request_line",
    [
        ("delete pods -n prod", 1, "keep prod", "DELETE /api/v1/namespaces/prod/pods"),
        ("delete pods/a -n dev", 0, "dev", "DELETE /api/v1/namespaces/dev/pods/a"),
        ("delete pods -A", 1, "keep prod", "DELETE /api/v1/pods"),
        ("get pods", 0, "read", "GET /api/v1/namespaces/default/pods"),
        ("get po/a -n dev", 0, "read", "GET /api/v1/namespaces/dev/pods/a"),
        ("get deploy/web -n dev", 0, "read", "GET /apis/apps/v1/namespaces/dev/deployments/web"),
        ("get nodes/n", 0, "read", "GET /api/v1/nodes/n"),
        ("watch pods/a -n dev", 0, "read", "GET /api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Da&watch=true"),
        ("logs pods/a -n dev", 0, "read", "GET /api/v1/namespaces/dev/pods/a/log"),
        ("scale deployments.apps/web -n dev", 0, "dev", "PATCH /apis/apps/v1/namespaces/dev/deployments/web/scale"),
        ("create pods/a -n dev", 0, "dev", "POST /api/v1/namespaces/dev/pods"),
        ("port-forward pods/a", 1, "", "POST /api/v1/namespaces/default/pods/a/portforward"),
        ("get /version", 0, "built-in: discovery", "GET /version"),
        ("get /metrics", 1, "", "GET /metrics"),
        ("get secrets/s -n dev", 1, "", "GET /api/v1/namespaces/dev/secrets/s"),
        ("--kind agent exec pods/a -- cat /var/log/x", 0, "diagnose", None),
        ("--kind agent -t exec pods/a -- cat /var/log/x", 1, "", None),
        ("--kind agent exec pods/a -- sh -c id", 1, "", None),
    ],
)
def test_explain_gives_the_verdict_the_rule_and_the_request(
    ask: Any, words: str, status: int, rule: str, request_line: str | None
) -> None:
    found = ask("-o", "json", *words.split())
    document = json.loads(found[1])
    assert found[0] == status and document["rule"] == rule and document["allowed"] is (status == 0)
    if request_line is not None:
        assert f"{document['request']['method']} {document['request']['target']}" == request_line


def test_explain_sees_groups_and_users_as_identity_gives_them(ask: Any) -> None:
    status, _, err = ask("get", "pods", "--group", "engineers\u3164", "--group", "sre ")
    assert status == 0 and err.count("only denials look at it") == 2 and "'engineers\\u3164' out" in err and "'sre ' out" in err
    status, _, err = ask("get", "pods", "--user", "ann\u3164")
    assert status == 2 and "'ann\\u3164' holds U+3164, which no name has: identity lets nobody in" in err


def test_explain_shows_every_rule_on_the_way(ask: Any) -> None:
    assert ask("delete", "pods/a", "-n", "dev")[1] == (
        "allowed: allowed by rule 'dev'\n\n"
        "  DELETE /api/v1/namespaces/dev/pods/a\n  delete pods a in namespace dev\n  effects: delete\n"
        "  masked for the caller: all that masking finds\n\n"
        "  guardrail  keep prod  (deny)\n             no: namespaces: namespace dev is not within prod\n"
        "  rule       built-in: discovery  (allow)\n             no: the call is more than discovery\n"
        "  rule       read  (allow)\n             no: effects: delete is not among those allowed\n"
        "  rule       dev  (allow)\n             yes, and it says allow\n"
    )


def test_explain_of_one_rule_says_what_that_rule_alone_says(ask: Any) -> None:
    call = ("delete", "pods/a", "-n", "dev")
    status, out, _ = ask("--rule", "read", *call)
    assert status == 0 and "built-in" not in out and "  rule       read  (allow)\n             no: effects: delete is not" in out
    assert "keep prod  (deny)" in ask("--rule", "keep prod", *call)[1]
    status, _, err = ask("--rule", "raed", *call)
    assert status == 2 and "no rule is named 'raed'" in err and "did you mean 'read'?" in err
    [only] = json.loads(ask("--rule", "read", *call, "-o", "json")[1])["considered"]
    assert (only["name"], only["matched"]) == ("read", False)
    assert "it is not asked: 'read' decides before it" in ask("--rule", "dev", "get", "pods", "-n", "dev")[1]


HELD = """
guardrails:
- {name: keep prod, namespaces: [prod], effects: [delete], verdict: hold, reviewers: {users: [lea], minimum: 1}, reason: it is prod}
rules:
- {name: change, groups: [engineers], effects: [write, delete], verdict: hold, reviewers: {groups: [sre], minimum: 2}, wait: come-back}
"""


def test_explain_of_a_held_call_exits_0_and_has_the_terms_of_the_hold(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "held.yaml").write_text(HELD)
    asked = ("--policy", str(tmp_path / "held.yaml"), "delete", "pods/a", "-n", "prod")
    status, out, _ = ask("-o", "json", *asked)
    document = json.loads(out)
    assert (status, document["allowed"], document["verdict"], document["rule"]) == (0, False, "hold", "keep prod")
    assert [one["rule"] for one in document["hold"]["rules"]] == ["keep prod", "change"]
    assert [one["reviewers"]["minimum"] for one in document["hold"]["rules"]] == [1, 2]
    assert (document["hold"]["wait"], document["hold"]["ttl"], document["hold"]["use-within"]) == ("come-back", 600, 600)
    status, out, _ = ask(*asked)
    assert status == 0 and out.startswith("held: held by guardrail 'keep prod': it is prod (and 1 more rule)\n")
    assert (
        "  rule 'change' needs 2 approvals by group sre\n" in out
        and "keep prod  (hold)\n             yes, and it says hold\n" in out
    )
    status, out, _ = ask("--policy", str(tmp_path / "held.yaml"), "kubectl", "delete", "pod", "a", "-n", "prod", "--dry-run=server")
    assert status == 0 and "it is a dry run, which changes nothing and passes without a hold" in out
    status, out, _ = ask("--policy", str(tmp_path / "held.yaml"), "get", "pods/a", "-n", "prod", "-o", "json")
    assert status == 1 and json.loads(out)["hold"] is None


@pytest.mark.parametrize(
    "words, status, rule, calls",
    [
        ("kubectl get pods -n dev", 0, "read", ["GET /api/v1/namespaces/dev/pods"]),
        ("-n dev kubectl delete pod a", 0, "dev", ["DELETE /api/v1/namespaces/dev/pods/a"]),
        ("kubectl delete pod a --namespace prod", 1, "keep prod", ["DELETE /api/v1/namespaces/prod/pods/a"]),
        (
            "--kind agent kubectl exec a -n dev -- cat /var/log/x",
            0,
            "diagnose",
            ["GET /api/v1/namespaces/dev/pods/a", "POST /api/v1/namespaces/dev/pods/a/exec?command=cat&command=%2Fvar%2Flog%2Fx"],
        ),
        (
            "kubectl exec a -n dev -- kubectl",
            1,
            "",
            ["GET /api/v1/namespaces/dev/pods/a", "POST /api/v1/namespaces/dev/pods/a/exec?command=kubectl"],
        ),
    ],
)
def test_explain_of_a_kubectl_command_gives_the_worst_verdict_and_every_call(
    ask: Any, words: str, status: int, rule: str, calls: list[str]
) -> None:
    found = ask("-o", "json", *words.split())
    document = json.loads(found[1])
    assert (found[0], document["rule"], document["command"]) == (status, rule, words[words.index("kubectl") :])
    assert [
        f"{one['request']['method']} {one['request']['target']}" for one in document["calls"] if not one["request"]["spare"]
    ] == calls


def test_explain_of_a_kubectl_command_shows_each_call(ask: Any) -> None:
    status, out, _ = ask("kubectl", "exec", "a", "-n", "dev", "--", "id")
    assert status == 1 and "\nallowed: allowed by rule 'read'\n" in out and "\ndenied: no rule allows it\n" in out
    assert out.startswith("kubectl exec a -n dev -- id: denied, as its worst of 2 calls is: exec pods/exec a in namespace dev\n")


def test_packs_are_listed_and_printed_to_be_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "policy", "packs") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("read-only-agents", "break-glass", "prod-needs-two", "no-secrets", "pci"))
    assert run(monkeypatch, "policy", "packs", "-o", "json") == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)][-1] == "pci"
    assert run(monkeypatch, "policy", "packs", "no-secrets") == 0
    (tmp_path / "copied.yaml").write_text(capsys.readouterr().out)
    assert run(monkeypatch, "policy", "check", tmp_path / "copied.yaml") == 0
    capsys.readouterr()
    assert run(monkeypatch, "policy", "packs", "no-secret") == 1
    assert "did you mean no-secrets?" in capsys.readouterr().err


WHEN = """
rules:
- {name: small, groups: [engineers], effects: [write, workload], verdict: allow, when: "object.spec.replicas <= 5"}
- {name: read, groups: [engineers], effects: [read], verdict: allow}
"""
WEB = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 9}\n"


def test_explain_takes_an_object_and_prints_what_when_saw(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "when.yaml").write_text(WHEN)
    (tmp_path / "web.yaml").write_text(WEB)
    asked, sent = ("--policy", str(tmp_path / "when.yaml")), ("-f", str(tmp_path / "web.yaml"))
    status, out, _ = ask(*asked, *sent, "update", "deployments.apps/web", "-n", "dev")
    assert status == 1 and "no: when: the condition is false\n             when saw object.spec.replicas = 9\n" in out
    status, out, _ = ask(*asked, *sent, "-o", "json", "update", "deployments.apps/web")
    assert json.loads(out)["considered"][1]["saw"] == {"object.spec.replicas": "9"}
    assert ask(*asked, *sent, "kubectl", "apply", "--server-side", "-f", "web.yaml")[0] == 1
    assert ask(*asked, "kubectl", "scale", "deploy/web", "--replicas=3")[0] == 0
    assert ask(*asked, "kubectl", "scale", "deploy/web", "--replicas=6")[0] == 1


def test_explain_without_the_object_that_decides_could_not_tell(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "when.yaml").write_text(WHEN)
    asked = ("--policy", str(tmp_path / "when.yaml"), "update", "deployments.apps/web")
    status, out, _ = ask(*asked)
    assert status == 3 and out.startswith("not known: rule 'small' decides by the object, which was not read; -f FILE gives it\n")
    document = json.loads(ask(*asked, "-o", "json")[1])
    assert (document["verdict"], document["allowed"], document["needs"]) == ("unknown", False, "object")


def test_explain_takes_the_result_of_a_dry_run_and_says_what_was_seen_of_it(ask: Any, tmp_path: Path) -> None:
    text = "rules:\n- {name: few, effects: [write, workload], verdict: allow, when: 'result.spec.replicas <= 5'}\n"
    (tmp_path / "when.yaml").write_text(text)
    asked = ("--policy", str(tmp_path / "when.yaml"), "scale", "deployments.apps/web")
    status, out, _ = ask(*asked)
    assert (
        status == 3 and "decides by the result, which was not read; --result FILE gives what a dry run of the call gives\n" in out
    )
    for replicas, expected in ((5, 0), (6, 1)):
        (tmp_path / "result.yaml").write_text(f"{{apiVersion: autoscaling/v1, kind: Scale, spec: {{replicas: {replicas}}}}}")
        status, out, _ = ask("--result", str(tmp_path / "result.yaml"), *asked)
        assert status == expected and f"when saw result.spec.replicas = {replicas}\n" in out
    status, _, err = ask("--result", str(tmp_path / "none.yaml"), *asked)
    assert status == 2 and "none.yaml cannot be read" in err


@pytest.mark.parametrize("words", ["kubectl", "kubectl gte pods", "kubectl get pods -Z", "kubectl apply -f none.yaml"])
def test_explain_of_a_command_that_cannot_be_read_is_wrong_usage(ask: Any, words: str) -> None:
    status, out, err = ask(*words.split())
    assert status == 2 and out == "" and "Error:" in err


@pytest.mark.parametrize(
    "words",
    ["gte pods", "exec pods/a", "logs pods", "get pods -n a -A", "get pods/a/b", "get pods/a -- ls", "-t get pods"],
)
def test_explain_of_a_call_that_no_client_can_make_is_wrong_usage(ask: Any, words: str) -> None:
    status, out, err = ask(*words.split())
    assert status == 2 and out == "" and "Error:" in err


def test_an_object_in_two_words_is_told_how_it_is_written(ask: Any) -> None:
    status, _, err = ask("get", "pods", "web-0")
    assert status == 2 and "web-0" in err and "an object is one word: get pods/web-0; or" in err


def test_a_cluster_that_is_not_configured_names_the_nearest(ask: Any) -> None:
    status, _, err = ask("get", "pods", cluster="prd")
    assert status == 2 and "hint: did you mean prod?" in err


def test_policy_check_takes_a_file_or_the_one_in_force(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "policy", "check", "--config", tmp_path / "l7gw.yaml") == 0
    assert "guardrails 1, rules 3" in capsys.readouterr().out
    (tmp_path / "tested.yaml").write_text(POLICY + "tests:\n- {as: {user: x}, call: kubectl get pods, verdict: deny}\n")
    assert run(monkeypatch, "policy", "check", tmp_path / "tested.yaml") == 0
    assert "rules 3, tests 1, all passed" in capsys.readouterr().out
    (tmp_path / "tested.yaml").write_text(POLICY + "tests:\n- {as: {user: x}, call: kubectl get pods, verdict: allow}\n")
    assert run(monkeypatch, "policy", "check", tmp_path / "tested.yaml") == 2
    assert "tested.yaml:9: this test fails: 'kubectl get pods' by 'x' should be allow" in capsys.readouterr().err
    (tmp_path / "new.yaml").write_text("rules:\n- {name: r, verdict: hold}\n- {verdict: deny}\n")
    assert run(monkeypatch, "policy", "check", tmp_path / "new.yaml") == 2
    err = capsys.readouterr().err
    assert "new.yaml:2: `reviewers` is missing in this rule" in err and "new.yaml:3: `name` is missing" in err


def test_explain_shows_the_budget_of_the_rule_and_takes_it_as_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("rules:\n- {name: few, budget: {deletes: 5, per: 10m}, reviewers: {groups: [sre]}, verdict: allow}\n")
    who = ("policy", "explain", "--policy", str(path), "--user", "bot", "--kind", "agent", "--cluster", "c")
    assert run(monkeypatch, *who, "delete", "pods/a") == 0
    shown = capsys.readouterr().out
    assert (
        "rule 'few' has a budget of 5 deletes per 10m, for each person" in shown
        and "beyond it rule 'few' needs an approval" in shown
    )
    assert run(monkeypatch, *who, "-o", "json", "delete", "pods") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "hold" and found["budget"]["deletes"] == 5 and found["budget"]["beyond"]["wait"] == "come-back"
