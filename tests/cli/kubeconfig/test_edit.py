"""`l7gw kubeconfig NAME --edit FILE` changes the server of one cluster and its CA where it must, and no other byte."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.cli.kubeconfig.edit import CannotEdit, Kubeconfig, rewrite
from l7gw.demo.pki import Authority
from tests.cli.test_check import run
from tests.support.ending import certificate
from tests.support.written_configuration import Written

OLD, NEW = "https://ABC.gr7.eu-west-1.eks.amazonaws.com", "https://prod.gw.example.com:8443"
CA, NEW_CA = b"-----BEGIN-----\nold\n", b"-----BEGIN-----\nnew\n"
DATA, NEW_DATA = base64.b64encode(CA).decode(), base64.b64encode(NEW_CA).decode()


def changed(text: str | bytes, *, context: str | None = None, server: str = NEW, authority: bytes | None = None) -> str:
    octets = text.encode() if isinstance(text, str) else text
    found = Kubeconfig(octets, Path("/nowhere"))
    return found.changed(found.entry(context), server, authority).decode()


# ---------------------------------------------------------------------- byte for byte

quotes = st.sampled_from(["{}", "'{}'", '"{}"'])
comments = st.sampled_from(["", "  # ours: don't touch", " #"])
names = st.sampled_from(["prod", "a-b_c", "arn:aws:eks:eu-west-1:111122223333:cluster/prod", "ü", "stage one"])


@st.composite
def kubeconfigs(draw: Any) -> tuple[str, str, str, str | None, str]:
    """A kubeconfig as text in which SERVER and DATA stand for the values that are to be changed, with its context (None: the current
    one). At last `data`, or `file` or `none` for how it names its CA."""
    count = draw(st.integers(1, 4))
    clusters = draw(st.permutations([f"{draw(names)}{n}" for n in range(count)]))
    meant = draw(st.sampled_from(clusters))
    form = draw(st.sampled_from(["data", "file", "none"]))
    style = draw(st.sampled_from(["block", "flow", "json", "dense"]))
    if style == "json":
        return _as_json(draw, clusters, meant, form)
    q = lambda text: draw(quotes).format(text)  # noqa: E731
    entries = []
    for name in clusters:
        mine = name == meant
        server = "SERVER" if mine else OLD
        parts = [("server", q(server))]
        if form == "data" or not mine:
            parts.append(("certificate-authority-data", q("DATA" if mine else DATA)))
        elif form == "file":
            parts.append(("certificate-authority", q("/etc/ca.crt")))
        parts.append(("disable-compression", "true"))
        parts = draw(st.permutations(parts))
        if style == "flow":
            inner = ", ".join(f"{key}: {value}" for key, value in parts)
            entries.append(f"- {{name: {q(name)}, cluster: {{ {inner} }}}}{draw(comments)}\n")
        elif style == "dense":
            inner = "".join(f"    {key}: {value}{draw(comments)}\n" for key, value in parts)
            entries.append(f"- name: {q(name)}\n  cluster:\n{inner}")
        else:
            inner = "".join(f"\n        {key}:   {value}{draw(comments)}" for key, value in parts)
            entries.append(f"  -{draw(comments)}\n    cluster:{inner}\n\n    name: {q(name)}\n")
    order = draw(st.permutations(["clusters", "contexts", "current", "users"]))
    asked = draw(st.booleans())
    other = draw(st.sampled_from(clusters))
    parts = {
        "clusters": f"clusters:{draw(comments)}\n{''.join(entries)}",
        "contexts": "contexts:\n" + "".join(f"- {{context: {{user: u, cluster: {q(name)}}}, name: {q('at ' + name)}}}\n" for name in clusters),
        "current": f"current-context: {q('at ' + (other if asked else meant))}\n",
        "users": f"users:\n- name: u\n  user:\n    token: {OLD}  # the same text elsewhere\n",
    }  # fmt: skip
    text = "apiVersion: v1\nkind: Config\n" + "".join(parts[one] for one in order) + draw(st.sampled_from(["", "# end", "\n\n"]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return (
        draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", newline),
        newline,
        meant,
        "at " + meant if asked else None,
        form,
    )


def _as_json(draw: Any, clusters: list[str], meant: str, form: str) -> tuple[str, str, str, str | None, str]:
    def entry(name: str) -> dict[str, str]:
        found = {"server": "SERVER" if name == meant else OLD}
        if form == "data" or name != meant:
            found["certificate-authority-data"] = "DATA" if name == meant else DATA
        elif form == "file":
            found["certificate-authority"] = "/etc/ca.crt"
        return found

    document = {
        "clusters": [{"name": name, "cluster": entry(name)} for name in clusters],
        "contexts": [{"name": f"at {name}", "context": {"cluster": name, "user": "u"}} for name in clusters],
        "current-context": f"at {meant}",
    }
    return json.dumps(document, indent=draw(st.sampled_from([None, 1, 4]))), "\n", meant, None, form


@given(kubeconfigs(), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_server_and_ca_alone_change_whatever_the_style_of_the_file(
    made: tuple[str, str, str, str | None, str], new_ca: bool, has_bracket: bool
) -> None:
    text, _, _, context, form = made
    server = "https://[2001:db8::1]:8443/prod" if has_bracket else NEW
    before = text.replace("SERVER", OLD).replace("DATA", DATA) if form == "data" else text.replace("SERVER", OLD)
    after = changed(before, context=context, server=server, authority=NEW_CA if new_ca else None)
    if form == "data":  # the text around both values is what it was
        values = {"SERVER": server, "DATA": NEW_DATA if new_ca else DATA}
        expected = text
        for word, value in values.items():
            at = expected.index(word)
            quoted = expected[at - 1] in "'\""
            expected = expected.replace(word, f'"{value}"' if "[" in value and not quoted else value)
        assert after == expected
    read, found = yaml.safe_load(before), yaml.safe_load(after)
    mine = _meant(read, context)
    mine["server"] = server
    if new_ca:
        mine.pop("certificate-authority", None)
        mine["certificate-authority-data"] = NEW_DATA
    assert found == read
    assert changed(after, context=context, server=server, authority=NEW_CA if new_ca else None) == after


def _meant(document: dict[str, Any], context: str | None) -> dict[str, Any]:
    wanted = context or document["current-context"]
    name = next(one["context"]["cluster"] for one in document["contexts"] if one["name"] == wanted)
    return next(one["cluster"] for one in document["clusters"] if one["name"] == name)


SMALL = f"""\
clusters:
- cluster:
    server: {OLD}  # here
  name: prod
"""


def test_a_ca_that_was_none_or_a_file_becomes_one_line() -> None:
    assert changed(SMALL, authority=NEW_CA) == SMALL.replace(
        f"server: {OLD}", f"certificate-authority-data: {NEW_DATA}\n    server: {NEW}"
    )
    named = SMALL.replace("    server", "    certificate-authority: 'ca.crt' # x\n    server")
    assert changed(named, authority=NEW_CA) == named.replace("y: 'ca.crt'", f"y-data: '{NEW_DATA}'").replace(OLD, NEW)
    crlf = SMALL.replace("\n", "\r\n")
    assert changed(crlf, authority=NEW_CA) == changed(SMALL, authority=NEW_CA).replace("\n", "\r\n")


def test_texts_of_several_lines_become_one() -> None:
    text = SMALL.replace("  name", f"    certificate-authority-data: |-\n      {DATA[:8]}\n      {DATA[8:]}\n\n  name")
    assert Kubeconfig(text.encode(), Path()).entry(None).authority == CA
    assert changed(text, authority=NEW_CA) == SMALL.replace(OLD, NEW).replace(
        "  name", f"    certificate-authority-data: {NEW_DATA}\n\n  name"
    )


def test_anchors_that_nothing_repeats_and_tags_stay() -> None:
    text = SMALL.replace("server: ", "server: &here !!str ")
    assert changed(text) == text.replace(OLD, NEW)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no mapping"),
        ("[]", "no mapping"),
        ("a: [", "is no YAML of one document: line 1"),
        ("a: 1\n---\nb: 2\n", "one document"),
        (b"\xff\xfeclusters", "UTF-8"),
        ("clusters: []", "has no cluster"),
        ("clusters: [{name: a}]", "has no `cluster`"),
        ("clusters: [{name: a, cluster: 1}]", "is no mapping"),
        ("clusters: [{name: a, cluster: {}}]", "has no `server`"),
        (SMALL + SMALL.partition("\n")[2] + "current-context: c\ncontexts: [{name: c, context: {cluster: prod}}]\n", "has 2 clusters of the name 'prod'"),
        (SMALL + "current-context: gone\n", "has no context 'gone', which it says is the current one; name one with --context"),
        (SMALL + "- {name: b, cluster: {server: x}}\n", "has several clusters and no current context; name one with --context"),
        (SMALL + "current-context: c\ncontexts: [{name: c, context: {cluster: gone}}]\n", "has no cluster 'gone', which its context"),
        (SMALL.replace("server: ", "server: x\n    server: "), "has `server` twice in line 4"),
        (SMALL.replace("server: ", "server: &s ") + "x: *s\n", "repeats what line 3 has, by an alias"),
        (SMALL.replace("cluster:\n", "cluster: &s\n") + "- {name: b, cluster: *s}\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: b}}]\n", "by an alias"),
        ("x: &b {a: 1}\n" + SMALL.replace("    server", "    <<: *b\n    server"), "merges another mapping (<<)"),
        (SMALL.replace("  name", "    certificate-authority: a\n    certificate-authority-data: b\n  name"), "does not take"),
        (SMALL.replace(OLD, f">- # why\n      {OLD}").replace("  # here", ""), "has a comment at the text"),
        ("[" * 600, "YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_safely_is_refused_with_words(text: str | bytes, words: str) -> None:
    with pytest.raises(CannotEdit) as refused:
        changed(text, authority=NEW_CA)
    assert words in str(refused.value)


# ---------------------------------------------------------------------- the file


def test_the_file_is_replaced_at_once_and_keeps_its_mode_its_owner_and_the_link_to_it(tmp_path: Path) -> None:
    file, link = tmp_path / "there" / "config", tmp_path / "config"
    file.parent.mkdir()
    file.write_text("before")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 4321, 4322)
    link.symlink_to(file)
    about = file.stat()
    assert rewrite(link, lambda octets: octets + b", after")
    now = file.stat()
    assert file.read_text() == "before, after" and link.is_symlink()
    assert (now.st_mode, now.st_uid, now.st_gid) == (about.st_mode, about.st_uid, about.st_gid) and now.st_ino != about.st_ino
    assert not rewrite(link, lambda octets: octets)
    assert file.stat().st_ino == now.st_ino and list(file.parent.iterdir()) == [file]


def test_kubectls_lock_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("before")
    lock = tmp_path / "config.lock"

    def change(octets: bytes) -> bytes:
        assert lock.exists()
        raise CannotEdit("is not to be changed")

    with pytest.raises(CannotEdit, match="not to be changed"):
        rewrite(file, change)
    assert list(tmp_path.iterdir()) == [file]
    lock.touch()
    with pytest.raises(CannotEdit, match="is being changed by somebody else"):
        rewrite(file, lambda octets: b"after")
    assert file.read_text() == "before" and lock.exists()
    with pytest.raises(CannotEdit, match="is no file that is there"):
        rewrite(tmp_path / "none", lambda octets: octets)


# ---------------------------------------------------------------------- the command


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    it.prod["hosts"] = ["localhost"]
    return it


Edit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def edit(written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Edit:
    """Runs the command on a kubeconfig with this entry, `file` in the configuration's folder. Gives status, the file, and what was
    said."""

    def of(entry: dict[str, Any], *arguments: str | Path, address: str = "localhost:8443") -> tuple[int, str, str]:
        written.load()
        file = written.folder / "config"
        if entry:
            file.write_text(json.dumps({"clusters": [{"name": "c", "cluster": entry}], "users": []}))
        status = run(monkeypatch, "kubeconfig", "prod", "--config", written.path, "--address", address, "--edit", file, *arguments)
        out, err = capsys.readouterr()
        return status, file.read_text(), out + err

    return of


def test_a_client_certificate_that_the_gateway_does_not_know_is_told(written: Written, edit: Edit) -> None:
    other = Authority(written.folder, "the cluster's", stem="other")
    for authority, known in ((other, False), (Authority(written.folder, "agents", stem="agents"), True)):
        pair = authority.client("admin", "admin")
        user = {"client-certificate": str(pair[0]), "client-key": str(pair[1])}
        (written.folder / "config").write_text(
            json.dumps(
                {
                    "clusters": [{"name": "c", "cluster": {"server": OLD}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "admin"}}],
                    "users": [{"name": "admin", "user": user}, {"name": "else", "user": {"token": "t"}}],
                    "current-context": "c",
                }
            )
        )
        written.top["identity"] = [
            written.entry, {"client-certificate": {"certificate-authority": "agents.crt"}, "kind": "agent", "prefix": "bot:"}
        ] if known else [written.entry]  # fmt: skip
        status, _, said = edit({})
        assert status == 0 and ("client certificate of CN=the cluster's, which the gateway does not know" in said) is not known
        assert ("hint: --merge FILE --login" in said) is not known


def _entry(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)["clusters"][0]["cluster"]
    return found


def test_a_file_with_the_ca_of_the_gateways_certificate_changes_in_its_server_alone(written: Written, edit: Edit) -> None:
    data = base64.b64encode((written.folder / "ca.crt").read_bytes()).decode()
    before = {"server": OLD, "certificate-authority-data": data}
    status, text, said = edit(before)
    assert (status, _entry(text)) == (0, before | {"server": "https://localhost:8443"})
    assert f"server: {OLD} -> https://localhost:8443\n" in said and "its CA stays" in said and "changed\n" in said
    status, again, said = edit({})
    assert (status, again) == (0, text) and "nothing was changed" in said
    before = {"server": OLD, "certificate-authority": "ca.crt"}  # a file beside the kubeconfig
    assert _entry(edit(before)[1]) == before | {"server": "https://localhost:8443"}


def test_what_a_file_says_is_told_without_a_character_that_a_terminal_obeys(edit: Edit) -> None:
    hostile = "https://old\r\n\x1b[2J\u202e"
    status, _, said = edit({"server": hostile})
    assert status == 0 and r"server: https://old\x0d\x0a\x1b[2J\u202e -> https://localhost" in said
    status, _, refused = edit({"server": OLD, "tls-server-name": hostile})
    assert status == 2 and all(line.isprintable() for line in (said + refused).splitlines())


def test_a_file_with_another_ca_gets_the_one_of_the_gateways_chain(written: Written, edit: Edit, tmp_path: Path) -> None:
    chain = (written.folder / "server.crt").read_text() + (written.folder / "ca.crt").read_text()
    (written.folder / "server.crt").write_text(chain)
    data = base64.b64encode((written.folder / "ca.crt").read_bytes()).decode()
    other = base64.b64encode(Authority(tmp_path / "other").certificate.read_bytes()).decode()
    for before in ({"certificate-authority-data": other}, {}, {"certificate-authority": "gone.crt"}):
        status, text, said = edit({"server": OLD, **before})
        assert (status, _entry(text)) == (0, {"server": "https://localhost:8443", "certificate-authority-data": data})
        assert "its CA is now CN=" in said and "l7gw:" not in said


def test_a_certificate_that_no_ca_would_help_leaves_the_ca(written: Written, edit: Edit) -> None:
    certificate(written.folder, 9, left=-1)
    written.top["tls"] = {"certificate": "short.crt", "key": "short.key"}
    text, said = edit({"server": OLD, "certificate-authority": "ca.crt"})[1:]
    assert _entry(text)["certificate-authority"] == "ca.crt" and "whatever CA they trust: certificate has expired" in said


def test_the_ca_that_was_named_is_taken_where_clients_reach_the_gateway_through_another(edit: Edit, tmp_path: Path) -> None:
    company = Authority(tmp_path / "other").certificate
    text = edit({"server": OLD, "certificate-authority": "ca.crt"}, "--certificate-authority", company)[1]
    assert _entry(text)["certificate-authority-data"] == base64.b64encode(company.read_bytes()).decode()
    assert "nothing was changed" in edit({}, "--certificate-authority", company)[2]


def test_a_host_that_is_none_of_the_clusters_leads_to_its_path(edit: Edit) -> None:
    status, text, said = edit({"server": OLD, "certificate-authority": "ca.crt"}, address="10.0.0.5:8443")
    assert (status, _entry(text)["server"]) == (0, "https://10.0.0.5:8443/prod")
    assert "certificate does not name 10.0.0.5" in said


def test_a_client_that_asks_for_no_certificate_gets_no_ca(edit: Edit) -> None:
    text, said = edit({"server": OLD, "insecure-skip-tls-verify": True})[1:]
    assert _entry(text) == {"server": "https://localhost:8443", "insecure-skip-tls-verify": True}
    assert "does not ask who answers" in said


def test_a_server_name_that_the_gateway_does_not_have_or_that_is_another_clusters_is_refused(written: Written, edit: Edit) -> None:
    before = {"server": OLD, "tls-server-name": "elsewhere.example.com"}
    status, text, said = edit(before)
    assert (status, _entry(text)) == (2, before) and "has `tls-server-name: elsewhere.example.com`, which" in said
    assert _entry(edit(before | {"tls-server-name": "localhost"}, address="10.0.0.5:8443")[1])["server"] == "https://10.0.0.5:8443"
    written.top["clusters"]["stage"] = {**written.prod, "hosts": ["stage.example.com"]}
    status, text, said = edit(before | {"tls-server-name": "stage.example.com"})
    assert status == 2 and "would lead to cluster stage" in said


def test_a_context_without_a_file_is_wrong_usage(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    written.load()
    assert run(monkeypatch, "kubeconfig", "prod", "--config", written.path, "--address", "a:1", "--context", "x") == 2
