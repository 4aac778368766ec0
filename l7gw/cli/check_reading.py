"""Everything that a configuration names, read, with every mistake in it; and how `l7gw check` ends where there is one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import click

from l7gw.config.load import read
from l7gw.config.settings import Settings
from l7gw.errors import ConfigurationError, Problem
from l7gw.hooking.hooked import Hooked
from l7gw.hooking.loader import load_hooks
from l7gw.masking.configured import Configured, configured
from l7gw.os_faults import told
from l7gw.policy.bind_faults import check_binds
from l7gw.policy.judge import Policy
from l7gw.recording import masking_key

Found = TypeVar("Found")


class Read(NamedTuple):
    """What was read: all of it where there is no problem. Problems stand in the order of the files and their lines."""

    path: Path
    problems: list[Problem]
    settings: Settings | None
    policy: Policy | None
    key: str  # the fingerprint of the masking key
    masking: Configured | None
    hooks: tuple[Hooked, ...]


def read_all(path: Path) -> Read:
    """Read everything that the configuration names, and note every mistake."""
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
            problems.append(Problem(str(path), 0, f"`state`: {told(error)}"))
    loaded = _without_mistakes(problems, lambda: load_hooks(hooks, path)) or ()
    files = [problem.file for problem in problems]
    problems.sort(key=lambda problem: (files.index(problem.file), problem.line))
    return Read(path, problems, settings, policy, key, made, loaded)


def refuse(it: Read, output: str, *, online: bool) -> NoReturn:
    """End with what is wrong. Raises ConfigurationError, or ends with status 2 after a document."""
    if output != "json":
        raise ConfigurationError(it.problems)
    if online:
        from l7gw.cli.check_online import told_unreadable

        click.echo(told_unreadable(it.path, it.problems))
    else:
        click.echo(json.dumps({"ok": False, "file": str(it.path), "problems": [_problem(p) for p in it.problems]}, indent=2))
    sys.exit(2)


def _without_mistakes(problems: list[Problem], read: Callable[[], Found]) -> Found | None:
    """What is read; None where it has mistakes, which are added to the problems."""
    try:
        return read()
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def _fingerprint(settings: Settings) -> str:
    """Of the masking key; "" where the gateway has not made one yet. Raises OSError where it cannot be used."""
    try:
        return masking_key.fingerprint(masking_key.read(settings.state))
    except FileNotFoundError:
        return ""


def _problem(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "what": problem.what, "hint": problem.hint}
