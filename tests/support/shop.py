"""A namespace of Secrets and Deployments behind the gateway, for clients that write back what they read masked."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

from l7gw.masking.placeholder_search import holds
from tests.support.both_ways import Both
from tests.support.compared_commands import Outcome, Side

PASSWORD, TOKEN = "hunter2-of-the-shop", "b8a3f0d1c2e4"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


KEPT = {"password": PASSWORD, "token": TOKEN}


def without_version(text: str) -> str:
    """A manifest that may be applied more than once."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(("  resourceVersion:", "  uid:")))


class Shop:
    """A namespace behind the gateway: what kubectl says there, and what the API server has."""

    def __init__(self, both: Both, namespace: str, folder: Path) -> None:
        self.both = both
        self.namespace = both.cluster.namespace(namespace)
        self.side = Side("through", both.through, namespace, folder)
        self.folder = folder

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, **environment: str) -> Outcome:
        side = self.side
        side.environment = environment
        done = side.kubectl(self.both.cluster.built.kubectl, *arguments, stdin=None if stdin is None else stdin.encode())
        assert not check or done.status == 0, f"{done.out}\n{done.err}"
        return done

    def again(self, *arguments: str, stdin: str | None = None) -> Outcome:
        """kubectl, asked again where a controller wrote the object between the gateway's reading and its write: a 409 that asks for
        just this."""
        for _ in range(10):
            done = self.kubectl(*arguments, stdin=stdin, check=False)
            if "the object has been modified" not in done.err and "the object was changed since it was read" not in done.err:
                break
        assert done.status == 0, f"{done.out}\n{done.err}"
        return done

    def get(self, what: str) -> str:
        """An object in YAML, as the client gets it; without the words by which outcomes are compared."""
        command = self.side.command(self.both.cluster.built.kubectl, "get", what, "-o", "yaml")
        return subprocess.run(command, env=self.side.env(), capture_output=True, text=True, check=True).stdout

    def stored(self, path: str) -> dict[str, Any]:
        status, found = self.both.cluster.request("GET", path.replace("NS", self.namespace))
        assert status == 200, found
        return found

    def secret(self, name: str) -> dict[str, str]:
        """The values of a stored Secret, decoded."""
        data = self.stored(f"/api/v1/namespaces/NS/secrets/{name}").get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def holds_no_placeholder(self) -> None:
        """Assert that no placeholder became data: nothing in the namespace holds one, in any form."""
        core, apps = f"/api/v1/namespaces/{self.namespace}", f"/apis/apps/v1/namespaces/{self.namespace}"
        kinds = ["deployments", "replicasets", "daemonsets", "statefulsets", "controllerrevisions"]
        for path in (f"{core}/secrets", f"{core}/configmaps", f"{core}/pods", *(f"{apps}/{kind}" for kind in kinds)):
            for item in self.stored(path)["items"]:
                assert not holds(json.dumps(item).encode()), f"{path}/{item['metadata']['name']}"

    def create_secret(self, name: str, **values: str) -> None:
        body = {"metadata": {"name": name}, "stringData": values or {"password": PASSWORD, "token": TOKEN}}
        assert self.both.cluster.request("POST", f"/api/v1/namespaces/{self.namespace}/secrets", body)[0] == 201

    def editor(self, script: str) -> str:
        """The path of an editor that runs a script of sed."""
        path = self.folder / "editor"
        path.write_text(f"#!/bin/sh\nexec sed -i '{script}' \"$1\"\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)
