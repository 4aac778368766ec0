"""`l7gw login`: kubectl's exec credential plugin, and what a person types to log in and out. `login/quick.py` answers before this
is loaded where a good token is kept."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import NoReturn

import click

from l7gw.clock import SystemClock
from l7gw.login import exec_credential
from l7gw.login.cache import Cache
from l7gw.login.exec_credential import Asked
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Https
from l7gw.login.issuer import checked_issuer
from l7gw.login.keeper import Keeper
from l7gw.login.kept import Kept
from l7gw.login.wanted import ACCESS, ID, MOST_PORT, Wanted, gateway_of
from l7gw.login.world import World, browse
from l7gw.name_rules import visible
from l7gw.os_faults import told


@click.command(short_help="Log in at an OIDC issuer; kubectl's exec credential plugin.")
@click.option("--issuer", metavar="URL", required=True, help="The issuer, exactly as it stands in its tokens (iss).")
@click.option("--client-id", metavar="ID", required=True, help="The public client by which people log in.")
@click.option("--gateway", metavar="HOST:PORT", default="", help="Where the token is for; else as kubectl says.")
@click.option("--scope", "scopes", metavar="S", multiple=True, help="Scopes; default: openid offline_access.")
@click.option("--token", type=click.Choice([ID, ACCESS]), default=ID, help="Which token the gateway is to get; default: id.")
@click.option("--certificate-authority", "authority", metavar="FILE", default="", help="Who signed the issuer's certificate.")
@click.option("--port", type=click.IntRange(1, MOST_PORT), metavar="N", help="Where the browser comes back to; default: any.")
@click.option("--device", is_flag=True, help="Log in at another machine's browser, by a code to type there.")
@click.option("--logout", is_flag=True, help="End the login here, and at the issuer where it can.")
def login(*, scopes: tuple[str, ...], logout: bool, port: int | None, **given: str) -> None:
    """Log in at an OIDC issuer, by the browser or with --device by a code.

    Called by kubectl it prints the token as an ExecCredential, renewed where it is about to end; without a terminal it asks
    nothing. By hand it says who is logged in. `l7gw kubeconfig CLUSTER --login` writes the block that calls it.

    \b
    l7gw login --issuer https://idp.example.com --client-id kubectl --gateway gw.example.com:8443
    l7gw login --issuer https://idp.example.com --client-id kubectl --device
    l7gw login --issuer https://idp.example.com --client-id kubectl --gateway gw.example.com:8443 --logout
    """
    try:
        asked = _asked()
        wanted = Wanted(scopes=scopes, port=port or 0, **given)  # type: ignore[arg-type]  # `device` is a flag, click's types are not seen
        wanted.gateway = wanted.gateway or gateway_of(asked.server if asked is not None else "")
        checked_issuer(wanted.issuer)
        _check_texts(wanted)
        cache = Cache(make=True)
        keeper = Keeper(wanted, cache, Https(wanted.authority), _world())
        if logout:
            _logged_out(keeper, wanted)
        else:
            may_ask = asked is None or (asked.interactive and sys.stdin.isatty())
            _told(keeper.login(may_ask=may_ask), wanted, asked)
    except LoginFailed as failure:
        _fail(str(failure))
    except OSError as error:
        _fail(f"the cache of logins cannot be used: {told(error, named=True)}")


def _check_texts(wanted: Wanted) -> None:
    """Raises LoginFailed for an option that is no text: the command line and KUBERNETES_EXEC_INFO can hold any bytes."""
    for option, text in (("--client-id", wanted.client_id), ("--gateway", wanted.gateway), ("--scope", "".join(wanted.scopes))):
        if visible(text) != text:
            raise LoginFailed(f"{option} has characters that nobody can see or that are no text")


def _world() -> World:
    return World(clock=SystemClock(), say=lambda words: click.echo(f"l7gw: {words}", err=True), browse=browse, sleep=asyncio.sleep)


def _asked() -> Asked | None:
    """How kubectl asks; None where a person does."""
    told = os.environ.get(exec_credential.VARIABLE)
    if not told:
        return None
    try:
        return exec_credential.read(told)
    except ValueError as error:
        raise LoginFailed(str(error)) from None


def _told(kept: Kept, wanted: Wanted, asked: Asked | None) -> None:
    token, ends = kept.token_for(wanted)
    if asked is not None:
        renew = kept.renew_at(ends)
        # Where the issuer is not reached, a token is used to its end.
        expires = renew if renew > time.time() else ends
        click.echo(exec_credential.written(asked.api_version, token, expires))
        return
    until = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(ends))
    renewed = ", and it is renewed until the issuer ends it" if kept.refresh_token else ""
    click.echo(f"{kept.user or 'somebody'} is logged in at {wanted.issuer}{_for(wanted)}; the token is good until {until}{renewed}")


def _logged_out(keeper: Keeper, wanted: Wanted) -> None:
    left = keeper.logout()
    if left is None:
        click.echo(f"nobody is logged in at {wanted.issuer}{_for(wanted)}")
        return
    click.echo(f"logged out of {wanted.issuer}{_for(wanted)}")
    if left:
        _fail(f"the login is gone from this machine, and goes on at the issuer until it ends by itself: {left}")


def _for(wanted: Wanted) -> str:
    return f" for {wanted.gateway}" if wanted.gateway else ""


def _fail(words: str) -> NoReturn:
    click.echo(f"l7gw: {words}", err=True)
    sys.exit(1)
