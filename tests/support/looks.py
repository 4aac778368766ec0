"""Drives a look by a table of answers, without a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

from l7gw.errors import Refusal
from l7gw.gateway.hold_views import Look, Subject, View
from l7gw.gateway.side_calls import Asked, SideAnswer
from l7gw.kube.requestinfo import describe
from l7gw.masking.sent.sent_body import format_of, read_as

T = TypeVar("T")
Answers = Callable[[Asked], SideAnswer | Refusal]


def subject(line: str, body: bytes = b"", content_type: str = "application/json", **more: Any) -> Subject:
    method, target = line.split(" ", 1)
    form = format_of(content_type)
    about: dict[str, Any] = {
        "method": method,
        "act": describe(method, target),
        "body": body,
        "content_type": content_type,
        "node": read_as(form, body) if body and form else None,
        "recorded": body,
        "mask": lambda data: data.replace(b"hunter2", b"masked"),
        "within": 10.0,
    }
    return Subject(**{**about, **more})


def said(value: Any, status: int = 200) -> SideAnswer:
    return SideAnswer(status, (("content-type", "application/json"),), json.dumps(value).encode())


def failed(status: int, message: str = "no") -> SideAnswer:
    return said({"kind": "Status", "message": message, "code": status}, status)


def seen(look: Look, answers: Answers | Mapping[str, SideAnswer | Refusal]) -> tuple[View, list[Asked]]:
    """The view, and all that was asked. `answers` may go by `METHOD path`; what it lacks is a 404."""
    return found(look, answers)


def found(
    look: Generator[Asked, SideAnswer | Refusal, T], answers: Answers | Mapping[str, SideAnswer | Refusal]
) -> tuple[T, list[Asked]]:
    """As `seen`, of whatever a look finds."""
    asked: list[Asked] = []
    try:
        one = next(look)
        while True:
            asked.append(one)
            if callable(answers):
                answer = answers(one)
            else:
                answer = answers.get(f"{one.method} {one.target.partition('?')[0]}", failed(404, "not found"))
            one = look.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value, asked
