"""`l7gw serve`: run the gateway."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from l7gw.cli.options import config_option
from l7gw.config.load import find
from l7gw.os_faults import told
from l7gw.supervisor.logs import Stdout, to_stderr
from l7gw.supervisor.serve import serve as run


@click.command(short_help="Run the gateway.")
@config_option
@click.option("--verbose", "-v", is_flag=True, help="Log why: what refused a 401, a 403 or a 502 (level debug).")
def serve(config: Path | None, verbose: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Prints `l7gw: ready on ADDRESS` when it listens, and `l7gw: not ready for tokens of ISSUER: WHY` where an issuer's keys cannot
    be had yet; its log goes to stderr. SIGHUP reads the configuration again, all but `listen` and `state`. The first SIGTERM lets
    running calls end (short ones 30 s, streams 60 s), a second ends at once.

    In this version recordings are masked, but not encrypted yet: what masking does not find is readable in `state`.
    """
    out, gateway_log = Stdout(), to_stderr(verbose=verbose)
    fault: OSError | None = None
    try:
        run(find(config), out.say, gateway_log)
    except OSError as error:
        fault = error
    finally:
        out.close()
        gateway_log.close()
    if fault is not None:
        click.echo(f"l7gw: {told(fault, named=True)}", err=True)
        sys.exit(2)
