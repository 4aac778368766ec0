"""Text without a secret, as real programs and a real cluster write it. Everything is written anew for each run; no log is kept in the
tree. Sizes are in bytes."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.go_programs import built_once
from tests.support.kubernetes.cluster import RealCluster

PROGRAMS = Path(__file__).parent.parent / "precision"
MESSAGES = PROGRAMS / "messages.txt"
WITHIN = 60.0  # seconds for one program
NO_SECRETS = {"secrets", "events"}  # a Secret is one; events of a fresh cluster say nothing

Text = tuple[str, bytes]  # where it comes from, and what it is


def _said(*command: str | Path, environment: dict[str, str] | None = None, **more: object) -> bytes:
    done = subprocess.run(
        list(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        timeout=WITHIN,
        **more,
    )  # type: ignore[call-overload]
    output: bytes = done.stdout
    assert done.returncode == 0, output[-2000:]
    return output


def python(size: int) -> bytes:
    return _said(shutil.which("python3") or "python3", PROGRAMS / "logs.py", MESSAGES, str(size), cwd=PROGRAMS)


def node(size: int) -> bytes:
    debug = {"NODE_DEBUG": "http,net,module"}
    return _said(shutil.which("node") or "node", PROGRAMS / "logs.cjs", MESSAGES, str(size), environment=debug)


def go_slog(size: int) -> bytes:
    return _said(built_once(PROGRAMS, "precision"), MESSAGES, str(size))


def java(size: int) -> bytes:
    return _said(shutil.which("java") or "java", "-Xlog:all=info", PROGRAMS / "Logs.java", MESSAGES, str(size))


def nginx(folder: Path) -> bytes:
    """Its access and error log, of some requests."""
    settings = folder / "nginx.conf"
    settings.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log debug; events {{}}\n"
        f"http {{ access_log {folder}/access.log; server {{ listen unix:{folder}/socket; root {folder}; }} }}\n"
    )
    with subprocess.Popen([shutil.which("nginx") or "nginx", "-c", settings, "-e", folder / "error.log"]) as process:
        try:
            for number in range(200):
                path = f"/{number}?user=ann&password=&session=expired&token="
                subprocess.run(["curl", "-s", "--retry", "5", "--unix-socket", folder / "socket", f"http://web{path}"], check=False)
        finally:
            process.terminate()
    return (folder / "access.log").read_bytes() + (folder / "error.log").read_bytes()


def postgres(folder: Path) -> bytes:
    """Its log with every statement, of a database that is made, filled and asked, and of statements that fail."""
    binaries = [Path(shutil.which("initdb") or "none"), *Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    programs = next((path.parent for path in binaries if path.exists()), None)
    assert programs is not None
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    if user:
        owner = pwd.getpwnam("postgres")
        for parent in (folder, *folder.parents):  # those of pytest, of which there is one more where several processes run tests
            mode = parent.stat().st_mode
            if mode & 0o005 != 0o005:
                parent.chmod(mode & 0o777 | 0o055)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    said = _said(programs / "initdb", "-D", folder / "data", "--auth=trust", cwd=folder, **user)
    statements = ["create table orders (id serial primary key, name text, password text, token text);"]
    statements += [f"insert into orders (name, password, token) values ('order {n}', null, null);" for n in range(2000)]
    statements += ["select password, token from orders where id = 17;", "select none;", "alter role postgres password null;"]
    text = "\n".join(statements).encode()
    options = ["--single", "-D", folder / "data", "-c", "log_statement=all", "-c", "log_min_messages=debug2", "postgres"]
    done = subprocess.run([programs / "postgres", *options], input=text, capture_output=True, timeout=WITHIN, cwd=folder, **user)  # type: ignore[call-overload]
    output: bytes = said + done.stdout + done.stderr
    return output


def journal() -> bytes:
    return _said(shutil.which("journalctl") or "journalctl", "-o", "export", "-n", "20000", "--no-pager")


def programs(folder: Path, size: int, *, all_of_them: bool) -> Iterator[Text]:
    """Logs of the programs that the tests need anyway, and with `all_of_them` of those that this machine has beside them."""
    needed: dict[str, Callable[[int], bytes]] = {"python": python, "node": node, "go": go_slog}
    for name, write in needed.items():
        yield name, write(size)
    if not all_of_them:
        return
    if shutil.which("java"):
        yield "java", java(size)
    for name, in_folder in {"nginx": nginx, "postgres": postgres}.items():
        if shutil.which(name) or (name == "postgres" and list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
            place = folder / name
            place.mkdir()
            yield name, in_folder(place)
    if shutil.which("journalctl"):
        yield "journald", journal()


def openapi(cluster: RealCluster) -> Iterator[Text]:
    """The documents in which the cluster describes itself."""
    yield "openapi v2", _get(cluster, "/openapi/v2")
    index = json.loads(_get(cluster, "/openapi/v3"))
    for name, one in sorted(index["paths"].items()):
        yield f"openapi v3 {name}", _get(cluster, one["serverRelativeURL"])


def answers(cluster: RealCluster) -> Iterator[Text]:
    """Every kind of object that the cluster has, as JSON, as YAML and described; and kubectl's own log of a call."""
    listed = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    kinds = ",".join(resource for resource in listed if resource.partition(".")[0] not in NO_SECRETS)
    for form in ("json", "yaml", "wide"):
        yield f"get -o {form}", cluster.kubectl("get", kinds, "-A", "-o", form).stdout.encode()
    for verbosity in (8, 10):
        done = cluster.kubectl("get", "clusterroles,flowschemas,nodes,namespaces", "-o", "wide", f"-v={verbosity}")
        yield f"kubectl -v={verbosity}", done.stderr.encode()
    yield "describe", cluster.kubectl("describe", "clusterroles,nodes,namespaces").stdout.encode()


def logs(cluster: RealCluster) -> Iterator[Text]:
    """What kube-apiserver and etcd write, and the audit log."""
    yield "kube-apiserver and etcd", (cluster.folder / "cluster.log").read_bytes()
    yield "audit", cluster.audit_log.read_bytes()


def _get(cluster: RealCluster, path: str) -> bytes:
    connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls, timeout=WITHIN)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body[:500]
        return body
    finally:
        connection.close()
