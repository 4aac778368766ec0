"""`l7gw init`: everything that a first gateway needs, in one folder, and what to type then."""

from __future__ import annotations

import getpass
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from l7gw.cli.init import files as init_files
from l7gw.cli.init import wanted as init_wanted
from l7gw.cli.init.reached import reached
from l7gw.cli.init.wanted import Cluster, Issuer, Wanted, wrong
from l7gw.cli.init.words import told
from l7gw.errors import ConfigurationError

A_FILE = click.Path(readable=False, path_type=Path)
NOT_ASKED = "--yes takes the defaults; without a terminal nobody can be asked"


@click.command(short_help="Write what a first gateway needs, and say what to type.")
@click.argument("folder", type=A_FILE, default=Path())
@click.option(
    "--kubeconfig", metavar="FILE", type=A_FILE, help="An administrator's: server and CA are taken from it, and no credential."
)
@click.option("--context", metavar="NAME", help="Of it; else its current one.")
@click.option("--server", metavar="URL", help="The cluster's API server, where no kubeconfig says it.")
@click.option("--certificate-authority", "authority", metavar="FILE", type=A_FILE, help="The cluster's CA in PEM.")
@click.option("--cluster", "name", metavar="NAME", help="What clients call the cluster.")
@click.option("--address", metavar="HOST:PORT", help="Where clients will reach the gateway.  [default: localhost:8443]")
@click.option("--listen", metavar="HOST:PORT", help="Where it listens.  [default: loopback or everywhere, as --address says]")
@click.option(
    "--certificate", metavar="FILE", type=A_FILE, help="The gateway's own, with its chain; else a development CA makes one."
)
@click.option("--key", metavar="FILE", type=A_FILE, help="Its key.")
@click.option("--issuer", metavar="URL", help="The OIDC issuer of people; else a first one gets a client certificate.")
@click.option("--audience", metavar="A", help="What a token must be for.  [default: the client of --login, else l7gw]")
@click.option("--username", metavar="CLAIM", default="email", show_default=True, help="Who somebody is.")
@click.option("--groups", metavar="CLAIM", default="groups", show_default=True, help="Which groups they have.")
@click.option("--login", metavar="CLIENT-ID", help="The client there by which people log in with `l7gw login`.")
@click.option("--issuer-ca", metavar="FILE", type=A_FILE, help="Whom to trust for the issuer's https; else the machine's.")
@click.option("--group", metavar="G", default="engineers", show_default=True, help="Of people, who read, and work in --namespace.")
@click.option("--namespace", metavar="NS", default="default", show_default=True, help="Where they may change things.")
@click.option("--user", metavar="U", help="Who gets the client certificate.  [default: you]")
@click.option("--no-agents", is_flag=True, help="Let no agents in.")
@click.option("--state", metavar="DIR", help="Where recordings go.  [default: FOLDER/state]")
@click.option(
    "--client-certificate", metavar="FILE", type=A_FILE, help="The gateway's credential in the cluster; else a token is made."
)
@click.option("--client-key", metavar="FILE", type=A_FILE, help="Its key.")
@click.option("--offline", is_flag=True, help="Do not ask whether the cluster answers.")
@click.option("--yes", is_flag=True, help="Ask nothing, and take the defaults.")
def init(folder: Path, **options: Any) -> None:
    """Write configuration, policy, certificates, RBAC and kubeconfigs into FOLDER (the current one by default), and say what to
    type from there to a first call.

    What no option says is asked for where this is a terminal. Nothing is changed in the cluster, no credential is taken from the
    kubeconfig, no file is overwritten, and where something fails nothing is written. Type it as the user that the gateway will be:
    nobody else can read the keys.

    Exit status: 0 written, 2 wrong usage, a cluster that does not answer, or files that are there.

    \b
    l7gw init gateway
    l7gw init gateway --kubeconfig ~/.kube/config --context prod --cluster prod --address gw.example.com:8443
    l7gw init gateway --yes --issuer https://idp.example.com --login kubectl --group platform
    l7gw init gateway --server https://10.0.0.1:6443 --certificate-authority ca.crt --cluster prod --yes
    """
    asks = sys.stdin.isatty() and not options["yes"]
    wanted = _wanted(folder.absolute(), options, asks=asks)
    there = init_files.occupied(wanted)
    if there:
        raise _occupied(wanted, there)
    if not options["offline"]:
        click.echo(reached(wanted.name, wanted.cluster))
    try:
        init_files.write(wanted)
    except init_files.Occupied as error:
        raise _occupied(wanted, list(error.args)) from None
    except ConfigurationError as error:
        lines = "\n".join(f"{one.what}\n  hint: {one.hint}" if one.hint else one.what for one in error.problems)
        raise click.UsageError(f"the gateway would not start with this; nothing was written:\n{lines}") from None
    except OSError as error:
        what = (error.strerror or type(error).__name__).lower()
        raise click.UsageError(f"{folder} cannot be written to: {what}; nothing was written\n  hint: another FOLDER") from None
    click.echo(told(wanted))


def _occupied(wanted: Wanted, there: list[str]) -> click.UsageError:
    listed = "\n".join(f"  {name}" for name in there)
    return click.UsageError(
        f"these are in {wanted.folder} already; nothing was written:\n{listed}\n  hint: another FOLDER, or move them away"
    )


# ---------------------------------------------------------------------- the answers


def _wanted(folder: Path, options: dict[str, Any], *, asks: bool) -> Wanted:
    """Everything, from options, answers and defaults. Raises UsageError."""
    cluster = _cluster(options, asks=asks)
    name = init_wanted.cluster_name(_asked(options["name"], "Name of the cluster for clients", cluster.suggested, asks=asks))
    text = _asked(options["address"], "Address at which clients will reach the gateway", "localhost:8443", asks=asks)
    address, host, port = init_wanted.addressed(text)
    issuer = _issuer(options, asks=asks)
    user = options["user"] or (_user() if issuer is None else "")
    return Wanted(
        folder=folder,
        name=name,
        cluster=cluster,
        address=address,
        host=host,
        listen=init_wanted.listening(options["listen"], host, port),
        state=str(Path(options["state"]).absolute()) if options["state"] else "state",
        pair=_pair(options, "certificate", "key"),
        credential=_pair(options, "client_certificate", "client_key"),
        issuer=issuer,
        user=init_wanted.named(user, "--user") if issuer is None else "",
        group=init_wanted.named(options["group"], "--group"),
        namespace=init_wanted.namespace(options["namespace"]),
        agents=not options["no_agents"],
        command=_command(),
    )


def _cluster(options: dict[str, Any], *, asks: bool) -> Cluster:
    """The cluster, from a kubeconfig or a URL."""
    file, server, authority = options["kubeconfig"], options["server"] or "", options["authority"]
    if options["context"] and file is None:
        file = init_wanted.default_kubeconfig()
        if file is None:
            raise wrong("--context", "is one of a kubeconfig", "--kubeconfig FILE says of which")
    if file is None and not server:
        usual = init_wanted.default_kubeconfig()
        if asks:
            answer = _asked(None, "An administrator's kubeconfig (nothing: the server is asked for)", str(usual or ""), asks=True)
            file = Path(answer).expanduser() if answer else None
            if file is None:
                server = _asked(None, "The cluster's API server, https://HOST[:PORT]", "", asks=True)
                authority = authority or Path(_asked(None, "Its CA, a file in PEM", "", asks=True)).expanduser()
        elif usual is not None and options["yes"]:
            file = usual
        else:
            raise click.UsageError(f"which cluster is meant?\n  hint: --kubeconfig FILE, or --server URL; {NOT_ASKED}")
    if file is not None:
        return init_wanted.from_kubeconfig(file, options["context"], server, authority)
    return init_wanted.from_server(server, authority)


def _issuer(options: dict[str, Any], *, asks: bool) -> Issuer | None:
    """The issuer of people; None where they come by client certificates."""
    text = _asked(options["issuer"], "OIDC issuer of people (nothing: a client certificate, for a first try)", "", asks=asks)
    if not text:
        for option in ("audience", "login", "issuer_ca"):
            if options[option]:
                raise wrong(f"--{option.replace('_', '-')}", "is about an issuer", "--issuer URL")
        return None
    url = init_wanted.issuer_url(text)
    if options["user"]:
        raise wrong("--user", "is about a client certificate, and with --issuer there is none", "leave one of them out")
    new = asks and options["issuer"] is None
    login = _asked(options["login"], "Client there for `l7gw login` (nothing: people have tokens)", "", asks=new)
    if options["issuer_ca"]:
        init_wanted.read(options["issuer_ca"], "--issuer-ca")
    return Issuer(
        url=url,
        audience=_asked(options["audience"], "Audience of its tokens", login or "l7gw", asks=new),
        username=options["username"],
        groups=options["groups"],
        login=login,
        authority=options["issuer_ca"].absolute() if options["issuer_ca"] else None,
    )


def _pair(options: dict[str, Any], certificate: str, key: str) -> tuple[Path, Path] | None:
    """A certificate and its key, which are given together."""
    found = [options[one] for one in (certificate, key) if options[one] is not None]
    if len(found) == 1:
        one, two = (f"--{name.replace('_', '-')}" for name in (certificate, key))
        raise click.UsageError(f"{one} and {two} belong together\n  hint: {one} FILE {two} FILE")
    for path, option in zip(found, (certificate, key)):
        init_wanted.read(path, f"--{option.replace('_', '-')}")
    return (found[0].absolute(), found[1].absolute()) if found else None


def _asked(given: str | None, question: str, default: str, *, asks: bool) -> str:
    """What an option says, else what somebody answers, else the default."""
    if given is not None:
        return given
    return str(click.prompt(question, default=default, show_default=bool(default))).strip() if asks else default


def _user() -> str:
    """Who types this, where it can be a name; else `admin`."""
    try:
        found = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        found = ""
    return found if init_wanted.NAME.fullmatch(found) and not found.startswith("system") else "admin"


def _command() -> str:
    """How l7gw is called here: by its name where the PATH leads to this one, else by its path."""
    own, found = Path(sys.argv[0]).absolute(), shutil.which("l7gw")
    if own.name != "l7gw" or not own.is_file():  # python -m l7gw
        own = Path(sys.executable).with_name("l7gw")
    return str(own) if own.is_file() and not (found is not None and own.samefile(found)) else "l7gw"
