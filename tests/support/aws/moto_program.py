"""moto's server, whose EKS clusters have the endpoint and the CA that a file names (moto invents both). It is run by `moto_server.py`.

Arguments: the file (JSON: name -> {"endpoint", "certificate_authority"}), certificate, key, and where to write its port."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from moto.eks.models import EKSBackend
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def follow(clusters: Path) -> None:
    """Let DescribeCluster answer with the endpoint and CA that the file has at that moment."""
    describe = EKSBackend.describe_cluster

    def described(backend: EKSBackend, name: str) -> Any:
        cluster = describe(backend, name)
        given = json.loads(clusters.read_text()).get(name)
        if given:
            cluster.endpoint = given["endpoint"]
            cluster.certificate_authority = {"data": base64.b64encode(given["certificate_authority"].encode()).decode()}
        return cluster

    EKSBackend.describe_cluster = described  # type: ignore[method-assign]


def main(clusters: str, certificate: str, key: str, ready: str) -> None:
    follow(Path(clusters))
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True, ssl_context=(certificate, key)
    )
    new = Path(ready + ".new")
    new.write_text(str(server.server_port))
    new.rename(ready)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
