"""`l7gw serve`: run the gateway."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from l7gw.cli.check import READABLE
from l7gw.cli.options import config_option
from l7gw.config.load import find
from l7gw.supervisor.logs import to_stderr
from l7gw.supervisor.serve import serve as run


@click.command(short_help="Run the gateway.")
@config_option
@click.option("--verbose", "-v", is_flag=True, help="Log what happens to each connection.")
def serve(config: Path | None, verbose: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Prints `l7gw: ready on ADDRESS` when it listens, and `l7gw: not ready for tokens of ISSUER: WHY` where an issuer's keys cannot
    be had yet; its log goes to stderr. SIGHUP reads the configuration again, all but `listen` and `state`. The first SIGTERM lets
    running calls end (short ones 30 s, streams 60 s), a second ends at once.

    In this version recordings are masked, but not encrypted yet: what masking does not find is readable in `state`.
    """
    to_stderr(verbose=verbose)
    click.echo(f"l7gw: {READABLE} `state`", err=True)
    try:
        run(find(config), _say)
    except OSError as error:
        click.echo(f"l7gw: {error}", err=True)
        sys.exit(2)


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever started the gateway read that it is ready, and closed the pipe
        click.echo(f"l7gw: {line}")
        sys.stdout.flush()
