"""`l7gw version`: what runs here, for reports and for audits."""

from __future__ import annotations

import json
import platform
import ssl
import sys
from importlib.metadata import version as version_of
from pathlib import Path

import click

import l7gw
from l7gw.cli.options import output_option


@click.command(short_help="Say which l7gw this is, with its Python and OpenSSL.")
@output_option
def version(output: str) -> None:
    """Say which l7gw this is, the Python that runs it, the OpenSSL that speaks TLS, and where it is installed.

    \b
    l7gw version
    l7gw version -o json | jq -r .openssl
    """
    found = told()
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"l7gw {found['version']}")
    click.echo(f"Python {found['python']} ({found['executable']})")
    click.echo(f"{found['openssl']} for TLS; {found['openssl_certificates']} for certificates and tokens")
    click.echo(f"installed in {found['path']}")


def told() -> dict[str, str]:
    """What the command says, by name."""
    from cryptography.hazmat.backends.openssl import backend  # it takes 60 ms to import

    return {
        "version": version_of("l7gw"),
        "python": platform.python_version(),
        "executable": sys.executable,
        "openssl": ssl.OPENSSL_VERSION,
        "openssl_certificates": backend.openssl_version_text(),
        "path": str(Path(l7gw.__file__).parent),
    }
