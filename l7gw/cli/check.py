"""`l7gw check`: what a configuration means, in plain words, or everything that is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, assert_never
from urllib.parse import urlsplit

import click

from l7gw import name_rules
from l7gw.cli import check_clusters, check_identity, check_reviews
from l7gw.cli.check_reading import Read, read_all, refuse
from l7gw.cli.columns import LEAST, WORDS, terminal_width, wrapped
from l7gw.cli.options import config_option, output_option
from l7gw.config.certificates import all_ending
from l7gw.config.document import sized
from l7gw.config.hooks import PARTS
from l7gw.config.load import find
from l7gw.config.settings import Hook, Settings, listened_on
from l7gw.gateway.doubts import warnings_of
from l7gw.hooking.hooked import Hooked
from l7gw.masking.configured import Configured
from l7gw.policy.doubts import held_by, say_logins
from l7gw.policy.grants import in_words
from l7gw.policy.judge import Policy
from l7gw.policy.rules import Rule
from l7gw.quantities import many
from l7gw.recording import masking_key
from l7gw.supervisor.startup import RECORDING

Found = TypeVar("Found")

MARGIN = 15  # columns before what is said


@click.command(short_help="Say what a configuration means, or all that is wrong with it; --online asks everything that it names.")
@config_option
@output_option
@click.option(
    "--online", is_flag=True, help="Ask the network too: issuers, clusters, the database, what certificates name, what ends."
)
@click.option(
    "--address",
    "addresses",
    metavar="HOST[:PORT]",
    multiple=True,
    help="With --online: what clients type for the gateway, which its certificate must name. May be repeated.",
)
def check(config: Path | None, output: str, online: bool, addresses: tuple[str, ...]) -> None:
    """Say in plain words what the configuration and its policy mean; or name every mistake in both, with file and line.

    Nothing is started and nothing is asked over the network. Files that the configuration names are opened: run it as the
    user that the gateway will be.

    With --online the network is asked too, as the gateway's user, and nothing is changed there: each issuer and its keys, each
    cluster (DNS, TCP, TLS and whose CA, version, the gateway's credential, each permission that impersonation needs), the database,
    Slack and the webhook (no message is sent), the disk, the clock; which names the certificates have, when everything ends, and
    which rules can never match. Each line is green, yellow (it works, but not as meant, or not for long) or red, with what to do.

    Exit status: 0 it can be used, 2 it cannot; with --online 1 where something is red.

    \b
    l7gw check
    l7gw check --config ./l7gw.yaml
    l7gw check -o json | jq .problems
    l7gw check --online --address gateway.example.com:8443
    l7gw check --online -o json | jq -r '.[] | select(.state != "green") | [.check, .text, .hint] | @tsv'
    """
    if addresses and not online:
        raise click.UsageError("--address is what clients type, which --online looks at: l7gw check --online --address HOST:PORT")
    hosts = tuple(map(_host, addresses))
    it = read_all(find(config))
    settings, policy, made = it.settings, it.policy, it.masking
    if it.problems or settings is None or policy is None or made is None:
        refuse(it, output, online=online)
    elif online:
        from l7gw.cli.check_online import checked_online  # loaded where it is used: it takes half a second

        sys.exit(checked_online(settings, policy, hosts, output))
    else:
        _tell(settings, policy, made, it, output)


def _host(address: str) -> str:
    """The host of what a client types: `https://HOST:PORT/PATH`, `HOST:PORT` or `HOST`, an IPv6 address in brackets or bare."""
    bare = address.removeprefix("https://").partition("/")[0]
    if bare.count(":") > 1 and not bare.startswith("["):
        return bare
    host = urlsplit(f"//{bare}").hostname if "@" not in bare else None
    if not host:
        raise click.BadParameter(f"{name_rules.quoted(address)} is no HOST[:PORT]", param_hint="--address")
    return host


def _tell(settings: Settings, policy: Policy, made: Configured, it: Read, output: str) -> None:
    """Say what the configuration means."""
    warnings = [*warnings_of(settings, policy), *all_ending(settings)]
    if output == "json":
        click.echo(json.dumps(_document(settings, policy, it.key, made, it.hooks, warnings), indent=2))
        return
    for line in laid_out(_sections(settings, policy, it.key, made, it.hooks), terminal_width()):
        click.echo(line)
    for warning in warnings:
        click.echo(f"l7gw: {warning}", err=True)


def laid_out(sections: Iterable[tuple[str, list[str]]], within: int | None) -> Iterator[str]:
    """Each section's lines beside what they are about; on a terminal of `within` columns a longer one goes on below itself."""
    for head, lines in sections:
        size = None if within is None else max(LEAST, within - MARGIN)
        parts = (part for line in lines for part in ((line,) if size is None else wrapped(line, size, WORDS)))
        for number, part in enumerate(parts):
            yield f"{head if number == 0 else '':<{MARGIN}}{part}"


def _sections(
    settings: Settings, policy: Policy, key: str, masking: Configured, loaded: tuple[Hooked, ...]
) -> Iterator[tuple[str, list[str]]]:
    yield "Configuration", [f"{settings.path} can be used"]
    yield "Listens on", [f"{listened_on(*address)}, as {settings.tls.certificate}" for address in settings.listen]
    callers = [line for entry in settings.identity for line in check_identity.lines(entry)]
    yield "Lets in", callers
    for cluster in settings.clusters.values():
        yield f"Cluster {cluster.name}", check_clusters.lines(cluster, policy)
    guardrails, rules = _count(policy.guardrails, "guardrail"), _count(policy.rules, "rule")
    yield "Policy", [f"{settings.policy}: {guardrails}, {rules}; what no rule allows is denied"]
    yield "Recording", [f"in {settings.state}; {_durable(settings)}; calls stop below {sized(settings.recording.reserve)} free"]
    asked_for = [f"may be asked for: {in_words(entry)}" for entry in policy.grants]
    yield "Approvals", [*_approvals(settings), *_owners(settings, policy), *asked_for]
    yield "Masking", [_masking(key), _detectors(settings, masking)]
    if loaded:
        yield "Hooks", [_hook(hook, found) for hook, found in zip(settings.hooks, loaded, strict=True)]
    yield "Log", [_log(settings)]
    yield "Mind", [f"{RECORDING} {settings.state}"]


def _approvals(settings: Settings) -> list[str]:
    root = "is an approval without a credential" if settings.reviews_local else "approves nothing without a credential"
    lines = [f"{settings.most_holds} calls of one principal may wait for one; root on this machine {root}"]
    if settings.store is not None:
        lines.append(
            f"they are kept in {settings.store.place}{', whose certificate is verified' if settings.store.verified else ''}"
        )
    group = f", the members of {settings.socket_group}" if settings.socket_group else ""
    lines.append(
        f"they are answered at {settings.socket_path}, by root and the gateway's user{group}; "
        "or with --server and a token or certificate"
    )
    lines += check_reviews.lines(settings)
    if settings.people:
        have = many(len(settings.people), "person has", "people have")
        lines.append(f"{have} several names, and none approves an own call")
    return lines


def _owners(settings: Settings, policy: Policy) -> list[str]:
    """A sentence about rules by which the owner of an agent approves; none where there are no such rules."""
    if not _asks_owners(policy):
        return []
    issuers = " and ".join(say_logins(settings.identity)) or "no issuer"
    return [
        f"owners of agents approve within ten minutes of their login, by tokens of {issuers}: of an issuer whose tokens have no "
        "claim auth_time nobody can, and only a token shows that"
    ]


def _asks_owners(policy: Policy) -> bool:
    return any((held := held_by(rule)) is not None and held.reviewers.owner for rule in (*policy.guardrails, *policy.rules))


def _masking(fingerprint: str) -> str:
    where = f"the key {masking_key.FOLDER}/{masking_key.NAME} in the state"
    return f"{where} has the fingerprint {fingerprint}" if fingerprint else f"{where} is made at the first start"


def _detectors(settings: Settings, masking: Configured) -> str:
    on = masking.scanners.on
    off = sorted(masking.names() - on)
    own, tests, fields = len(settings.masking.patterns), len(settings.masking.tests), len(settings.masking.fields)
    words = [
        f"{many(len(on), 'detector is', 'detectors are')} on",
        f"patterns of your own: {own}" if own else "",
        f"off: {', '.join(off)}" if off else "",
        f"{many(fields, 'field is', 'fields are')} masked" if fields else "",
        f"values of Secrets {'are' if masking.registry else 'are not'} recognised elsewhere",
        many(tests, "test of masking holds", "tests of masking hold") if tests else "",
    ]
    return "; ".join(filter(None, words))


def _log(settings: Settings) -> str:
    calls = {"on": "each call has", "errors": "calls that were refused or failed have", "off": "no call has"}[settings.log.access]
    form = {"auto": "text on a terminal, else JSON", "text": "text", "json": "JSON"}[settings.log.format]
    return f"on stderr, {form}: {calls} a line; of the gateway itself what is {settings.log.level} or worse"


def _hook(hook: Hook, loaded: Hooked) -> str:
    sees = "before masking" if hook.raw else "masked"
    return f"{hook.name}: {hook.module}:{hook.class_name} in {hook.path}, for {', '.join(_parts(loaded))}; it sees data {sees}"


def _parts(hook: Hooked) -> list[str]:
    return [part for part in PARTS if part in hook.parts]


def _count(rules: tuple[Rule, ...], word: str) -> str:
    return many(len(rules), word, none="no")


def _durable(settings: Settings) -> str:
    durable = settings.recording.durable
    match durable:
        case "none":
            return "no call waits for the disk"
        case "writes":
            return "what changes something is on the disk before it is forwarded"
        case "all":
            return "every call is on the disk before it is forwarded"
        case _:
            assert_never(durable)


def _document(
    settings: Settings, policy: Policy, key: str, masking: Configured, loaded: tuple[Hooked, ...], warnings: list[str]
) -> dict[str, Any]:
    return {
        "ok": True,
        "file": str(settings.path),
        "listen": [listened_on(*address) for address in settings.listen],
        "identity": [check_identity.document(entry) for entry in settings.identity],
        "clusters": [check_clusters.document(cluster, policy) for cluster in settings.clusters.values()],
        "policy": {"file": str(settings.policy), **policy.counts},
        "recording": {"durable": settings.recording.durable, "reserve": settings.recording.reserve, "encrypted": False},
        "approvals": {
            "holds": settings.most_holds,
            "store": "sqlite" if settings.store is None else settings.store.place,
            "local": settings.reviews_local,
            "people": [{"user": one.user, "also": list(one.also)} for one in settings.people],
            **({"owners": say_logins(settings.identity)} if _asks_owners(policy) else {}),
            **check_reviews.document(settings),
        },
        "masking": {"key": key or None, "detectors": sorted(masking.scanners.on), "registry": masking.registry},
        "hooks": [_hook_document(hook, found) for hook, found in zip(settings.hooks, loaded, strict=True)],
        "log": {"access": settings.log.access, "format": settings.log.format, "level": settings.log.level},
        "state": str(settings.state),
        "warnings": warnings,
        "problems": [],
    }


def _hook_document(hook: Hook, loaded: Hooked) -> dict[str, Any]:
    return {
        "name": hook.name,
        "object": f"{hook.module}:{hook.class_name}",
        "path": str(hook.path),
        "raw": hook.raw,
        "for": _parts(loaded),
    }
