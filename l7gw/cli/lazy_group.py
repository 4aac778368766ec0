"""A group of commands whose modules are imported only when one of them is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click


class LazyGroup(click.Group):
    """`functions` has for each command the module of `l7gw.cli` and the function in it, as `sessions.list.list_sessions`."""

    def __init__(self, *arguments: Any, functions: dict[str, str] | None = None, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._functions = functions or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._functions)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self._functions:
            return None
        module, _, function = self._functions[name].rpartition(".")
        command = getattr(importlib.import_module(f"l7gw.cli.{module}"), function)
        assert isinstance(command, click.Command)
        return command
