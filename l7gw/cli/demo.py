"""`l7gw demo`: the guided tour on an embedded cluster."""

from __future__ import annotations

import asyncio
import sys

import click


@click.command(short_help="A guided tour on an embedded cluster.")
@click.option("--keep", is_flag=True, help="Stay up after the tour and say what to type.")
def demo(keep: bool) -> None:
    """Start a cluster in memory, an identity provider and the gateway on loopback, and show what the gateway does.

    The tour is kubectl's own traffic where kubectl is on PATH, else that of the Python Kubernetes client. Needs the extra
    `l7gw[demo]`, which `make demo` installs. Everything lives in a temporary folder and goes with Ctrl-C.
    """
    try:
        from l7gw.demo.run import demo as run
    except ModuleNotFoundError as missing:
        click.echo(f"l7gw: the demo needs {missing.name}\n  hint: pip install 'l7gw[demo]', or make demo", err=True)
        sys.exit(2)
    sys.exit(asyncio.run(run(keep=keep)))
