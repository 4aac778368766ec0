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


@pytest.mark.parametrize(
    "words",
    ["gte pods", "exec pods/a", "logs pods", "get pods -n a -A", "get pods/a/b", "get pods/a -- ls", "-t get pods"],
)
def test_explain_of_a_call_that_no_client_can_make_is_wrong_usage(ask: Any, words: str) -> None:
    status, out, err = ask(*words.split())
    assert status == 2 and out == "" and "Error:" in err


def test_an_object_in_two_words_is_told_how_it_is_written(ask: Any) -> None:
    status, _, err = ask("get", "pods", "web-0")
    assert status == 2 and "web-0" in err and "an object is one word, such as pods/web-0" in err


def test_a_cluster_that_is_not_configured_names_the_nearest(ask: Any) -> None:
    status, _, err = ask("get", "pods", cluster="prd")
    assert status == 2 and "hint: did you mean prod?" in err


def test_policy_check_takes_a_file_or_the_one_in_force(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "policy", "check", "--config", tmp_path / "l7gw.yaml") == 0
    assert "guardrails 1, rules 3" in capsys.readouterr().out
    (tmp_path / "new.yaml").write_text("rules:\n- {name: r, verdict: hold}\n- {verdict: deny}\n")
    assert run(monkeypatch, "policy", "check", tmp_path / "new.yaml") == 2
    err = capsys.readouterr().err
    assert "new.yaml:2: `hold` is not in this version" in err and "new.yaml:3: `name` is missing" in err
