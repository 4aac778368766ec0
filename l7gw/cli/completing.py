"""What a shell completes: the ids of sessions, and the names of clusters, users, groups and rules, where it is asked for one."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import click
import yaml
from click.shell_completion import CompletionItem

from l7gw.cli.state import the_state
from l7gw.errors import ConfigurationError
from l7gw.quantities import many
from l7gw.recording.session_list import Summary, summaries
from l7gw.recording.terminal.unseen import safe

DEFAULT = "/etc/l7gw/l7gw.yaml"  # as in config/load.py, which takes longer to load than what is looked up here
FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What a shell takes as it stands, and no option: it is put into the command line of whoever completes, and callers choose the
# names that are recorded (`x;id`, `$(id)`). What has a star is a pattern, and no name.
WORD = re.compile(r"[\w@][\w.@:/+,=%-]*")
WORDS = re.compile(rf"{WORD.pattern}(?: {WORD.pattern})*")
IN_BASH = "\\\\ "  # a space that bash shall escape: `read` in click's script takes one backslash of two
MOST = 50  # ids, the newest; a shell shows no more on one screen


def sessions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The sessions whose id begins so, newest first, with who, where, when (local time) and how many calls. None where the state
    cannot be read: nobody is told why while he types."""
    with suppress(OSError, SystemExit, ConfigurationError), redirect_stderr(StringIO()):
        given: dict[str, Path | None] = ctx.params
        found = summaries(the_state(given.get("config"), given.get("state")))
        mine = [one for one in found if one.id.startswith(incomplete.lower())][:MOST]
        return [CompletionItem(one.id, help=safe(_about(one))) for one in mine]
    return []


def sessions_and_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The same, and files and folders where no session's id begins so."""
    return sessions(ctx, param, incomplete) or [CompletionItem(incomplete, type="file")]


def _about(one: Summary) -> str:
    """`ann@example.com on prod, 2026-11-28 09:02, 12 calls`."""
    who = "failed log-ins" if one.started.attempts else one.started.user
    when = datetime.datetime.fromtimestamp(one.started.time / 1e6).strftime("%Y-%m-%d %H:%M")
    return f"{who} on {one.started.cluster}, {when}, {many(one.exchanges, 'call')}"


def clusters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The clusters whose name begins so, in the configuration's order. None where the configuration cannot be read."""
    found = _written(ctx)[0].get("clusters")
    return _those(found if isinstance(found, dict) else (), incomplete)


def users(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The users that the policy and `identity[].aws.map` name in full, and those of the newest sessions."""
    configuration, policy = _written(ctx)
    recorded: list[str] = []
    with suppress(OSError, SystemExit, ConfigurationError, AttributeError), redirect_stderr(StringIO()):
        given: dict[str, Path | None] = ctx.params
        recorded = [one.started.user for one in summaries(the_state(given.get("config"), given.get("state")))[:MOST]]
    return _those([*_named(policy, ("users", "user")), *_named(configuration.get("identity"), ("user",)), *recorded], incomplete)


def groups(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The groups that the policy names in full."""
    return _those(_named(_written(ctx)[1], ("groups", "group")), incomplete)


def rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the policy's rules and guardrails. Bash takes what is offered as it stands, so that spaces are escaped for it,
    unless the word that is typed began with a quote; zsh and fish do that themselves."""
    policy = _written(ctx)[1]
    written = [policy.get(part) for part in ("guardrails", "rules")] if isinstance(policy, dict) else []
    found = [one.get("name") for part in written if isinstance(part, list) for one in part if isinstance(one, dict)]
    names = [name for name in found if isinstance(name, str) and WORDS.fullmatch(name) and name.startswith(incomplete)]
    escapes = os.environ.get("_L7GW_COMPLETE", "").startswith("bash") and not _is_quoted()
    space = IN_BASH if escapes else " "
    return [CompletionItem(name.replace(" ", space)) for name in dict.fromkeys(names)][:MOST]


def _is_quoted() -> bool:
    """Whether the word that bash completes began with a quote."""
    words, place = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    return place.isdecimal() and words[int(place) : int(place) + 1] != [] and words[int(place)][:1] in ("'", '"')


def _those(names: Iterable[object], incomplete: str) -> list[CompletionItem]:
    """The names that begin so, each once, of those that are one WORD."""
    found = dict.fromkeys(name for name in names if isinstance(name, str) and WORD.fullmatch(name) and safe(name) == name)
    return [CompletionItem(name) for name in found if name.startswith(incomplete)][:MOST]


def _written(ctx: click.Context) -> tuple[dict[str, Any], Any]:
    """The configuration and its policy as they are written: nothing is checked, as that would take longer than somebody waits who
    types. Empty where they cannot be read."""
    configuration: Any = {}
    policy: Any = {}
    with suppress(OSError, yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError):
        given: dict[str, Path | None] = ctx.params
        path = (given.get("config") or Path(os.environ.get("L7GW_CONFIG") or DEFAULT)).absolute()
        configuration = yaml.load(path.read_text(), FAST)
        policy = yaml.load((given.get("file") or path.parent / configuration["policy"]).read_text(), FAST)
    return configuration if isinstance(configuration, dict) else {}, policy


def _named(node: object, keys: tuple[str, ...]) -> Iterator[object]:
    """What stands at these keys, anywhere in a document."""
    if isinstance(node, list):
        for one in node:
            yield from _named(one, keys)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in keys and not isinstance(value, dict):
                yield from value if isinstance(value, list) else (value,)
            else:
                yield from _named(value, keys)
