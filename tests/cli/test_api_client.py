"""How commands reach a gateway, and what they say where they do not."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from l7gw.cli.main import cli
from l7gw.demo.pki import Authority

NOBODY = 65534


def l7gw(*arguments: str | Path, **env: str) -> Result:
    return CliRunner().invoke(cli, ["holds", *map(str, arguments)], env={"L7GW_TOKEN": None, "L7GW_CONFIG": None, **env})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "run"
    found.mkdir(mode=0o755)
    return found


def test_where_no_gateway_runs_the_command_could_not_tell_and_says_what_to_do(place: Path) -> None:
    path = place / "l7gw.sock"
    for _ in range(2):
        done = l7gw("list", "--socket", path)
        assert done.exit_code == 3
        assert done.stderr.startswith(f"l7gw: no gateway runs here: nothing answers at {path}\n  hint: start it (l7gw serve)")
        with socket.socket(socket.AF_UNIX) as dead:  # the file that a dead one left says the same
            if not path.exists():
                dead.bind(str(path))
    done = l7gw("list", "--socket", place / "nowhere" / "l7gw.sock")
    assert (done.exit_code, "no gateway runs here" in done.stderr) == (3, True)


def test_without_a_configuration_the_command_says_how_to_name_a_gateway(tmp_path: Path) -> None:
    done = l7gw("list", "--config", tmp_path / "none.yaml")
    assert (done.exit_code, "--socket FILE or --server URL" in done.stderr) == (2, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_who_may_not_use_the_socket_is_told_how_else_whatever_he_may_read(tmp_path: Path) -> None:
    """The keys that the configuration names, and the state, are closed to him: it is asked for the socket's place alone."""
    for one in (tmp_path, *tmp_path.parents):
        if one.stat().st_uid == os.geteuid() and one != Path("/"):
            one.chmod(one.stat().st_mode | 0o011)
    state, key, config = tmp_path / "state", tmp_path / "server.key", tmp_path / "l7gw.yaml"
    state.mkdir(mode=0o700)
    key.touch(mode=0o600)
    config.write_text(f"state: {state}\ntls: {{certificate: {key}, key: {key}}}\n")
    config.chmod(0o644)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state / "l7gw.sock"))
        listener.listen()
        script = (
            "import os, sys; from click.testing import CliRunner; from l7gw.cli.main import cli; import l7gw.cli.holds\n"
            "listing = ['holds', 'list', '--config', sys.argv[1]]\n"
            "CliRunner().invoke(cli, [*listing, '--socket', '/tmp/none'])  # what is loaded late is loaded as root\n"
            "from pathlib import Path; from l7gw.config.load import socket_path; socket_path(Path(sys.argv[1]))\n"
            f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
            "done = CliRunner().invoke(cli, listing); print(done.exit_code, done.stderr, done.exception)"
        )
        done = subprocess.run([sys.executable, "-c", script, config], capture_output=True, text=True, timeout=60, check=False)
    said = f"3 l7gw: no permission on the gateway's socket {state / 'l7gw.sock'}\n  hint: run this as root"
    assert done.stdout.startswith(said), done.stdout + done.stderr
    assert "--server" in done.stdout


def test_a_token_is_sent_to_no_socket_in_whose_place_others_could_put_one(place: Path) -> None:
    path = place / "l7gw.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.0)
        place.chmod(0o777)
        done = l7gw("list", "--socket", path, L7GW_TOKEN="secret")
        assert (done.exit_code, "the token is not sent" in done.stderr) == (3, True)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_token_file_that_cannot_be_used_is_wrong_usage(tmp_path: Path, place: Path) -> None:
    empty, two, binary = tmp_path / "empty", tmp_path / "two", tmp_path / "binary"
    empty.write_text("\n")
    two.write_text("a b")
    binary.write_bytes(b"\xff")
    for file, said in (
        (tmp_path / "none", "No such file"),
        (empty, "is empty"),
        (two, "holds no token"),
        (binary, "no text of a token"),
    ):
        done = l7gw("list", "--socket", place / "s", "--token-file", file)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert l7gw("list", "--socket", place / "s", L7GW_TOKEN="a\nb").exit_code == 2


@pytest.mark.parametrize("url", ["http://gw:8443", "gw:8443", "https://", "https://ann@gw", "https://gw/prod", "https://gw?x=1"])
def test_a_server_is_an_https_url_without_a_path(url: str) -> None:
    done = l7gw("list", "--server", url)
    assert (done.exit_code, "--server is https://GATEWAY:PORT" in done.stderr) == (2, True)


@contextmanager
def serving(folder: Path, status: int, body: bytes, **headers: str) -> Iterator[tuple[str, Authority, list[str | None]]]:
    """An https server that answers everything so. The list has the Authorization of each request."""
    authority = Authority(folder, "CA")
    seen: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("gw", "127.0.0.1"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", authority, seen
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_whose_authority_is_not_known_gets_no_token(tmp_path: Path) -> None:
    with serving(tmp_path, 200, b"{}") as (url, _, seen):
        done = l7gw("list", "--server", url, L7GW_TOKEN="secret")
    assert (done.exit_code, seen) == (3, [])
    assert "--certificate-authority FILE says who signed" in done.stderr


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "b", 200, b"{}") as (other, _, elsewhere),
        serving(tmp_path, 302, b"", Location=other) as (url, authority, _),
    ):
        done = l7gw("list", "--server", url, "--certificate-authority", authority.certificate, L7GW_TOKEN="secret")
    assert (done.exit_code, elsewhere) == (3, [])
    assert "what answered is no gateway of this version: HTTP 302" in done.stderr


def test_no_proxy_and_no_netrc_of_the_environment_gets_between(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    env = {"HTTPS_PROXY": "http://127.0.0.1:1", "NETRC": str(tmp_path / "netrc")}
    with serving(tmp_path, 200, b'{"holds": [], "before": "", "version": 1}') as (url, authority, seen):
        done = l7gw("list", "--server", url, "--certificate-authority", authority.certificate, **env)
    assert (done.exit_code, seen) == (0, [None]), done.stderr


def test_what_answers_and_is_no_gateway_is_said_to_be_none(tmp_path: Path) -> None:
    with serving(tmp_path, 404, b"<html>\x1b[2J") as (url, authority, _):
        done = l7gw("show", "01a2", "--server", url, "--certificate-authority", authority.certificate)
    assert (done.exit_code, "no gateway of this version: HTTP 404" in done.stderr) == (3, True)
