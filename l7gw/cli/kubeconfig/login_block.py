"""The block of a kubeconfig that has kubectl call `l7gw login`."""

from __future__ import annotations

from pathlib import Path

import click

from l7gw.config.settings import OidcIssuer, Settings
from l7gw.login.wanted import Wanted

API_VERSION = "client.authentication.k8s.io/v1"  # kubectl 1.22 and later
HINT = "l7gw is not on this machine's PATH. It is the command that logs you in: whoever runs the gateway has it for you."


def user_of(settings: Settings, issuer: str | None, address: str, command: str) -> dict[str, object]:
    """The `user` of a kubeconfig: the exec block for the issuer that has a `login`, or for the one that is named. `command` is
    what kubectl calls. Raises UsageError."""
    found = [one for one in settings.identity if isinstance(one, OidcIssuer) and one.login is not None]
    chosen = [one for one in found if issuer in (None, one.issuer)]
    if not found:
        raise click.UsageError(
            "no issuer of the configuration has a `login`\n  hint: identity: - oidc: {..., login: {client-id: ...}}"
        )
    if len(chosen) != 1:
        one_of = " or ".join(dict.fromkeys(one.issuer for one in found))
        raise click.UsageError(f"which issuer is meant is not clear\n  hint: --issuer, one of {one_of}, with one `login` each")
    if "/" in command and not command.startswith("/"):  # kubectl would look for it beside the kubeconfig
        raise click.UsageError(f"--login-command {command} is a relative path\n  hint: a name on PATH, or a path from the root")
    return {"exec": {**_block(chosen[0], address), "command": command}}


def _block(issuer: OidcIssuer, address: str) -> dict[str, object]:
    assert issuer.login is not None
    authority = issuer.certificate_authority
    wanted = Wanted(
        issuer=issuer.issuer,
        client_id=issuer.login.client_id,
        scopes=issuer.login.scopes,
        token=issuer.login.token,
        authority=str(authority.resolve()) if authority is not None else "",
        gateway=address,
        port=issuer.login.port,
    )
    if authority is not None:
        _say_where(authority)
    return {
        "apiVersion": API_VERSION,
        "args": ["login", *wanted.arguments()],
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": False,  # --gateway says which gateway it is
        "installHint": HINT,
    }


def _say_where(authority: Path) -> None:
    click.echo(
        f"l7gw: the kubeconfig names {authority.resolve()}, which is the issuer's authority: each client needs that file there",
        err=True,
    )
