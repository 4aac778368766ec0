"""What one step of the tour shows, and what the steps of both clients share."""

from __future__ import annotations

from dataclasses import dataclass

GREETING = b"hello from inside the pod\n"
SHELL = ["cat etc/motd", "echo $((6 * 7))", "exit"]  # typed into the pod's shell
MANIFEST = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "greeting", "namespace": "default"},
    "data": {"text": "hello"},
}


@dataclass
class Shown:
    """What one step of the tour brought: the command as it would be typed, its exit status and output."""

    command: str
    status: int
    output: str
    expected: int = 0
