"""The way to an API server, step by step, and what is said where it ends. The real one is asked in real/test_clusters_test.py."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from l7gw.cluster.api_server import LARGEST_ANSWER, ApiServer, Place, connect
from l7gw.cluster.trial import Failure, Trial
from l7gw.demo.pki import Authority, server_context
from l7gw.timeouts import Timeouts
from tests.support.ending import certificate

SHORT = Timeouts(answer_begins=0.3)


@contextlib.contextmanager
def served(context: ssl.SSLContext, answers: list[bytes], without_end: bytes = b"") -> Iterator[int]:
    """A server that sends the next of the answers to whatever comes, and holds the connection where there is none left. Behind an
    answer it sends `without_end`, again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    threading.Thread(target=talk, args=(plain,), daemon=True).start()

        def talk(plain: socket.socket) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as tls:
                while tls.recv(65536):
                    if answers:
                        tls.sendall(answers.pop(0))
                    while without_end:
                        tls.sendall(without_end)
                        threading.Event().wait(0.01)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def place(authority: Path, port: int, host: str = "localhost") -> Place:
    context = ssl.create_default_context(cafile=str(authority))
    return Place("prod", host, port, context, "the CA in ca.crt")


def tried(there: Place) -> tuple[Trial, ssl.SSLSocket | None]:
    trial = Trial(lambda _: None, lambda _: None)
    return trial, connect(trial, there)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def answer(body: bytes, head: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_the_way_is_told_with_addresses_and_whose_ca_it_is(authority: Authority) -> None:
    with served(server_context(authority.server("server", "localhost")), [answer(b'{"a": {"b": 1}}'), answer(b"[1]")]) as port:
        trial, tls = tried(place(authority.certificate, port))
        assert [step.outcome for step in trial.steps] == ["ok", "ok", "ok"] and tls is not None
        dns, tcp, secured = (step.said for step in trial.steps)
        assert "127.0.0.1" in dns and str(port) in tcp
        assert secured.startswith("TLSv1.3; signed by CN=l7gw demo CA, which is the CA in ca.crt; until 20")
        server = ApiServer(place(authority.certificate, port), timeouts=SHORT)
        server.carry(tls)
        found = server.ask("GET", "/version")
        assert (found.status, found.at("a", "b"), found.at("a", "c"), found.at("a", "b", "c")) == (200, 1, None, None)
        assert server.ask("GET", "/version").body == {}
        with pytest.raises(Failure, match="no answer within"):
            server.ask("GET", "/version")
        server.close()


def test_a_certificate_that_is_not_trusted_is_told_with_its_names_and_signer(authority: Authority, tmp_path: Path) -> None:
    with served(server_context(authority.server("server", "other.example.com")), []) as port:
        trial, tls = tried(place(authority.certificate, port))
        assert tls is None and trial.steps[-1].said == "the certificate does not name localhost"
        assert trial.steps[-1].remedy == "`server` must be one of other.example.com"
        trial, _ = tried(place(Authority(tmp_path / "b", "theirs").certificate, port))
        assert "signed by CN=l7gw demo CA, is not trusted" in trial.steps[-1].said
    old = certificate(tmp_path, 10, left=-1)
    with served(server_context((old, tmp_path / "short.key")), []) as port:
        trial, _ = tried(place(old, port))
        assert "the certificate ended on" in trial.steps[-1].said


def test_what_speaks_no_tls_or_hangs_up_is_told(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), daemon=True).start()
        trial, _ = tried(place(authority.certificate, listener.getsockname()[1]))
    assert trial.steps[-1].name == "TLS" and trial.steps[-1].outcome == "failed" and "API server" in trial.steps[-1].remedy


def test_what_takes_the_connection_and_says_nothing_is_told_as_that(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trial = Trial(lambda _: None, lambda _: None)
        connect(trial, place(authority.certificate, listener.getsockname()[1]), replace(SHORT, dial=0.2))
    assert "nothing answers there to TLS within" in trial.steps[-1].said and "does the API server hang" in trial.steps[-1].remedy


def test_when_the_first_answer_came_and_its_date_are_kept(authority: Authority) -> None:
    dated = b"HTTP/1.1 200 OK\r\nDate: Tue, 10 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}"
    with served(server_context(authority.server("server", "localhost")), [dated, answer(b"{}")]) as port:
        server = ApiServer(place(authority.certificate, port), timeouts=SHORT)
        assert (server.date, server.asked) == ("", 0.0)
        server.ask("GET", "/version")
        first = server.date, server.asked
        server.ask("GET", "/version")
    assert first == (server.date, server.asked) and first[0] == "Tue, 10 Nov 2026 12:00:00 GMT" and first[1] > 0


@pytest.mark.parametrize("answered", [answer(b"x" * (LARGEST_ANSWER + 1)), b"nonsense\r\n\r\n"], ids=["huge", "nonsense"])
def test_answers_are_bounded_and_must_be_http(authority: Authority, answered: bytes) -> None:
    with served(server_context(authority.server("server", "localhost")), [answered]) as port:
        server = ApiServer(place(authority.certificate, port), timeouts=SHORT)
        with pytest.raises(Failure):
            server.ask("GET", "/")


def test_words_of_the_cluster_are_shown_without_control_characters(authority: Authority) -> None:
    body = b'{"kind": "Status", "message": "no\\u001b[31m"}'
    with served(server_context(authority.server("server", "localhost")), [answer(body, "403 Forbidden")]) as port:
        said = ApiServer(place(authority.certificate, port), timeouts=SHORT).ask("POST", "/", {}).said
    assert said.startswith("no") and "\x1b" not in said


@pytest.mark.parametrize(
    ("begin", "drop"),
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 200 OK\r\nA: ", b"a"), (answer(b"")[:-5] + b"9999\r\n\r\n", b" ")],
    ids=["interim answers", "head", "body"],
)
def test_an_answer_that_comes_byte_by_byte_is_not_waited_for_without_end(authority: Authority, begin: bytes, drop: bytes) -> None:
    with served(server_context(authority.server("server", "localhost")), [begin], without_end=drop) as port:
        server = ApiServer(place(authority.certificate, port), timeouts=SHORT)
        with pytest.raises(Failure, match="no answer within"):
            server.ask("GET", "/version")
        server.close()
