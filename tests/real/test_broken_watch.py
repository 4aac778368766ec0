"""A watch that cannot be read any more ends with words that a real kubectl shows. The cluster is scripted: no API server sends such
events."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.support.kubernetes.cluster import RealCluster
from tests.support.scene import scene
from tests.support.scripted_upstream import Visit

SECRETS = {"name": "secrets", "singularName": "secret", "namespaced": True, "kind": "Secret", "verbs": ["get", "list", "watch"]}
SAID = {
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [SECRETS]},
    "/api/v1/namespaces/d/secrets": {"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []},
}


def cluster_of(visit: Visit) -> None:
    """Answers discovery and the list; the watch brings what is no event, in one write with its head."""
    read = 0
    while visit.head():
        path, _, query = bytes(visit.received[read:]).split(b" ", 2)[1].decode().partition("?")
        read = len(visit.received)
        if "watch=true" in query:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            visit.send(head + b"9\r\nnonsense\n\r\n")
            visit.drain(5)
            return
        body = json.dumps(SAID[path]).encode()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def test_kubectl_shows_why_a_watch_ends_whose_first_event_cannot_be_read(tmp_path: Path, cluster: RealCluster) -> None:
    with scene(tmp_path / "scene", cluster_of) as it:
        server = (f"--server=https://localhost:{it.gateway.port}", f"--certificate-authority={it.gateway.authority.certificate}")
        command = (cluster.built.kubectl, *server, f"--token={it.token}", "get", "secrets", "-n", "d", "--watch")
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert "l7gw: the cluster's answer cannot be masked, so it does not pass: an event of it is no JSON object" in done.stdout
