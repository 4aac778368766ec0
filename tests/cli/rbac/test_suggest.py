"""`l7gw rbac suggest NAME` prints the least RBAC for what is recorded, and says what it leaves out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from l7gw.cli.rbac.report import IN_WORDS
from l7gw.identity.principal import Principal
from l7gw.kube.rbac import Rule, Subject, binding, role
from l7gw.policy.judge import Policy
from l7gw.recording import reader
from l7gw.recording.session_list import summaries
from l7gw.recording.used_rights import Why
from tests.support.journals import cli_run
from tests.support.judged_calls import Asked, journal
from tests.support.written_configuration import Written

Run = Any
ANN, BOB, EVE = Principal("ann", ("engineers",)), Principal("bob", ("engineers", "sre")), Principal("eve", ("guests",))
POLICY = """
guardrails: [{name: no deletes, effects: [delete], verdict: deny}]
rules:
  - {name: all, groups: [engineers, sre], effects: ["*"], verdict: allow}
  - {name: guests, effects: [read], verdict: allow}
"""
DEV = "/api/v1/namespaces/dev"
CALLS = [
    Asked(ANN, "GET", f"{DEV}/pods"),
    Asked(ANN, "GET", f"{DEV}/pods/web-0/log"),
    Asked(ANN, "DELETE", f"{DEV}/pods/web-0"),
    Asked(ANN, "GET", "/apis/apps/v1"),
    Asked(BOB, "GET", f"{DEV}/secrets/db"),
    Asked(BOB, "GET", "/api/v1/nodes"),
    Asked(EVE, "GET", f"{DEV}/pods"),
    Asked(ANN, "GET", f"{DEV}/services", cluster="stage"),
    Asked(ANN, "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/dev/roles", b"{}"),
]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    found = Written(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    found.load()
    journal(tmp_path / "state", Policy.load(tmp_path / "policy.yaml"), CALLS)
    return found


@pytest.fixture
def suggest(written: Written, capsys: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: cli_run(capsys, "rbac", "suggest", *arguments, "--config", written.path)


def given(objects: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The rules by subject and namespace. Each role is bound to one subject."""
    names = {
        (one["roleRef"]["name"], one["metadata"].get("namespace", "")): one["subjects"] for one in objects if "subjects" in one
    }
    found = {}
    for one in objects:
        if "rules" in one:
            ((subject,), place) = names[one["metadata"]["name"], one["metadata"].get("namespace", "")], one["metadata"]
            found[f"{subject['kind']} {subject['name']}", place.get("namespace", "")] = one["rules"]
    return found


def test_documents_and_json_are_the_same_objects_and_the_report_stands_beside_them(suggest: Run) -> None:
    status, out, err = suggest("prod")
    assert (status, err) == (0, "")
    objects = [*yaml.safe_load_all(out)]
    assert given(objects) == {
        ("Group l7gw:engineers", "dev"): [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["pods/log"], "resourceNames": ["web-0"], "verbs": ["get"]},
            {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]},
        ],
        ("Group l7gw:sre", ""): [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}],
        ("Group l7gw:sre", "dev"): [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]}],
    }
    assert "# Group l7gw:engineers in namespace dev, for what ann, bob did\n" in out and "  # 1 call\n" in out
    for said in (
        "# 6 calls counted; 1 of them need no more than everybody may",
        "# Left out, and given no right:\n#   1 call: kubectl delete pods -n dev: the policy denied it (",
        "1 call: kubectl get pods -n dev: no group of the caller goes up",
        "# roles and bindings: RBAC also asks for each right that is handed on",
    ):
        assert said in out, out
    status, out, err = suggest("prod", "-o", "json")
    assert (status, json.loads(out)) == (0, objects) and "6 calls counted" in err


def test_what_was_not_selected_is_told_where_it_would_be_refused(suggest: Run, written: Written, capsys: Any) -> None:
    status, out, _ = suggest("prod", "--user", "ann")
    assert status == 0 and {subject for subject, _ in given([*yaml.safe_load_all(out)])} == {"Group l7gw:engineers"}
    assert (
        "# Would have been refused, of what these users and groups did in other calls:\n#   1 call: get secrets db -n dev (" in out
    )
    assert "#   1 call: list nodes (cluster) (" in out
    _, listed, _ = cli_run(capsys, "sessions", "list", "-o", "json", "--config", written.path)
    (session,) = [one["id"] for one in json.loads(listed) if one["principal"]["user"] == "bob"]
    _, out, _ = suggest("prod", "--session", session, "--group", "engineers", "-o", "json")
    assert set(given(json.loads(out))) == {("Group l7gw:engineers", ""), ("Group l7gw:engineers", "dev")}


def test_with_impersonate_user_rights_are_the_users_unless_groups_are_asked_for(suggest: Run, written: Written) -> None:
    written.prod["impersonate"] = "user"
    written.load()
    _, out, _ = suggest("prod", "-o", "json")
    assert {subject for subject, _ in given(json.loads(out))} == {"User l7gw:ann", "User l7gw:bob", "User l7gw:eve"}
    _, out, _ = suggest("prod", "--by", "group", "-o", "json")
    assert {subject for subject, _ in given(json.loads(out))} == {"Group l7gw:engineers", "Group l7gw:sre"}


def test_the_recordings_of_several_gateways_count_together(suggest: Run, written: Written, tmp_path: Path) -> None:
    other = tmp_path / "other"
    journal(other, Policy.load(tmp_path / "policy.yaml"), [Asked(ANN, "GET", f"{DEV}/services")])
    _, out, _ = suggest("prod", "--state", written.folder / "state", "--state", other, "-o", "json")
    resources = {one for rules in given(json.loads(out)).values() for rule in rules for one in rule["resources"]}
    assert {"services", "nodes", "pods"} <= resources
    _, out, _ = suggest("prod", "--state", other, "-o", "json")
    assert [rule["resources"] for rules in given(json.loads(out)).values() for rule in rules] == [["services"]]
    (session,) = [one.id for one in summaries(other)]
    _, found, _ = suggest("prod", "--state", other, "--state", written.folder / "state", "--session", session, "-o", "json")
    assert found == out
    assert suggest("prod", "--state", tmp_path / "none")[0] == 3


def test_names_can_be_left_out(suggest: Run) -> None:
    _, out, _ = suggest("prod", "--names", "0", "-o", "json")
    assert "resourceNames" not in out


def test_what_is_suggested_is_put_beside_what_is_there(suggest: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there.yaml"
    wide = role("edit", [Rule(("get", "delete"), ("",), ("pods",))])
    there.write_text(yaml.safe_dump_all([wide, binding("edit", [Subject("Group", "l7gw:sre")])]))
    _, out, _ = suggest("prod", "--existing", there)
    for said in (
        "# Beside what is there:\n#   new: Role dev/suggested:group:l7gw:engineers\n",
        "# Given now, and wider than what was used:\n#   ClusterRoleBinding edit gives ClusterRole edit to Group l7gw:sre: 1 of its 1 rules",
        "# Needed, and not given now:\n#   list pods -n dev, of Group l7gw:engineers\n",
    ):
        assert said in out, out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(there.read_bytes())))
    assert suggest("prod", "--existing", "-")[1] == out
    there.write_text("Forbidden")
    status, _, err = suggest("prod", "--existing", there)
    assert status == 2 and "has no roles and no bindings\n  hint: kubectl get clusterroles" in err
    assert suggest("prod", "--existing", tmp_path / "none")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("prod", "--since", "0m"), 1, "nothing is recorded there that needs a right"),
        (("prod", "--since", "yesterday"), 2, "--since is 30m, 12h or 7d"),
        (("prod", "--live", "--existing", "-"), 2, "exclude each other"),
        (("prod", "--by", "user"), 2, "clusters.prod.impersonate is groups: the cluster does not know who calls"),
        (("prod", "--session", "ffff"), 1, "no session"),
        (("stage",), 2, "no cluster 'stage' is configured"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_told_in_words(suggest: Run, arguments: tuple[str, ...], status: int, said: str) -> None:
    found, _, err = suggest(*arguments)
    assert (found, said in err) == (status, True), err


def test_what_cannot_be_read_is_told_and_makes_no_yes(suggest: Run, written: Written) -> None:
    (path,) = reader.segments(written.folder / "state")
    place = next(place for place in reader.places(path) if not place.header.flags and place.header.session != bytes(16))
    data = bytearray(path.read_bytes())
    data[place.offset + 200] ^= 1
    path.write_bytes(data)
    status, _, err = suggest("prod")
    assert status == 3 and "of the recordings is changed, missing" in err


def test_a_cluster_of_which_nothing_is_recorded_is_named(suggest: Run, written: Written) -> None:
    written.prod["record"] = "none"
    written.load()
    assert "has record: none: of its calls nothing is recorded" in suggest("prod")[1]


def test_each_reason_has_words() -> None:
    assert set(IN_WORDS) == set(get_args(Why))
