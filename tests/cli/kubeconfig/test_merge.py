"""`l7gw kubeconfig NAME --merge FILE` adds or changes its own entries, leaves every other byte, and never loses a credential."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from l7gw.cli.kubeconfig.edit import CannotEdit
from l7gw.cli.kubeconfig.merge import Merged, merge
from tests.cli.kubeconfig.test_edit import kubeconfigs
from tests.cli.test_check import run
from tests.support.written_configuration import Written

LOGIN = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "args": ["login", "--client-id", "kubectl"], "command": "l7gw"}}


def ours(name: str = "gw", user: dict[str, Any] | None = None, server: str = "https://gw:8443/prod") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": "Q0E="}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def merged(text: str, new: dict[str, Any] | None = None, *, force: bool = False, set_current: bool = False) -> Merged:
    return merge(text.encode(), new or ours(), force=force, set_current=set_current)


def entry(text: bytes, key: str, name: str = "gw") -> Any:
    return next((one for one in yaml.safe_load(text)[key] if one["name"] == name), None)


def without(text: bytes, name: str) -> dict[str, Any]:
    """What a kubeconfig says beside the entries of this name and the current context."""
    said = yaml.safe_load(text) or {}
    for key in ("clusters", "users", "contexts"):
        said[key] = [one for one in said.get(key) or [] if one["name"] != name]
    return {key: value for key, value in said.items() if key not in ("current-context", "apiVersion", "kind")}


def is_kept_in(before: str, after: str) -> bool:
    """Whether every byte of `before` stands in `after`, in order: something was added and nothing taken away."""
    rest = iter(after)
    return all(character in rest for character in before)


@given(kubeconfigs(), st.booleans(), st.sampled_from([{}, LOGIN]))
def test_a_kubeconfig_of_any_style_gets_new_entries_and_keeps_every_byte(made: Any, to_current: bool, user: Any) -> None:
    text = made[0].replace("SERVER", "https://other").replace("DATA", "QQ==")
    new = ours(user=user)
    added = merged(text, new, set_current=to_current)
    assert [entry(added.octets, key) for key in ("clusters", "users", "contexts")] == [
        new[key][0] for key in ("clusters", "users", "contexts")
    ]
    assert without(added.octets, "gw") == without(text.encode(), "gw")
    assert (yaml.safe_load(added.octets)["current-context"] == "gw") == to_current
    if not to_current:
        assert is_kept_in(text, added.octets.decode())
    assert merged(added.octets.decode(), new, set_current=to_current).octets == added.octets
    moved = ours(user=user, server="https://gw2:8443/prod")
    again = merged(added.octets.decode(), moved, force=True)
    assert entry(again.octets, "clusters") == moved["clusters"][0] and without(again.octets, "gw") == without(text.encode(), "gw")
    comments = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    assert all(comment in again.octets.decode() for comment in comments)


EMPTY = [
    "", "\n", "# mine\n", "{}", "apiVersion: v1\nkind: Config\n", "clusters: []\nusers: []\ncontexts: []\ncurrent-context: \"\"\n",
    "apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n",
    '{"clusters": [], "users": null, "contexts": []}', "clusters:\nusers:\ncontexts:\nkind: Config", "---\nkind: Config\n...\n",
    "  kind: Config\n  users:\n  clusters: []  # none yet\n",
]  # fmt: skip


@pytest.mark.parametrize("text", EMPTY)
def test_a_file_without_entries_becomes_a_kubeconfig_whose_current_context_is_ours(text: str) -> None:
    found = merged(text)
    assert yaml.safe_load(found.octets)["current-context"] == "gw" and found.current == "gw" and not found.credential
    assert without(found.octets, "gw")["clusters"] == [] and entry(found.octets, "contexts") == ours()["contexts"][0]
    assert yaml.safe_load(found.octets)["kind"] == "Config" and ("# mine" in text) <= (b"# mine" in found.octets)
    assert merged(found.octets.decode()).octets == found.octets


THERE = """\
# kept
apiVersion: v1
kind: Config
clusters:
- name: gw  # the gateway
  cluster:
    server: https://gw:8443/prod
    proxy-url: http://proxy:3128
    insecure-skip-tls-verify: true
users:
- name: gw
  user: {token: abc}
contexts:
- {name: gw, context: {cluster: gw, user: gw, namespace: dev}}
current-context: other
"""


def test_our_own_entries_change_in_what_they_rule_and_keep_the_rest() -> None:
    found = merged(THERE)
    assert entry(found.octets, "clusters")["cluster"] == {**ours()["clusters"][0]["cluster"], "proxy-url": "http://proxy:3128"}
    assert entry(found.octets, "users")["user"] == {"token": "abc"} and found.credential
    assert found.said == ["cluster gw: changed", "user gw: as before", "context gw: as before"]
    assert found.octets.startswith(b"# kept\n") and b"namespace: dev}}\n" in found.octets and found.current == "other"


LAUGHS = "".join([f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'ha'] * 10)}]\n" for n in range(12)]) + THERE


@pytest.mark.parametrize(
    ("text", "new", "words", "forced"),
    [
        (THERE, ours(server="https://elsewhere"), "leads to https://gw:8443/prod, and not to https://elsewhere", True),
        (THERE.replace("cluster: gw, user", "cluster: x, user"), ours(), "names cluster 'x' and user 'gw'", True),
        (THERE, ours(user=LOGIN), "credential of its own, which is never replaced", False),
        (THERE + "---\na: 1\n", ours(), "no YAML of one document", False),
        ("- a\n", ours(), "is no kubeconfig", False),
        ("clusters: {gw: 1}\n", ours(), "no list of entries", False),
        (THERE.replace("users:\n", "users:\n- {name: gw}\n"), ours(), "has 2 entries 'gw' in `users`", False),
        ("clusters: &a\n- {name: x}\nusers: *a\n", ours(), "cannot be changed safely", False),
        ("clusters: [\n", ours(), "no YAML of one document", False),
        (LAUGHS, ours(), "repeats much of itself by aliases", False),
        (f"more: &a [*a]\n{THERE}", ours(), "repeats much of itself by aliases", False),
        (
            THERE.replace("https://gw:8443/prod", '"https://gw\\r\\n\\e[2J\\u202e"'),
            ours(),
            r"leads to https://gw\x0d\x0a\x1b[2J\u202e, and",
            True,
        ),
    ],
)
def test_what_is_somebody_elses_is_refused_with_what_to_type(text: str, new: Any, words: str, forced: bool) -> None:
    with pytest.raises(CannotEdit) as refused:
        merged(text, new)
    assert words in str(refused.value)
    if forced:
        assert "--force" in str(refused.value) and "--name OTHER" in str(refused.value)
        assert (
            entry(merged(text, new, force=True).octets, "clusters")["cluster"]["server"] == new["clusters"][0]["cluster"]["server"]
        )
    else:
        with pytest.raises(CannotEdit):
            merged(text, new, force=True)


def test_a_login_that_this_program_wrote_is_brought_up_to_date() -> None:
    newer = {"exec": {**LOGIN["exec"], "args": ["login", "--client-id", "kubectl", "--port", "8000"]}}
    text = merged("", ours(user=LOGIN)).octets.decode()
    assert entry(merged(text, ours(user=newer)).octets, "users")["user"] == newer


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    it.load()
    return it


def test_the_command_makes_a_file_of_mode_0600_then_merges_into_it(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written.folder / "new" / "config"
    words = ("kubeconfig", "prod", "--config", written.path, "--address", "localhost:8443", "--merge", file)
    authority = ("--certificate-authority", written.folder / "ca.crt")
    assert run(monkeypatch, *words, *authority) == 0
    out = capsys.readouterr().out
    assert "changed" in out and f"kubectl config set-credentials prod --kubeconfig {file} --token=TOKEN" in out
    assert file.stat().st_mode & 0o777 == 0o600 and list(file.parent.iterdir()) == [file]
    assert run(monkeypatch, *words, *authority) == 0 and "nothing was changed" in capsys.readouterr().out
    assert run(monkeypatch, *words, *authority, "--name", "second") == 0
    assert "the current context stays prod; kubectl --context second uses this one" in capsys.readouterr().out
    assert run(monkeypatch, *words, *authority, "--name", "second", "--set-current") == 0
    found = yaml.safe_load(file.read_text())
    assert [one["name"] for one in found["contexts"]] == ["prod", "second"] and found["current-context"] == "second"
    file.write_text(json.dumps({"clusters": [{"name": "prod", "cluster": {"server": "https://eks"}}]}))
    before = file.read_bytes()
    assert run(monkeypatch, *words, *authority) == 2
    assert "hint: --force leads it here; --name OTHER" in capsys.readouterr().err and file.read_bytes() == before


@pytest.mark.parametrize(
    "words", [("--force",), ("--set-current",), ("--merge", "f", "--edit", "f"), ("--edit", "f", "--name", "x")]
)
def test_options_that_mean_nothing_together_are_wrong_usage_with_a_hint(
    words: tuple[str, ...], written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "kubeconfig", "prod", "--config", written.path, "--address", "localhost:8443", *words) == 2
    assert "hint: " in capsys.readouterr().err
