"""The result of one step of the tour, and what the steps with kubectl and with Python share."""

from __future__ import annotations

from dataclasses import dataclass

GREETING = b"hello from inside the pod\n"
SHELL = ["cat etc/motd", "echo $((6 * 7))", "exit"]  # typed into the pod's shell
SHOP = "shop"  # the namespace that is deleted; it has a pod, and a claim with a volume
MANIFEST = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "greeting", "namespace": "default"},
    "data": {"text": "hello"},
}


@dataclass
class Shown:
    """The result of one step: the command as people type it, its exit status and its output."""

    command: str
    status: int
    output: str
    expected: int = 0
