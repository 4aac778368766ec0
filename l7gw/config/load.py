"""From the file l7gw.yaml to `Settings`. A key whose feature this version lacks is a mistake, and never ignored."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import get_args

import yaml

from l7gw.config.approvals import most_holds, people_of, socket_of
from l7gw.config.clusters import clusters_of
from l7gw.config.document import Document, Reader, plain, shown
from l7gw.config.fields import address_of, certificate_of
from l7gw.config.hooks import hooks_of
from l7gw.config.identity import identity_of
from l7gw.config.log import log_of
from l7gw.config.masking import masking_of
from l7gw.config.private import fault_of_state
from l7gw.config.reviews import reviews_of
from l7gw.config.settings import SOCKET, Certificate, Durable, Hook, Masking, Recording, Settings, Warnings
from l7gw.config.store import store_of
from l7gw.errors import ConfigurationError, Problem
from l7gw.os_faults import in_words, remedy

WHICH_FILE = "say which file with --config FILE or $L7GW_CONFIG; `l7gw init` writes a first one"
DEFAULT = Path("/etc/l7gw/l7gw.yaml")
STATE = "/var/lib/l7gw"
LISTEN = "0.0.0.0:8443"

KEYS = (
    *("listen", "tls", "state", "workers", "identity", "clusters", "policy", "recording", "masking", "hooks"),
    *("people", "reviews", "limits", "store", "socket", "log", "warnings"),
)
RECORDING_KEYS = ("durable", "reserve")

MOST_LISTENERS = 16  # a machine has few addresses; each is a socket
LEAST_RESERVED = 1024**2  # bytes; when the calls stop, the buffered events must still find room
MOST_RESERVED = 1024**4  # bytes; a reserve above a TiB is a typing mistake

LATER = {
    "admin": "health and metrics",
    "proxy-protocol": "load balancers",
    "console": "the console",
}


def find(path: Path | None) -> Path:
    """The configuration file: the given one, else $L7GW_CONFIG, else /etc/l7gw/l7gw.yaml."""
    return (path or Path(os.environ.get("L7GW_CONFIG") or DEFAULT)).absolute()


def load(path: Path) -> Settings:
    """Read a configuration. Raises ConfigurationError with every mistake in it."""
    settings, _, problems, _, _ = read(path)
    if settings is None:
        raise ConfigurationError(problems)
    return settings


def load_without_tls(path: Path, name: str) -> tuple[Settings, Certificate | None]:
    """As `load`, but without `clusters.NAME.tls`, whose files are to be made. Its paths are given beside; None where the cluster
    names none."""
    document = Document(path, WHICH_FILE)
    cluster = _value(_value(document.root, "clusters"), name)
    said = _value(cluster, "tls")
    texts = [node.value for key in ("certificate", "key") if isinstance(node := _value(said, key), yaml.ScalarNode)]
    if isinstance(cluster, yaml.MappingNode):
        cluster.value = [pair for pair in cluster.value if pair[1] is not said]
    settings, _, problems, _, _ = _read(document)
    if settings is None:
        raise ConfigurationError(problems)
    return settings, Certificate(*((path.parent / text).absolute() for text in texts)) if len(texts) == 2 else None


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of a key; None where the node is no mapping with it."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for one, value in pairs if one.value == key), None)


def socket_path(path: Path) -> Path:
    """Where the gateway of this configuration has its socket. Nothing else in the file is looked at, as who asks may not read the
    keys that it names. Raises ConfigurationError where the file cannot be read."""
    top = Document(path, WHICH_FILE).reader(KEYS, LATER)
    socket, _ = socket_of(top)
    return socket or (top.path("state") or Path(STATE)) / SOCKET


def read(path: Path) -> tuple[Settings | None, Path | None, list[Problem], tuple[Hook, ...], Masking]:
    """The settings, the policy's file, all mistakes, and what has none of hooks and masking.

    The settings are None where there is a mistake. The policy's file is None where it is not named or cannot be read.
    """
    try:
        document = Document(path, WHICH_FILE)
    except ConfigurationError as error:
        return None, None, error.problems, (), Masking()
    return _read(document)


def _read(document: Document) -> tuple[Settings | None, Path | None, list[Problem], tuple[Hook, ...], Masking]:
    """As `read`, of a document."""
    top = document.reader(KEYS, LATER)
    listen = _listen(top)
    _workers(top)
    tls = certificate_of(top, required=True)
    state = _state(top)
    identity = identity_of(top)
    clusters = clusters_of(top)
    if not top.has("policy"):
        top.missing("policy", "policy: policy.yaml; `l7gw policy packs` lists some to start from")
    policy = top.file("policy", required=top.has("policy"))
    recording = _recording(top)
    masking = masking_of(top)
    hooks = hooks_of(top)
    people = people_of(top)
    local, slack, webhook = reviews_of(top)
    holds = most_holds(top)
    socket, group = socket_of(top)
    store = store_of(top)
    log = log_of(top)
    warnings: Warnings = top.choice("warnings", Settings.warnings, get_args(Warnings))
    problems = document.sorted_problems()
    if problems or tls is None or policy is None:
        return None, policy, problems, hooks, masking
    settings = Settings(
        path=document.path,
        listen=listen,
        tls=tls,
        state=state,
        identity=identity,
        clusters=clusters,
        policy=policy,
        recording=recording,
        hooks=hooks,
        masking=masking,
        people=people,
        reviews_local=local,
        slack=slack,
        webhook=webhook,
        most_holds=holds,
        socket=socket,
        socket_group=group,
        store=store,
        log=log,
        warnings=warnings,
    )
    return settings, policy, [], hooks, masking


def _listen(top: Reader) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    node = top.node_of("listen")
    if isinstance(node, yaml.ScalarNode) and isinstance(plain(node), int):
        top.wrong("listen", f"`listen`: {shown(node.value)} is a number, and no address", _address_hint(node.value))
        return ()
    addresses = top.listed("listen", one=True) if node is not None else [(LISTEN, top.node)]
    for text, node in addresses or ():
        address = address_of(text)
        if address is None:
            top.document.wrong(node, f"`listen`: {shown(text)} is no address", _address_hint(text))
        elif address in found:
            top.document.wrong(node, f"`listen`: {text} stands twice")
        else:
            found.append(address)
    if len(found) > MOST_LISTENERS:
        top.wrong("listen", f"`listen` has more than {MOST_LISTENERS} addresses")
    return tuple(found)


def _address_hint(text: str) -> str:
    """What was meant by a text that is no address: a port alone, or a host without one."""
    for meant in (f"0.0.0.0:{text.removeprefix(':')}", f"{text}:8443", f"[{text}]:8443"):
        if (address := address_of(meant)) is not None and address[1]:
            return f"did you mean {meant}?"
    return "HOST:PORT, such as 0.0.0.0:8443 or [::]:8443"


def _workers(top: Reader) -> None:
    node = top.node_of("workers")
    if node is None:
        return
    value = plain(node)
    if value == "auto" or (type(value) is int and value == 1):
        return
    if type(value) is int and value > 1:
        top.wrong("workers", "`workers`: more than one is not in this version", "leave it out, or say 1")
    else:
        top.wrong("workers", "`workers` must be auto or a number")


def _state(top: Reader) -> Path:
    """The folder of all recordings. It need not exist yet. If it does, no other user may have access to it (threats J5)."""
    state = top.path("state") or Path(STATE)
    try:
        about = state.stat()
    except FileNotFoundError:
        return state
    except OSError as error:
        top.wrong("state", f"`state`: {state} cannot be read: {in_words(error)}", remedy(error))
        return state
    if not stat.S_ISDIR(about.st_mode):
        top.wrong("state", f"`state`: {state} is no folder", "name a folder; it is made where there is none")
        return state
    fault = fault_of_state(state, about)
    if fault is not None:
        top.wrong("state", f"`state`: {state}, where recordings are readable, {fault[0]}", fault[1])
    return state


def _recording(top: Reader) -> Recording:
    inner = top.inner("recording", RECORDING_KEYS)
    durable = inner.choice("durable", Recording.durable, get_args(Durable))
    return Recording(durable, inner.size("reserve", Recording.reserve, least=LEAST_RESERVED, most=MOST_RESERVED))
