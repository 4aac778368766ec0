"""Objects, masked for tests: with a scanner that finds one shape of token, and without a registry unless one is given."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from l7gw.config.settings import MaskingField
from l7gw.kube.act import Act
from l7gw.kube.objects import json_nodes
from l7gw.kube.objects.node import View
from l7gw.kube.requestinfo import describe
from l7gw.masking.detectors.marks import Expression, Marks
from l7gw.masking.find import Find
from l7gw.masking.objects.hiding import Masked
from l7gw.masking.objects.objects import ObjectMasker, Registered
from l7gw.masking.placeholder import Tagger
from l7gw.obligations import NO_OBLIGATIONS, Obligations

KEY = b"k" * 32
TOKEN = re.compile(rb"tok_[0-9a-z]{8}")
KEYWORD = re.compile(rb"password=([^\s\"&;]+)")


@dataclass(frozen=True)
class Found:
    detector: str
    start: int
    end: int
    others: tuple[str, ...] = ()


class TokenScanner:
    """Finds `tok_` and eight characters, a token of a fixed shape, and what stands behind `password=`."""

    def may_hold(self, data: bytes) -> bool:
        return b"tok_" in data or b"password=" in data

    def may_hold_text(self, text: str) -> bool:
        return self.may_hold(text.encode("utf-8", "surrogateescape"))

    def marks(self, beside: Sequence[Expression], size: int) -> Marks | None:
        return None

    def scan(self, data: bytes, *, sent: bool = False) -> list[Found]:
        found = [Found("test-token", m.start(), m.end()) for m in TOKEN.finditer(data)]
        if not sent:
            found += [Found("password", m.start(1), m.end(1)) for m in KEYWORD.finditer(data)]
        return sorted(found, key=lambda one: one.start)


def act_of(line: str) -> Act:
    """The act of `GET /api/v1/...`."""
    method, target = line.split(" ", 1)
    return describe(method, target)


def masker(
    line: str,
    obligations: Obligations = NO_OBLIGATIONS,
    *,
    registry: Registered | None = None,
    sender: str = "",
    fields: tuple[MaskingField, ...] = (),
) -> ObjectMasker:
    return ObjectMasker(
        key=KEY,
        cluster="test",
        act=act_of(line),
        obligations=obligations,
        scanner=TokenScanner(),
        registry=registry,
        sender=sender,
        fields=fields,
    )


@dataclass(frozen=True)
class Result:
    """A body, masked. `shown` and `recorded` are read, `done` has the finds, `bytes_shown` are the bytes."""

    done: Masked
    bytes_shown: bytes
    bytes_recorded: bytes

    @property
    def finds(self) -> list[Find]:
        return self.done.finds

    @property
    def shown(self) -> Any:
        return json.loads(self.bytes_shown)

    @property
    def recorded(self) -> Any:
        return json.loads(self.bytes_recorded)

    @property
    def places(self) -> dict[str, str]:
        """Of each find the path and the detector."""
        return {find.where: find.detector for find in self.finds}


def mask(
    line: str,
    body: object,
    obligations: Obligations = NO_OBLIGATIONS,
    *,
    registry: Registered | None = None,
    sender: str = "",
    where_prefix: str = "",
    listed: str = "",
    fields: tuple[MaskingField, ...] = (),
) -> Result:
    """The answer to a request, masked. `body` is written as JSON where it is no bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    node = json_nodes.read(data, strict=False)
    done = masker(line, obligations, registry=registry, sender=sender, fields=fields).mask(
        node, where_prefix=where_prefix, listed=listed
    )
    views: tuple[View, View] = ("shown", "recorded")
    shown, recorded = (node.render(view) for view in views)
    return Result(done, shown, recorded)


def placeholder(detector: str, value: str | bytes, namespace: str = "shop") -> str:
    raw = value.encode() if isinstance(value, str) else value
    return Tagger(KEY, "test", namespace).placeholder(detector, raw)


def b64(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def forms(value: bytes) -> Iterator[bytes]:
    """The value in the encodings that masking promises to find."""
    yield value
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + value)
        yield whole[(before * 8 + 5) // 6 : (before * 8 + len(value) * 8) // 6]
    yield value.hex().encode()
    yield json.dumps(value.decode())[1:-1].encode()
