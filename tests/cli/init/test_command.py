"""`l7gw init` by options and by answers; wrong ones end with 2, in words, and leave nothing behind. `tests/real/test_init.py` types on."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from l7gw.cli.main import cli
from l7gw.demo.pki import Authority
from tests.support.init_wanted import settled
from tests.support.scripted_upstream import ScriptedUpstream, answering

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n" + b'{"gitVersion": "v1.36.0"} '
WITHIN = 60.0  # seconds for a dialogue


class Desk:
    """A folder of somebody who has an authority's file of a cluster that does not exist, and an empty home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "gateway"
        self.authority = Authority(folder / "of-the-cluster", "cluster CA").certificate
        self.home = folder / "home"
        self.home.mkdir()

    def typed(self, *words: str | Path) -> Result:
        """`l7gw init`, nobody being there to be asked."""
        environment = {"HOME": str(self.home), "KUBECONFIG": None}
        return CliRunner().invoke(cli, ["init", str(self.folder), *map(str, words)], prog_name="l7gw", env=environment)

    def made(self, *words: str | Path) -> Result:
        """The same with a cluster that is not asked."""
        done = self.typed(
            "--yes", "--offline", "--server", "https://10.0.0.1:6443", "--certificate-authority", self.authority, *words
        )
        assert done.exit_code == 0, done.output
        return done

    def wrong(self, *words: str | Path) -> str:
        done = self.typed("--offline", *words)
        assert done.exit_code == 2 and "Traceback" not in done.output and not self.folder.exists(), done.output
        return done.output

    def configuration(self) -> dict[str, object]:
        found: dict[str, object] = yaml.safe_load((self.folder / "l7gw.yaml").read_text())
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_options_alone_write_a_configuration_that_check_takes_without_a_warning(desk: Desk) -> None:
    done = desk.made(
        "--cluster", "prod", "--address", "gw.example.com", "--group", "platform", "--namespace", "dev", "--user", "ann"
    )
    assert "for a first try: ann comes by a certificate" in done.output
    settled(desk.folder)
    checked = CliRunner().invoke(cli, ["check", "--config", str(desk.folder / "l7gw.yaml")])
    assert checked.exit_code == 0 and "can be used" in checked.stdout and checked.stderr == ""
    assert desk.configuration()["listen"] == "0.0.0.0:8443"


def test_each_line_behind_type_is_a_comment_or_a_command_of_kubectl_or_l7gw(desk: Desk) -> None:
    _, _, typed = desk.made("--cluster", "prod").output.partition("Type, in this order:\n")
    lines = [line for line in typed.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 8
    assert all(re.match(r"(\(umask 077 && )?kubectl |(/\S+/)?l7gw (check|serve|sessions) ", line) for line in lines)
    done = subprocess.run(["bash", "-n"], input=typed, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_the_cluster_is_asked_unless_offline_and_its_version_is_told(desk: Desk, tmp_path: Path) -> None:
    with ScriptedUpstream(tmp_path / "upstream", answering(OK)) as upstream:
        where = ("--server", f"https://127.0.0.1:{upstream.port}", "--certificate-authority", upstream.authority.certificate)
        done = desk.typed("--yes", *where)
        assert done.exit_code == 0 and "answers: Kubernetes v1.36.0." in done.output


def test_a_cluster_that_does_not_answer_ends_it_before_anything_is_written(desk: Desk) -> None:
    done = desk.typed("--yes", "--server", "https://nowhere.invalid", "--certificate-authority", desk.authority)
    assert done.exit_code == 2 and "cannot be reached, and nothing was written: DNS" in done.output and not desk.folder.exists()


def test_a_second_run_changes_nothing_and_lists_what_is_there(desk: Desk) -> None:
    desk.made("--cluster", "prod")
    before = {path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()}
    done = desk.typed(
        "--yes", "--offline", "--server", "https://10.0.0.1", "--certificate-authority", desk.authority, "--cluster", "prod"
    )
    assert done.exit_code == 2 and "are in" in done.output and all(path.name in done.output for path in before)
    assert before == {path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()}


def test_a_folder_that_cannot_be_written_to_is_told_without_an_errno(desk: Desk) -> None:
    desk.folder.write_text("a file")
    done = desk.typed("--yes", "--offline", "--server", "https://10.0.0.1", "--certificate-authority", desk.authority)
    assert (
        done.exit_code == 2
        and "cannot be written to: " in done.output
        and "Errno" not in done.output
        and "hint: another FOLDER" in done.output
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which cluster is meant?"),
        (["--yes"], "which cluster is meant?"),
        (["--context", "prod"], "--context is one of a kubeconfig"),
        (["--kubeconfig", "/nowhere/config"], "--kubeconfig /nowhere/config cannot be read: no such file or directory"),
        (["--server", "http://10.0.0.1"], "must be https://HOST[:PORT]"),
        (["--server", "https://10.0.0.1"], "whom to trust there"),
        (["CLUSTER", "--cluster", "Prod"], "--cluster 'Prod' cannot be a cluster's name"),
        (["CLUSTER", "--address", "https://gw"], "--address 'https://gw' is no address"),
        (["CLUSTER", "--listen", "8443"], "--listen '8443' is no address"),
        (["CLUSTER", "--certificate", "CA"], "--certificate and --key belong together"),
        (["CLUSTER", "--certificate", "CA", "--key", "CA"], "the gateway would not start with this; nothing was written"),
        (["CLUSTER", "--client-key", "CA"], "--client-certificate and --client-key belong together"),
        (["CLUSTER", "--issuer", "http://idp.example.com"], "--issuer must be an https URL"),
        (["CLUSTER", "--audience", "a"], "--audience is about an issuer"),
        (["CLUSTER", "--login", "a"], "--login is about an issuer"),
        (["CLUSTER", "--issuer", "https://idp.example.com", "--user", "ann"], "--user is about a client certificate"),
        (["CLUSTER", "--issuer", "https://idp.example.com", "--issuer-ca", "/nowhere"], "--issuer-ca /nowhere cannot be read"),
        (["CLUSTER", "--issuer", "https://idp.example.com", "--login", "a", "--audience", "b"], "`client-id` 'a' is no `audience`"),
        (["CLUSTER", "--user", "system:admin"], "--user 'system:admin' cannot be a name here"),
        (["CLUSTER", "--group", "a,b"], "--group 'a,b' cannot be a name here"),
        (["CLUSTER", "--namespace", "Dev"], "--namespace 'Dev' cannot be a namespace's name"),
    ],
)  # fmt: skip
def test_a_wrong_option_ends_with_2_and_says_what_and_leaves_nothing(desk: Desk, words: list[str], said: str) -> None:
    cluster = ["--server", "https://10.0.0.1:6443", "--certificate-authority", str(desk.authority)]
    given = [one for word in words for one in (cluster if word == "CLUSTER" else [str(desk.authority) if word == "CA" else word])]
    shown = desk.wrong(*given)
    assert said in shown and ("hint: " in shown or "cannot be read" in shown)


def test_yes_takes_the_kubeconfig_that_kubectl_would_take(desk: Desk) -> None:
    usual = desk.home / ".kube" / "config"
    usual.parent.mkdir()
    cluster = {"server": "https://10.0.0.9:6443", "certificate-authority": str(desk.authority)}
    usual.write_text(yaml.safe_dump({"clusters": [{"name": "Kind Dev", "cluster": cluster}]}))
    assert desk.typed("--yes", "--offline").exit_code == 0
    clusters = desk.configuration()["clusters"]
    assert isinstance(clusters, dict) and clusters["kind-dev"]["server"] == "https://10.0.0.9:6443"


def test_at_a_terminal_without_a_kubeconfig_the_server_is_asked_for(desk: Desk) -> None:
    dialogue = [
        ("administrator's kubeconfig", ""),
        ("API server, https://HOST[:PORT]", "https://10.0.0.7:6443"),
        ("Its CA, a file in PEM", str(desk.authority)),
        ("Name of the cluster for clients [cluster]", ""),
        ("Address at which clients will reach the gateway [localhost:8443]", "gw.example.com"),
        ("OIDC issuer of people", ""),
    ]
    assert "Type, in this order:" in _answered(desk, dialogue)
    clusters = desk.configuration()["clusters"]
    assert isinstance(clusters, dict) and clusters["cluster"]["server"] == "https://10.0.0.7:6443"


@pytest.mark.parametrize("on_path", [True, False])
def test_l7gw_is_called_by_its_name_where_the_path_leads_to_it_and_else_by_its_path(desk: Desk, on_path: bool) -> None:
    own = Path(sys.executable).with_name("l7gw")
    path = f"{own.parent}:/usr/bin:/bin" if on_path else "/usr/bin:/bin"
    words = ("init", desk.folder, "--yes", "--offline", "--server", "https://10.0.0.1", "--certificate-authority", desk.authority)
    environment = {"PATH": path, "HOME": str(desk.home)}
    done = subprocess.run([own, *words], env=environment, capture_output=True, text=True, timeout=WITHIN, check=True)
    assert f"\n{'l7gw' if on_path else own} serve --config " in done.stdout


@pytest.mark.parametrize("issuer", [False, True])
def test_at_a_terminal_what_no_option_says_is_asked_for(desk: Desk, issuer: bool) -> None:
    kubeconfig = desk.home / "admin"
    cluster = {"server": "https://10.0.0.9:6443", "certificate-authority": str(desk.authority)}
    kubeconfig.write_text(yaml.safe_dump({"clusters": [{"name": "kind", "cluster": cluster}]}))
    dialogue = [
        ("administrator's kubeconfig", str(kubeconfig)),
        ("Name of the cluster for clients [kind]", "prod"),
        ("Address at which clients will reach the gateway [localhost:8443]", ""),
        ("OIDC issuer of people", "https://idp.example.com" if issuer else ""),
    ]
    if issuer:
        dialogue += [("Client there for `l7gw login`", "kubectl"), ("Audience of its tokens [kubectl]", "")]
    said = _answered(desk, dialogue)
    assert "Type, in this order:" in said, said
    found = desk.configuration()
    assert isinstance(found["clusters"], dict) and set(found["clusters"]) == {"prod"}
    assert isinstance(found["identity"], list) and ("oidc" in found["identity"][0]) == issuer


def _answered(desk: Desk, dialogue: list[tuple[str, str]]) -> str:
    """Everything that `l7gw init` said at a terminal at which each question gets its answer."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "l7gw", "init", "--offline", str(desk.folder)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(desk.home), "TERM": "dumb"}
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""
    try:
        for question, answer in dialogue:
            before = len(said)
            while question.encode() not in said[before:]:
                assert select.select([ours], [], [], WITHIN)[0], said.decode()
                said += os.read(ours, 65536)
            os.write(ours, f"{answer}\n".encode())
        while select.select([ours], [], [], WITHIN)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        assert process.wait(WITHIN) == 0, said.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return said.decode()
