"""Go's, Node's, Python's and Java's clients get an answer to whatever they can be made to send. None gets a reset alone: Go's
client would send the same request on a new connection, without end."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests

from tests.conftest import missing
from tests.support.go_programs import MissingGo, built_once
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import KEPT, Visit

HERE = Path(__file__).parent.parent / "honest"
VERSION = "/version"
TOOL = "运维工具/v1.32 (linux/amd64)".encode().decode("latin-1")  # a kubectl whose file has this name puts it into User-Agent

Asked = tuple[str, str, tuple[tuple[str, str], ...], int]  # case's name, path, headers (one character a byte), expected status
CASES: list[Asked] = [
    ("a program's file name", VERSION, (("user-agent", TOOL),), 200),
    ("a header that is dropped", VERSION, (("x-forwarded-user", "Zo\xc3\xab"),), 200),
    ("no UTF-8", VERSION, (("x-forwarded-user", "Zo\xeb"),), 200),
    ("a space at the end", VERSION, (("user-agent", "tool/1.0 "),), 200),
    ("a space at the start", VERSION, (("x-any", " x"),), 200),
    ("a field that decides", VERSION, (("content-type", "application/json; x=\xe9"),), 400),
    ("what HTTP/2 forbids", VERSION, (("te", "gzip"),), 400),
    ("a long target", "/version?x=" + "a" * 33_000, (), 414),
    ("many fields", VERSION, tuple((f"x-{number}", "y") for number in range(110)), 431),
    ("an argument of 20 KB", "/api/v1/pods?labelSelector=" + "a" * 20_000, (), 200),
    ("a path with two readings", "/api/v1/pods/a%2fb", (), 400),
]
# (case, client) -> another status, where the client sends something else or HTTP/1.1 has another rule; 0 where the client itself
# refuses to send.
OTHERWISE = {
    ("a space at the start", "python requests"): 0,
    ("a space at the start", "python httpx 1.1"): 0,
    ("a space at the end", "python httpx 1.1"): 0,
    ("a field that decides", "java 1.1"): 200,  # Java writes a question mark instead
    ("what HTTP/2 forbids", "1.1"): 200,  # over HTTP/1.1 the gateway drops TE
    ("what HTTP/2 forbids", "node 2"): 0,
    ("what HTTP/2 forbids", "python httpx 2"): 0,
}


def always_ok(visit: Visit) -> None:
    while visit.head():
        visit.send(KEPT)


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("honest"), always_ok) as running:
        yield running


def with_token(it: Scene, one: Asked) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {it.token}"), *one[2]]


def run(command: list[str | Path], text: str, encoding: str = "utf-8") -> list[str]:
    done = subprocess.run(command, input=text.encode(encoding), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def told_as_json(it: Scene) -> str:
    return "".join(json.dumps({"path": one[1], "headers": with_token(it, one)}) + "\n" for one in CASES)


def check(client: str, version: str, came: list[tuple[int, str]]) -> None:
    assert len(came) == len(CASES)
    wrong = []
    for (name, _, _, status), (found, why) in zip(CASES, came, strict=True):
        wanted = OTHERWISE.get((name, f"{client} {version}"), OTHERWISE.get((name, client), OTHERWISE.get((name, version), status)))
        if found != wanted:
            wrong.append(f"{name}: {found} instead of {wanted}: {why}")
    assert not wrong, "\n".join(wrong)


def url(it: Scene) -> str:
    return f"https://localhost:{it.gateway.port}"


@pytest.mark.parametrize("version", ["2", "1.1"])
def test_go_is_answered_over_one_connection(it: Scene, version: str) -> None:
    try:
        program = built_once(HERE, "honest")
    except MissingGo as error:
        missing(f"Go's client needs Go: {error}")
    command: list[str | Path] = [program, url(it), it.gateway.authority.certificate, version]
    found = [json.loads(line) for line in run(command, told_as_json(it))]
    check("go", version, [(one["status"], one["error"]) for one in found])
    assert {one["dials"] for one in found} == {1}
    assert {one["http"] for one in found} == {"HTTP/2.0" if version == "2" else "HTTP/1.1"}


@pytest.mark.parametrize("version", ["2", "1.1"])
def test_node_is_answered(it: Scene, version: str) -> None:
    node = shutil.which("node") or missing("node is not on PATH")
    assert node is not None
    found = [
        json.loads(line)
        for line in run([node, HERE / "client.cjs", url(it), it.gateway.authority.certificate, version], told_as_json(it))
    ]
    check("node", version, [(one["status"], one["error"]) for one in found])


@pytest.mark.parametrize("version", ["2", pytest.param("1.1", marks=pytest.mark.long)])
def test_java_is_answered(it: Scene, version: str) -> None:
    java = shutil.which("java") or missing("java is not on PATH")
    assert java is not None
    blocks = ["\n".join([one[1], *(text for pair in with_token(it, one) for text in pair), "", ""]) for one in CASES]
    lines = run([java, HERE / "Client.java", url(it), it.gateway.authority.certificate, version], "".join(blocks), "latin-1")
    check("java", version, [(int(line.split()[0]), line) for line in lines])


def test_httpx_is_answered(it: Scene) -> None:
    trusted = ssl.create_default_context(cafile=str(it.gateway.authority.certificate))
    for version in ("2", "1.1"):
        came = []
        for one in CASES:
            with httpx.Client(http2=version == "2", verify=trusted) as client:
                headers = [(name.encode(), value.encode("latin-1")) for name, value in with_token(it, one)]
                try:
                    came.append((client.get(url(it) + one[1], headers=headers).status_code, ""))
                except (httpx.HTTPError, ValueError) as error:
                    came.append((0, repr(error)))
        check("python httpx", version, came)


def test_requests_is_answered(it: Scene) -> None:
    came = []
    for one in CASES:
        headers = {name: value.encode("latin-1") for name, value in with_token(it, one)}
        try:
            answer = requests.get(url(it) + one[1], headers=headers, verify=str(it.gateway.authority.certificate), timeout=10)
            came.append((answer.status_code, ""))
        except (requests.RequestException, ValueError) as error:
            came.append((0, repr(error)))
    check("python requests", "1.1", came)


# ---------------------------------------------------------------------- refused before the body was sent

LONG = 300_000  # bytes of a body: more than the window of a stream
REFUSED = [("/api/v1/pods/a%2fb", LONG, 400), ("/api/v1/namespaces/d/pods", 4_000_000, 413)]  # path, bytes, the status


def test_httpx_hears_a_refusal_that_comes_before_it_has_sent_its_body(it: Scene) -> None:
    trusted = ssl.create_default_context(cafile=str(it.gateway.authority.certificate))
    for path, length, status in REFUSED:
        with httpx.Client(http2=True, verify=trusted) as client:
            headers = {"authorization": f"Bearer {it.token}", "content-type": "application/json"}
            assert client.post(url(it) + path, headers=headers, content=bytes(length)).status_code == status


def test_java_hears_a_refusal_that_comes_before_it_has_sent_its_body(it: Scene) -> None:
    java = shutil.which("java") or missing("java is not on PATH")
    assert java is not None
    blocks = [f"{path}\nauthorization\nBearer {it.token}\nx-body\n{length}\n\n" for path, length, _ in REFUSED]
    lines = run([java, HERE / "Client.java", url(it), it.gateway.authority.certificate, "2"], "".join(blocks), "latin-1")
    assert [int(line.split()[0]) for line in lines] == [status for _, _, status in REFUSED], lines
