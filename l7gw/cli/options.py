"""Options that several commands share, with the same names and help texts."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(readable=False, path_type=Path),
    help="The configuration; else $L7GW_CONFIG, else /etc/l7gw/l7gw.yaml.",
)
table_option = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="json: one document.")
output_option = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: one document.")
states_option = click.option(
    "--state",
    "states",
    metavar="DIR",
    type=click.Path(readable=False, path_type=Path),
    multiple=True,
    help="A gateway's state; several where several serve the cluster.",
)
