"""A scripted cluster that keeps RoleBindings of one namespace, and answers everything else with an empty object."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.scripted_upstream import Visit

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"


class BindingsCluster:
    """Keeps the bindings of one namespace. `fault` may answer a request that makes or removes one; `asked` are all requests in
    their order, as METHOD and path."""

    def __init__(self) -> None:
        self.bindings: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.fault: Callable[[str, str], bytes | None] = lambda method, path: None

    def __call__(self, visit: Visit) -> None:
        while head := visit.head():
            head, _, body = head.rpartition(b"\r\n\r\n") if head.endswith(b"\r\n\r\n") else head.partition(b"\r\n\r\n")
            line = head.rpartition(b"\r\n\r\n")[2].split(b"\r\n")[0].decode()
            length = int((re.findall(rb"content-length: (\d+)", head, re.IGNORECASE) or [b"0"])[-1])
            while len(body) < length and visit.more():
                body = bytes(visit.received).rpartition(b"\r\n\r\n")[2]
            visit.received.clear()
            visit._read = 0
            method, target, _ = line.split(" ")
            path = target.partition("?")[0]
            self.asked.append(f"{method} {path}")
            told = self.fault(method, path) if path.startswith(BINDINGS) else None
            if told == b"":
                return  # the connection ends within the answer
            visit.send(told or self._answer(method, path, body))

    def _answer(self, method: str, path: str, body: bytes) -> bytes:
        name = path.removeprefix(BINDINGS).lstrip("/") if path.startswith(BINDINGS) else None
        if name is None:
            return said(200, {})
        if method == "POST":
            made = json.loads(body)
            if made["metadata"]["name"] in self.bindings:
                return said(409, {"kind": "Status", "message": "it is there", "reason": "AlreadyExists"})
            self.bindings[made["metadata"]["name"]] = made
            return said(201, made)
        if method == "DELETE":
            return said(200 if self.bindings.pop(name, None) else 404, {"kind": "Status"})
        return said(200, {"kind": "RoleBindingList", "items": list(self.bindings.values())})

    def at(self, begin: str) -> list[int]:
        return [number for number, line in enumerate(self.asked) if line.startswith(begin)]


def said(status: int, body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data
