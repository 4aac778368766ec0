"""One POST: to where the configuration says, over verified TLS, without redirects, and bounded."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import pytest

from l7gw.demo.pki import Authority
from l7gw.notify.posts import LARGEST_ANSWER, LONGEST_REST, Answer, NotTold, Posts
from tests.support.posted import Said, side


def send(url: str, authority: Path | None = None, within: float = 20.0) -> Answer:
    return asyncio.run(Posts(authority).send(url, b"{}", {"x-about": "test"}, within))


def test_a_body_is_sent_with_its_headers_and_the_answer_is_given() -> None:
    with side() as other:
        other.answer = lambda _sent: Said(429, b"slower", (("retry-after", "7"),))
        assert send(other.url + "/a?b=c") == Answer(429, b"slower", 7.0)
        (sent,) = other.sent
        assert (sent.path, sent.body, sent.headers["x-about"], sent.headers["user-agent"]) == ("/a?b=c", b"{}", "test", "l7gw")


def test_a_peer_makes_us_wait_ten_minutes_at_most() -> None:
    cases = {"": 0.0, "soon": 0.0, "-1": 0.0, "Wed, 21 Oct 2026 07:28:00 GMT": 0.0, "30": 30.0, "999999": LONGEST_REST}
    with side() as other:
        for said, rest in cases.items():
            other.answer = lambda _sent, said=said: Said(503, b"", (("retry-after", said),))  # type: ignore[misc]
            assert send(other.url).rest == rest


def test_a_redirect_is_not_followed() -> None:
    with side() as other, side() as elsewhere:
        other.answer = lambda _sent: Said(307, b"", (("location", elsewhere.url),))
        assert send(other.url).status == 307
        assert elsewhere.sent == []


def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    with side() as other:
        other.answer = lambda _sent: Said(200, b"x" * LARGEST_ANSWER)
        assert len(send(other.url).body) == LARGEST_ANSWER
        other.answer = lambda _sent: Said(200, b"x" * (LARGEST_ANSWER + 1))
        with pytest.raises(NotTold, match="more than 262144 bytes"):
            send(other.url)


def test_words_about_an_answer_that_cannot_be_read_are_bounded() -> None:
    with socket.socket() as peer:
        peer.bind(("127.0.0.1", 0))
        peer.listen()

        def garbage() -> None:
            one = peer.accept()[0]
            with one:
                one.recv(65536)
                one.sendall(b"HTTP/9 " + b"x" * 20_000 + b"\r\n\r\n")

        thread = threading.Thread(target=garbage)
        thread.start()
        with pytest.raises(NotTold, match="cannot be reached: illegal status line") as told:
            send(f"http://127.0.0.1:{peer.getsockname()[1]}")
        thread.join()
        assert len(str(told.value)) < 300


def test_who_is_not_there_or_does_not_answer_is_told_in_words() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NotTold, match="cannot be reached"):
            send(url)
        silent.listen()
        with pytest.raises(NotTold, match="no answer within 0 s"):
            send(url, within=0.2)


def test_a_certificate_of_another_authority_or_for_another_name_is_refused(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    for pair, good in (
        (ours.server("here", "127.0.0.1"), 1),
        (ours.server("there", "there.example"), 0),
        (other.server("o", "127.0.0.1"), 0),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        with side() as served, socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=_relay, args=(listener, context, served.url), daemon=True)
            thread.start()
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
            if good:
                assert send(url, ours.certificate).status == 200
            else:
                with pytest.raises(NotTold, match="certificate verify failed"):
                    send(url, ours.certificate)
            thread.join()


def _relay(listener: socket.socket, context: ssl.SSLContext, url: str) -> None:
    """Take one connection over TLS, and hand its request to a server without."""
    connection, _ = listener.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as client:
            host, port = url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port))) as behind:
                behind.sendall(client.recv(65536))
                client.settimeout(0.2)
                try:
                    while data := client.recv(65536):
                        behind.sendall(data)
                except TimeoutError:
                    pass
                client.sendall(behind.recv(65536))
    except OSError:
        pass
