"""Which policy a command of `l7gw policy` is about: a file of its own, a configuration's, or the one as if it were the other's."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from l7gw.cli.options import config_option
from l7gw.config.load import find, load
from l7gw.config.settings import Settings
from l7gw.masking.configured import configured
from l7gw.policy.judge import Policy

F = TypeVar("F", bound=Callable[..., Any])

policy_option = click.option(
    "--policy",
    "file",
    metavar="FILE",
    type=click.Path(readable=False, path_type=Path),
    help="A policy, in place of the configuration's.",
)


def file_options(command: F) -> F:
    """Adds `--policy` and `--config`, which may stand beside each other."""
    return policy_option(config_option(command))


@dataclass(frozen=True)
class Chosen:
    """A policy's file. `settings` are the configuration beside which it is read, None where it is read alone: then nobody knows
    which clusters and identities there are."""

    path: Path
    settings: Settings | None

    def load(self) -> Policy:
        """The policy. Raises ConfigurationError."""
        return Policy.load(self.path, self.detectors)

    @property
    def detectors(self) -> Collection[str] | None:
        """The names of the configuration's detectors; None of a policy alone."""
        made = self.settings
        return None if made is None else configured(made.masking, made.path).names(made.hooks)


def chosen(file: Path | None, config: Path | None) -> Chosen:
    """A file alone is read alone. With `--config`, or without a file, the configuration is read too. Raises ConfigurationError."""
    settings = load(find(config)) if file is None or config is not None else None
    if file is not None:
        return Chosen(file.absolute(), settings)
    assert settings is not None
    return Chosen(settings.policy, settings)
