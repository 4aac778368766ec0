"""The log says at the start what the configuration means, and after a reload what is new in it."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path

import yaml

from l7gw.policy.judge import Policy
from l7gw.supervisor.startup import MOST_LISTED, lines
from tests.support.faults import until
from tests.support.scene import Scene
from tests.support.written_configuration import Written


def messages(own: Scene) -> list[str]:
    return [str(one["message"]) for one in map(json.loads, own.gateway.log.splitlines()) if one["room"] == "l7gw.supervisor.serve"]


def server(own: Scene) -> str:
    return str(own.upstream.cluster()["server"])


def test_the_log_says_version_clusters_issuers_rules_listeners_and_state_before_the_gateway_is_ready(own: Scene) -> None:
    gateway = own.gateway
    told = until(lambda: len(found := messages(own)) >= 6 and found)
    assert told[:4] == [
        f"l7gw 0.1.0, with {gateway.config}",
        f"listens on {gateway.address}; state in {gateway.state}, API at {gateway.state}/l7gw.sock",
        f"cluster test: {server(own)}, reached by the path /test, every other path",
        f"lets in tokens of {own.issuer.url} for l7gw-demo, as human",
    ]
    assert told[4] == f"policy {gateway.policy}: no guardrails, 1 rule, no grants; what no rule allows is denied"
    assert f"readable in {gateway.state}" in told[5]


def test_a_reload_says_what_is_new_alone(own: Scene) -> None:
    before = until(lambda: len(found := messages(own)) >= 6 and len(found))
    settings = yaml.safe_load(own.gateway.config.read_text())
    settings["clusters"]["other"] = settings["clusters"]["test"] | {"hosts": ["other.example.com"], "record": "none"}
    own.gateway.config.write_text(json.dumps(settings))
    assert own.gateway.process is not None
    own.gateway.process.send_signal(signal.SIGHUP)
    told = until(lambda: len(found := messages(own)[before:]) >= 3 and found)
    at = server(own)
    assert told == [
        "configuration read again",
        f"cluster test: {at}, reached by the path /test",
        f"cluster other: {at}, reached by https://other.example.com, the path /other; NOTHING is recorded",
    ]


def test_of_many_clusters_the_rest_is_counted(tmp_path: Path) -> None:
    written = Written(tmp_path)
    settings = written.load()
    (cluster,) = settings.clusters.values()
    many = {f"c{number}": dataclasses.replace(cluster, name=f"c{number}") for number in range(MOST_LISTED + 7)}
    told = list(lines(dataclasses.replace(settings, clusters=many, identity=()), Policy.load(settings.policy), ["127.0.0.1:1"]))
    assert sum(line.startswith("cluster ") for line in told) == MOST_LISTED
    assert "and 7 more clusters" in told and "lets nobody in: `identity` has no entry" in told
