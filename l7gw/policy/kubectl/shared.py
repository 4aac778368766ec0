"""What several commands of kubectl do alike."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.policy.kubectl.calls import SOME, Asked, Call, described
from l7gw.policy.kubectl.manifests import Manifest
from l7gw.policy.kubectl.resources import Resource
from l7gw.policy.kubectl.words import NotRead


def manifests(asked: Asked, command: str) -> list[Manifest]:
    if asked.objects is None:
        raise NotRead(f"{command} needs a file", f"kubectl {command} -f web.yaml, and `object: FILE` where it is not that file")
    return asked.objects


def reads(asked: Asked, arguments: list[str]) -> list[Call]:
    """Reading each object that is named or, of those that a selector chooses, listing them."""
    return [
        asked.call("list" if name == SOME else "get", resource, "" if name == SOME else name)
        for resource, name in asked.named(arguments, some=True)
    ]


def each(asked: Asked, arguments: list[str], made: Callable[[Resource, str], list[Call]]) -> list[Call]:
    """For each object that is named: it is read, then `made` for it."""
    if asked.client_only:
        return reads(asked, arguments)
    named = asked.named(arguments, some=True)
    return [*reads(asked, arguments), *(call for resource, name in named for call in made(resource, name))]


def raw_call(method: str, target: str) -> Call:
    path, _, query = target.partition("?")
    pairs = [(key, value) for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)]
    return Call(method, described(method, path, pairs))
