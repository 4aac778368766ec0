"""`serve -v`, or the level debug, says what one needs to debug a 401, a 403 and a 502."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.config.settings import Log
from l7gw.demo.pki import Authority
from l7gw.supervisor.logs import GatewayLog
from tests.support.faults import ask, until
from tests.support.http_callers import POD
from tests.support.scene import Scene, scene

POLICY = """
guardrails:
  - {name: no secrets, effects: [secrets], verdict: deny}
rules:
  - {name: sre do all, groups: [sre], effects: ["*"], verdict: allow}
  - {name: reads in dev, namespaces: [dev], effects: [read], verdict: allow}
"""


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    other = Authority(folder / "other", "another CA").certificate
    with scene(folder, policy=POLICY, cluster={"certificate-authority": str(other)}, log={"level": "debug"}) as running:
        yield running


def debugged(it: Scene, word: str) -> list[str]:
    def found() -> list[str]:
        said = [json.loads(line) for line in it.gateway.log.splitlines()]
        return [str(one["message"]) for one in said if one["level"] == "debug" and word in str(one["message"])]

    return until(found)


def test_a_401_says_which_entries_were_tried_which_claims_there_are_and_nothing_of_the_token(it: Scene) -> None:
    token = it.issuer.token("eve", [], aud="other", department="SECRET-VALUE")
    assert ask(it, it.request(f"GET {POD}", token=token))[0] == 401
    until(lambda: "a token with the claims" in it.gateway.log)
    (tried,) = debugged(it, "identity: oidc")
    assert tried.startswith(f"identity: oidc {it.issuer.url} for l7gw-demo: no: the token is for another audience")
    (claims,) = debugged(it, "a token with the claims")
    assert "aud, department, exp, groups, iat, iss, jti, name, sub is refused" in claims
    assert "SECRET-VALUE" not in it.gateway.log and token.split(".")[1][:20] not in it.gateway.log


def test_a_403_says_of_each_rule_why_it_did_not_match(it: Scene) -> None:
    _, headers, _ = ask(it, it.request(f"GET {POD}"))
    audit_id = headers["audit-id"]
    until(lambda: f"{audit_id}: rule 'reads in dev'" in it.gateway.log)
    told = [line.removeprefix(f"{audit_id}: ") for line in debugged(it, audit_id)]
    assert told[0] == "ann@example.com (human; engineers) at cluster test: get pods web-0 in namespace default"
    assert told[1] == "guardrail 'no secrets': no: effects: the call has none of them"
    assert told[3:] == [
        "rule 'sre do all': no: groups: none of the groups engineers is within sre",
        "rule 'reads in dev': no: namespaces: namespace default is not within dev",
    ]


def test_a_502_says_where_was_dialled_what_failed_and_whose_ca_is_trusted(it: Scene) -> None:
    assert ask(it, it.request("GET /api/v1/namespaces/dev/pods/web-0"))[0] == 502
    told = debugged(it, "dial ")[0]
    assert "no TLS: " in told and "trusted is commonName=another CA" in told and "certificate verify failed" not in told


@pytest.mark.parametrize(
    ("verbose", "level", "ours", "others"),
    [
        (False, "info", logging.INFO, logging.INFO),
        (False, "warning", logging.WARNING, logging.WARNING),
        (True, "error", logging.DEBUG, logging.INFO),
        (False, "debug", logging.DEBUG, logging.INFO),
    ],
)
def test_debug_is_this_package_s_alone(verbose: bool, level: str, ours: int, others: int, tmp_path: Path) -> None:
    """botocore logs signed requests at debug, and hpack headers."""
    root, own = logging.getLogger(), logging.getLogger("l7gw")
    before = root.level, own.level
    with (tmp_path / "log").open("w") as file:
        made = GatewayLog(file.fileno(), verbose=verbose)
        made.configure(Log(level=level))  # type: ignore[arg-type]
        assert (own.level, root.level) == (ours, others)
        made.close()
    root.setLevel(before[0])
    own.setLevel(before[1])
