"""`l7gw check`: what a configuration means, in plain words, or everything that is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, assert_never

import click

from l7gw.cli import check_clusters, check_identity, check_reviews
from l7gw.cli.options import config_option, output_option
from l7gw.config.certificates import all_ending
from l7gw.config.document import sized
from l7gw.config.hooks import PARTS
from l7gw.config.load import find, read
from l7gw.config.settings import Hook, Settings
from l7gw.errors import ConfigurationError, Problem
from l7gw.gateway.doubts import warnings_of
from l7gw.hooking.hooked import Hooked
from l7gw.hooking.loader import load_hooks
from l7gw.masking.configured import Configured, configured
from l7gw.policy.bind_faults import check_binds
from l7gw.policy.doubts import held_by, say_logins
from l7gw.policy.grants import in_words
from l7gw.policy.judge import Policy
from l7gw.policy.rules import Rule
from l7gw.recording import masking_key

Found = TypeVar("Found")

READABLE = "recordings are masked, but not encrypted in this version: what masking does not find is readable in"


@click.command(short_help="Say what a configuration means, or all that is wrong with it.")
@config_option
@output_option
def check(config: Path | None, output: str) -> None:
    """Say in plain words what the configuration and its policy mean; or name every mistake in both, with file and line.

    Nothing is started and nothing is asked over the network. Files that the configuration names are opened: run it as the
    user that the gateway will be.

    \b
    Exit status: 0 it can be used, 2 it cannot.

    \b
    l7gw check
    l7gw check --config ./l7gw.yaml
    l7gw check -o json | jq .problems
    """
    path = find(config)
    settings, policy_file, problems, hooks, masking = read(path)
    made = _without_mistakes(problems, lambda: configured(masking, path))
    detectors = made.names(hooks) if made is not None else None
    policy = _without_mistakes(problems, lambda: Policy.load(policy_file, detectors) if policy_file is not None else None)
    if settings is not None and policy is not None:
        _without_mistakes(problems, lambda: check_binds(policy, settings.policy, settings.clusters))
    key = ""
    if settings is not None:
        try:
            key = _fingerprint(settings)
        except OSError as error:
            problems.append(Problem(str(path), 0, f"`state`: {error}"))
    loaded = _without_mistakes(problems, lambda: load_hooks(hooks, path)) or ()
    files = [problem.file for problem in problems]
    problems.sort(key=lambda problem: (files.index(problem.file), problem.line))
    if problems or settings is None or policy is None or made is None:
        if output == "json":
            click.echo(json.dumps({"ok": False, "file": str(path), "problems": [_problem(p) for p in problems]}, indent=2))
            sys.exit(2)
        raise ConfigurationError(problems)
    warnings = [*warnings_of(settings, policy), *all_ending(settings)]
    if output == "json":
        click.echo(json.dumps(_document(settings, policy, key, made, loaded, warnings), indent=2))
        return
    for head, lines in _sections(settings, policy, key, made, loaded):
        for number, line in enumerate(lines):
            click.echo(f"{head if number == 0 else '':<15}{line}")
    for warning in warnings:
        click.echo(f"l7gw: {warning}", err=True)


def _without_mistakes(problems: list[Problem], read: Callable[[], Found]) -> Found | None:
    """What is read; None where it has mistakes, which are added to the problems."""
    try:
        return read()
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def _sections(
    settings: Settings, policy: Policy, key: str, masking: Configured, loaded: tuple[Hooked, ...]
) -> Iterator[tuple[str, list[str]]]:
    yield "Configuration", [f"{settings.path} can be used"]
    yield "Listens on", [f"{_address(*address)}, as {settings.tls.certificate}" for address in settings.listen]
    callers = [line for entry in settings.identity for line in check_identity.lines(entry)]
    yield "Lets in", callers
    for cluster in settings.clusters.values():
        yield f"Cluster {cluster.name}", check_clusters.lines(cluster, policy)
    guardrails, rules = _count(policy.guardrails, "guardrail"), _count(policy.rules, "rule")
    yield "Policy", [f"{settings.policy}: {guardrails}, {rules}; what no rule allows is denied"]
    yield "Recording", [f"in {settings.state}; {_durable(settings)}; calls stop below {sized(settings.recording.reserve)} free"]
    asked_for = [f"may be asked for: {in_words(entry)}" for entry in policy.grants]
    yield "Approvals", [*_approvals(settings), *_owners(settings, policy), *asked_for]
    yield "Masking", [_masking(key), _detectors(settings, masking)]
    if loaded:
        yield "Hooks", [_hook(hook, found) for hook, found in zip(settings.hooks, loaded, strict=True)]
    yield "Mind", [f"{READABLE} {settings.state}"]


def _approvals(settings: Settings) -> list[str]:
    root = "is an approval without a credential" if settings.reviews_local else "approves nothing without a credential"
    lines = [f"{settings.most_holds} calls of one principal may wait for one; root on this machine {root}"]
    if settings.store is not None:
        lines.append(
            f"they are kept in {settings.store.place}{', whose certificate is verified' if settings.store.verified else ''}"
        )
    group = f", the members of {settings.socket_group}" if settings.socket_group else ""
    lines.append(
        f"they are answered at {settings.socket_path}, by root and the gateway's user{group}; "
        "or with --server and a token or certificate"
    )
    lines += check_reviews.lines(settings)
    if settings.people:
        count = len(settings.people)
        lines.append(f"{count} {'person has' if count == 1 else 'people have'} several names, and none approves an own call")
    return lines


def _owners(settings: Settings, policy: Policy) -> list[str]:
    """A sentence about rules by which the owner of an agent approves; none where there are no such rules."""
    if not _asks_owners(policy):
        return []
    issuers = " and ".join(say_logins(settings.identity)) or "no issuer"
    return [
        f"owners of agents approve within ten minutes of their login, by tokens of {issuers}: of an issuer whose tokens have no "
        "claim auth_time nobody can, and only a token shows that"
    ]


def _asks_owners(policy: Policy) -> bool:
    return any((held := held_by(rule)) is not None and held.reviewers.owner for rule in (*policy.guardrails, *policy.rules))


def _fingerprint(settings: Settings) -> str:
    """Of the masking key; "" where the gateway has not made one yet. Raises OSError where it cannot be used."""
    try:
        return masking_key.fingerprint(masking_key.read(settings.state))
    except FileNotFoundError:
        return ""


def _masking(fingerprint: str) -> str:
    where = f"the key {masking_key.FOLDER}/{masking_key.NAME} in the state"
    return f"{where} has the fingerprint {fingerprint}" if fingerprint else f"{where} is made at the first start"


def _detectors(settings: Settings, masking: Configured) -> str:
    on = masking.scanners.on
    off = sorted(masking.names() - on)
    own, tests, fields = len(settings.masking.patterns), len(settings.masking.tests), len(settings.masking.fields)
    words = [
        f"{len(on)} detectors are on",
        f"patterns of your own: {own}" if own else "",
        f"off: {', '.join(off)}" if off else "",
        f"{fields} {'field is' if fields == 1 else 'fields are'} masked" if fields else "",
        f"values of Secrets {'are' if masking.registry else 'are not'} recognised elsewhere",
        f"{tests} {'test of masking holds' if tests == 1 else 'tests of masking hold'}" if tests else "",
    ]
    return "; ".join(filter(None, words))


def _hook(hook: Hook, loaded: Hooked) -> str:
    sees = "before masking" if hook.raw else "masked"
    return f"{hook.name}: {hook.module}:{hook.class_name} in {hook.path}, for {', '.join(_parts(loaded))}; it sees data {sees}"


def _parts(hook: Hooked) -> list[str]:
    return [part for part in PARTS if part in hook.parts]


def _count(rules: tuple[Rule, ...], word: str) -> str:
    return f"{len(rules) or 'no'} {word}{'' if len(rules) == 1 else 's'}"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _durable(settings: Settings) -> str:
    durable = settings.recording.durable
    match durable:
        case "none":
            return "no call waits for the disk"
        case "writes":
            return "what changes something is on the disk before it is forwarded"
        case "all":
            return "every call is on the disk before it is forwarded"
        case _:
            assert_never(durable)


def _document(
    settings: Settings, policy: Policy, key: str, masking: Configured, loaded: tuple[Hooked, ...], warnings: list[str]
) -> dict[str, Any]:
    return {
        "ok": True,
        "file": str(settings.path),
        "listen": [_address(*address) for address in settings.listen],
        "identity": [check_identity.document(entry) for entry in settings.identity],
        "clusters": [check_clusters.document(cluster, policy) for cluster in settings.clusters.values()],
        "policy": {"file": str(settings.policy), **policy.counts},
        "recording": {"durable": settings.recording.durable, "reserve": settings.recording.reserve, "encrypted": False},
        "approvals": {
            "holds": settings.most_holds,
            "store": "sqlite" if settings.store is None else settings.store.place,
            "local": settings.reviews_local,
            "people": [{"user": one.user, "also": list(one.also)} for one in settings.people],
            **({"owners": say_logins(settings.identity)} if _asks_owners(policy) else {}),
            **check_reviews.document(settings),
        },
        "masking": {"key": key or None, "detectors": sorted(masking.scanners.on), "registry": masking.registry},
        "hooks": [_hook_document(hook, found) for hook, found in zip(settings.hooks, loaded, strict=True)],
        "state": str(settings.state),
        "warnings": warnings,
        "problems": [],
    }


def _hook_document(hook: Hook, loaded: Hooked) -> dict[str, Any]:
    return {
        "name": hook.name,
        "object": f"{hook.module}:{hook.class_name}",
        "path": str(hook.path),
        "raw": hook.raw,
        "for": _parts(loaded),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "what": problem.what, "hint": problem.hint}
