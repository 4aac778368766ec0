"""The gateway's promises, shown on a real cluster: denials name the rule, calls are recorded whole, streams end when policy
changes, and no token is written anywhere."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.both_ways import Both, before
from tests.support.compared_commands import GROUP, USER, Side
from tests.support.faults import until
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.spdy_exec import EXECS, Exec

POLICY = """
guardrails:
  - {name: no node tunnels, resources: [nodes/proxy], verdict: deny, reason: "ask the platform team"}
  - {name: prod stays, namespaces: [prod], effects: [delete], verdict: deny}
  - {name: no pages of web-9, resources: ["*/proxy"], names: [web-9], verdict: deny}
  - {name: not for Blue, groups: [Team Blue], namespaces: [kube-public], verdict: deny}
rules:
  - {name: looks, groups: [engineers], effects: [execute], commands: ["env sh", "env sh -c **"], verdict: allow}
  - {name: shells, groups: [engineers], effects: [execute], commands: ["sh **", "cat **", "sleep *", "echo **"], interactive: true, verdict: allow}
  - {name: work, groups: [engineers], effects: [read, write, workload, delete, secrets, tunnel], verdict: allow}
"""
SOON = 20.0  # seconds within which a condition must hold


@pytest.fixture(scope="module")
def both(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with before(cluster, tmp_path_factory.mktemp("real"), POLICY) as running:
        yield running


@pytest.fixture(scope="module")
def ann(both: Both) -> Side:
    return both.fresh()[1]


def newest(gateway: Gateway) -> list[dict[str, Any]]:
    """The events of Ann's session."""
    session = next(one for one in gateway.sessions() if one["principal"]["user"] == USER)
    return gateway.events(session["id"])


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_a_denied_exec_says_the_rule_and_both_its_tries_are_one_run(both: Both, ann: Side, websocket: str) -> None:
    ann.environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket}
    before_it = len(of_type(newest(both.gateway), "request")) if both.gateway.sessions() else 0
    done = ann.kubectl(both.cluster.built.kubectl, "exec", "web-0", "--", "rm", "-rf", "/")
    assert done.status == 1
    assert "l7gw: no rule allows it: exec pods/exec web-0 in namespace NAMESPACE" in done.err
    events = newest(both.gateway)
    tries = [e for e in of_type(events, "request")[before_it:] if e["subresource"] == "exec"]
    assert [e["method"] for e in tries] == (["GET", "POST"] if websocket == "true" else ["POST"])
    assert len({e["run"] for e in tries}) == 1
    denied = {e["exchange"] for e in of_type(events, "verdict") if e["verdict"] == "deny"}
    assert {e["exchange"] for e in tries} <= denied
    assert not any("command=rm" in json.dumps(event) for event in both.cluster.audited())


def test_a_guardrail_is_named_to_whoever_it_stops(both: Both, ann: Side) -> None:
    kubectl = both.cluster.built.kubectl
    done = ann.kubectl(kubectl, "get", "--raw", f"/api/v1/nodes/{both.cluster.node}/proxy/configz")
    assert done.status == 1
    assert "no node tunnels" in done.err and "ask the platform team" in done.err
    both.cluster.namespace("prod")
    assert "prod stays" in ann.kubectl(kubectl, "delete", "--raw", "/api/v1/namespaces/prod/pods").err


@pytest.mark.parametrize("written", ["web-9", "web-9:80", "https:web-9:443", ":web-9:http"])
@pytest.mark.parametrize("kind", ["pods", "services"])
def test_a_guardrail_over_a_name_stops_each_spelling_that_the_cluster_reads_as_it(
    both: Both, ann: Side, kind: str, written: str
) -> None:
    page = f"/api/v1/namespaces/default/{kind}/{written}/proxy/"
    assert "no pages of web-9" in ann.kubectl(both.cluster.built.kubectl, "get", "--raw", page).err
    assert both.cluster.request("GET", page)[1]["message"] == f'{kind} "web-9" not found'  # directly, there is none


def test_the_cluster_sees_the_gateway_with_her_groups_and_the_same_audit_id(both: Both, ann: Side) -> None:
    ann.kubectl(both.cluster.built.kubectl, "get", "configmap", "nothing-of-that-name")
    request = next(e for e in reversed(of_type(newest(both.gateway), "request")) if e["name"] == "nothing-of-that-name")
    event = both.cluster.audit(request["audit_id"])[-1]
    assert event["user"]["username"] == "l7gw-gateway"
    seen = event["impersonatedUser"]
    assert seen["username"] == "l7gw" and f"l7gw:{GROUP}" in seen["groups"]
    assert seen["extra"]["l7gw-user"] == [USER]
    assert seen["extra"]["l7gw-session"] == [both.gateway.sessions()[0]["id"]]
    assert event["sourceIPs"][0] == "127.0.0.1"


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_an_exec_is_recorded_keystroke_by_keystroke(both: Both, ann: Side, websocket: str) -> None:
    ann.environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket}
    script = "read x; echo out-$x; echo err-$x >&2; exit 5"
    done = ann.kubectl(both.cluster.built.kubectl, "exec", "-i", "web-0", "--", "sh", "-c", script, stdin=b"typed\n")
    assert (done.status, done.out) == (5, "out-typed\n")

    def frames() -> dict[str, str] | None:
        events = newest(both.gateway)
        number = max(e["exchange"] for e in of_type(events, "request") if e["subresource"] == "exec")
        mine = [e for e in events if e.get("exchange") == number]
        if not of_type(mine, "end"):
            return None
        assert of_type(mine, "end")[0]["outcome"] == "complete"
        found: dict[str, str] = {}
        for frame in of_type(mine, "frame"):
            found[frame["channel"]] = found.get(frame["channel"], "") + frame["text"]
        return found

    found = until(frames, SOON)
    assert found["stdin"] == "typed\n" and found["stdout"] == "out-typed\n" and found["stderr"] == "err-typed\n"
    assert json.loads(found["error"])["details"]["causes"] == [{"reason": "ExitCode", "message": "5"}]


def through(both: Both, protocol: str, target: str) -> contextlib.closing[Exec]:
    """An exec of Ann's through the gateway."""
    trusted = ssl.create_default_context(cafile=str(both.gateway.authority.certificate))
    address = ("127.0.0.1", both.gateway.port)
    return contextlib.closing(EXECS[protocol](address, trusted, f"/real{target}", f"Authorization: Bearer {both.token}"))


@pytest.mark.parametrize("protocol", EXECS)
def test_nobody_types_into_an_exec_that_was_allowed_without_stdin(both: Both, ann: Side, protocol: str) -> None:
    """Directly at the cluster, over SPDY, the runtime attaches a stdin that was opened, and runs what is typed."""
    denied = ann.kubectl(both.cluster.built.kubectl, "exec", "-i", "web-0", "--", "env", "sh", stdin=b"")
    assert denied.status == 1 and "l7gw: no rule allows it" in denied.err
    target = f"/api/v1/namespaces/{ann.namespace}/pods/web-0/exec?command=env&command=sh&stdout=true&stderr=true"
    typed = b"echo ran-$((40 + 2))\n"
    with contextlib.closing(EXECS[protocol]((both.cluster.host, both.cluster.port), both.cluster.tls, target)) as straight:
        straight.open("error", "stdin", "stdout")
        straight.write("stdin", typed, final=True)
        straight.listen("error", b"}")
        assert straight.heard["stdout"] == (b"ran-42\n" if protocol == "spdy" else b"")
    # Without stdin a shell ends at once, and its Status could come before the gateway's. This one stays, and would run what is
    # typed.
    lasting = target + "&command=-c&command=read%20x%20%26%26%20eval%20%22%24x%22%3B%20exec%20sleep%2060"
    with through(both, protocol, lasting) as one:
        one.open("error", "stdin", "stdout", "stderr")
        one.write("stdin", typed)
        status = json.loads(one.listen("error", b"}"))
        assert status["status"] == "Failure" and "did not ask for" in status["message"] and not one.heard["stdout"]
    with through(both, protocol, target) as honest:
        honest.open(
            "error", "stdin", "stdout", "stderr", "resize"
        )  # client-go does so where its caller's options differ from the query
        for _ in range(3):
            honest.write("resize", b'{"Width":80,"Height":24}\n')
        honest.write("stdin", b"")
        honest.write("stdin", b"", final=True)
        assert json.loads(honest.listen("error", b"}"))["status"] == "Success"


@pytest.mark.parametrize("protocol", EXECS)
def test_a_shell_outlives_odd_sizes_and_hears_the_next(both: Both, ann: Side, protocol: str) -> None:
    target = f"/api/v1/namespaces/{ann.namespace}/pods/web-0/exec?command=sh&stdin=true&stdout=true&tty=true"
    with through(both, protocol, target) as shell:
        shell.open("error", "stdin", "stdout", "resize")
        for odd in (
            b'{"Width":null,"Height":null}',
            b'{"Width":80.5,"Height":24}',
            b'{"Width":-1,"Height":-1}',
            b'{"Width":80',
            b"[]",
        ):
            shell.write("resize", odd)
        shell.write("resize", b'{"Width":120,"Height":40}\n')
        shell.write("stdin", b'until [ "$(stty size)" = "40 120" ]; do sleep 0.05; done; echo heard-$((40 + 2)); exit\n')
        assert b"heard-42" in shell.listen("stdout", b"heard-42")
        assert json.loads(shell.listen("error", b"}"))["status"] == "Success"


def test_no_byte_of_a_token_is_on_the_disk_or_in_the_log(both: Both, ann: Side) -> None:
    ann.kubectl(both.cluster.built.kubectl, "get", "pods")
    for arguments in (
        ("--raw", f"/api/v1/pods?fieldManager={both.token}"),
        ("pod", both.token),
        ("pods", "-l", f"app={both.token}"),
    ):
        refused = ann.kubectl(both.cluster.built.kubectl, "get", *arguments)
        assert refused.status == 1 and "l7gw: the request holds its own token" in refused.err
    both.gateway.l7gw("verify")
    signature = both.token.rpartition(".")[2]
    events = json.dumps(newest(both.gateway))
    assert "(credential)" in events
    kept = [path.read_bytes() for path in both.gateway.state.rglob("*") if path.is_file()]
    for part in (both.token, signature, signature[:20], both.token.split(".")[1][:40]):
        assert part not in events
        assert part not in both.gateway.log
        assert not any(part.encode() in data for data in kept)


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_a_running_exec_ends_when_policy_no_longer_allows_it(both: Both, ann: Side, websocket: str) -> None:
    ann.environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket}
    command = ann.command(both.cluster.built.kubectl, "exec", "web-0", "--", "sh", "-c", "echo begun; sleep 60")
    process = subprocess.Popen(command, env=ann.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "begun\n"
        both.gateway.policy.write_text(POLICY.replace("interactive: true, verdict: allow", "verdict: deny"))
        _, err = process.communicate(timeout=SOON)
        assert process.returncode == 1
        assert "no longer allowed" in err
        ends = [event for event in of_type(newest(both.gateway), "end") if event["outcome"] == "cut"]
        assert ends and "no longer allowed: denied by rule 'shells'" in ends[-1]["reason"]
    finally:
        process.kill()
        both.gateway.policy.write_text(POLICY)
    until(lambda: ann.kubectl(both.cluster.built.kubectl, "exec", "web-0", "--", "echo", "again").status == 0, SOON)


def test_an_invalid_policy_leaves_the_former_in_force(both: Both, ann: Side) -> None:
    both.gateway.policy.write_text("rules: [{name: x, verdict: perhaps}]")
    try:
        until(lambda: "former stays in force" in both.gateway.log, SOON)
        assert ann.kubectl(both.cluster.built.kubectl, "exec", "web-0", "--", "echo", "still").out == "still\n"
    finally:
        both.gateway.policy.write_text(POLICY)


@pytest.mark.parametrize(
    ("claims", "word"),
    [({"iat": 1000, "exp": 2000}, "expired"), ({"audience": "another"}, "audience"), ({"lasting": 3600, "sub": ""}, "claim")],
)
def test_a_token_that_is_no_good_is_401_and_an_attempt(both: Both, ann: Side, claims: dict[str, Any], word: str) -> None:
    token = both.provider.token(**claims)
    config = both.gateway.kubeconfig("real", token, name="bad.kubeconfig")
    done = subprocess.run(
        [both.cluster.built.kubectl, "get", "--raw", "/api/v1/namespaces/default/pods"],
        env={**ann.env(), "KUBECONFIG": str(config)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1

    def refused() -> bool:
        attempts = [one for one in both.gateway.sessions() if not one["principal"]["user"]]
        return any(word in e["reason"] for one in attempts for e in of_type(both.gateway.events(one["id"]), "verdict"))

    until(refused, SOON)


def test_many_groups_and_one_that_is_no_name_stop_nobody_and_what_denies_it_still_does(both: Both, ann: Side) -> None:
    groups = [GROUP, "Team Blue ", *(f"g-{number:04}-{'x' * 33}" for number in range(239))]
    token = both.provider.token(USER, groups)
    assert len(token) > 12 * 1024
    kubeconfig = both.gateway.kubeconfig("real", token, name="many-groups")
    assert both.cluster.kubectl("get", "pods", "-n", ann.namespace, kubeconfig=kubeconfig).stdout.count("web-0") == 1
    denied = both.cluster.kubectl("get", "pods", "-n", "kube-public", kubeconfig=kubeconfig, check=False)
    assert denied.returncode == 1 and "denied by guardrail 'not for Blue'" in denied.stderr
    assert both.gateway.log.count("'Team Blue ' begins or ends with a space") == 1


def test_a_client_certificate_is_an_identity_too(both: Both, cluster: RealCluster, tmp_path: Path) -> None:
    from l7gw.demo.pki import Authority

    people = Authority(tmp_path / "people", "people")
    certificate, key = people.client("ann", "ann", (GROUP, "on-call"))
    config = {
        "identity": [{"client-certificate": {"certificate-authority": str(people.certificate)}}],
        "clusters": {"real": {
            "server": cluster.server, "certificate-authority": str(cluster.ca), "hosts": ["real.gw.test"], "groups": "on-*",
            "credential": {"client-certificate": str(cluster.gateway_certificate), "client-key": str(cluster.gateway_key)},
        }},
    }  # fmt: skip
    with Gateway(tmp_path / "gateway", config, POLICY) as gateway:
        files = {"client-certificate": str(certificate), "client-key": str(key)}
        kubeconfig = gateway.kubeconfig("real", **files)
        done = cluster.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig)
        assert {f"l7gw:{GROUP}", "l7gw:on-call"} <= set(json.loads(done.stdout)["status"]["userInfo"]["groups"])
        until(lambda: len(gateway.sessions()) == 1, SOON)  # it is in the journal within a second
        (session,) = gateway.sessions()
        assert (session["principal"]["user"], session["principal"]["groups"]) == ("ann", [GROUP, "on-call"])
        without = gateway.kubeconfig("real", name="without")
        assert cluster.kubectl("get", "--raw", "/version", kubeconfig=without, check=False).returncode == 1
        # The cluster is named by the TLS server name, without a prefix in the path.
        named = json.loads(kubeconfig.read_text())
        named["clusters"][0]["cluster"] |= {"server": f"https://{gateway.address}", "tls-server-name": "real.gw.test"}
        kubeconfig.write_text(json.dumps(named))
        assert "gitVersion" in cluster.kubectl("get", "--raw", "/version", kubeconfig=kubeconfig).stdout


def test_the_gateways_own_certificate_is_read_again_when_it_changes(both: Both) -> None:
    import ssl

    before_it = ssl.get_server_certificate(("127.0.0.1", both.gateway.port))
    both.gateway.authority.server("server", "localhost", "127.0.0.1")
    until(lambda: ssl.get_server_certificate(("127.0.0.1", both.gateway.port)) != before_it, SOON)
