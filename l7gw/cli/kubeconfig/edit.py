"""Changes the server of one cluster in a kubeconfig, and its CA where that must change: these bytes and no others.

The file is not written anew from what was read: the new values are put into its text. So comments, order, quotes, line ends and
everything else stay. What cannot be changed so is refused.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from l7gw.file_replace import replace_file
from l7gw.os_faults import told

LARGEST = 4 * 1024 * 1024  # bytes of a kubeconfig; a thousand clusters with their certificates have 4 MB
MOST_NAMED = 10  # names in a sentence
DATA, FILE = "certificate-authority-data", "certificate-authority"
BLOCKS = ("|", ">")  # styles of scalars of several lines


class CannotEdit(Exception):
    """The file cannot be changed, in words that follow its name."""


@dataclass(frozen=True)
class Entry:
    """One cluster of a kubeconfig. `contexts` are all that lead to it. `authority` is its CA in PEM: None where the entry names
    none, empty where what it names cannot be read. `tls_server_name` is "" for none."""

    name: str
    contexts: tuple[str, ...]
    server: str
    tls_server_name: str
    insecure: bool
    authority: bytes | None


class Kubeconfig:
    """The text of a kubeconfig that lies in `folder`. Raises CannotEdit where it is none."""

    def __init__(self, octets: bytes, folder: Path) -> None:
        if len(octets) > LARGEST:
            raise CannotEdit(f"is larger than {LARGEST // 1024**2} MiB")
        try:
            self._text = octets.decode()  # with its byte order mark, which YAML skips
            self._tokens = list(yaml.scan(self._text, yaml.SafeLoader))
            root = yaml.compose(self._text, yaml.SafeLoader)
        except UnicodeDecodeError:
            raise CannotEdit("is no text in UTF-8") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            raise CannotEdit(f"is no YAML of one document{f': line {mark.line + 1}' if mark else ''}: {error.problem}") from None
        except (yaml.YAMLError, RecursionError):
            raise CannotEdit("is no YAML that can be read") from None
        if not isinstance(root, yaml.MappingNode):
            raise CannotEdit("is no kubeconfig: it is no mapping")
        self._folder = folder
        self._root = root
        self._used = _uses(root)
        self._scalars = {one.end_mark.index: n for n, one in enumerate(self._tokens) if isinstance(one, yaml.ScalarToken)}

    def entry(self, context: str | None) -> Entry:
        """The cluster that a context leads to: the given one, else the current one, else the only one. Raises CannotEdit."""
        contexts = self._contexts()
        name = self._meant(context, contexts)
        _, cluster = self._cluster(name)
        server = _text(cluster, "server")
        if not server:
            raise CannotEdit(f"has no `server` in its cluster {name!r}")
        return Entry(
            name=name,
            contexts=tuple(one for one, there in contexts.items() if there == name),
            server=server,
            tls_server_name=_text(cluster, "tls-server-name"),
            insecure=_text(cluster, "insecure-skip-tls-verify").lower() == "true",
            authority=self._pem(cluster, FILE),
        )

    def changed(self, entry: Entry, server: str, authority: bytes | None) -> bytes:
        """The file's bytes with another server in this entry and, unless `authority` is None, with this CA in PEM. The same bytes
        where both are so already. Raises CannotEdit where another byte would have to change."""
        above, cluster = self._cluster(entry.name)
        key, value = self._one(cluster, "server")
        for node in (*above, cluster, value):
            self._check_alone(node)
        changes = [] if value.value == server else [self._value(value, server)]
        if authority is not None and authority != entry.authority:
            changes += self._authority_changes(cluster, key, base64.b64encode(authority).decode())
        text, tokens = self._text, [_seen(one) for one in self._tokens]
        for change in sorted(changes, key=lambda one: one.begin, reverse=True):
            text = text[: change.begin] + change.text + text[change.end :]
            tokens[change.token : change.token + change.tokens] = change.seen
        try:
            read = [_seen(one) for one in yaml.scan(text, yaml.SafeLoader)]
        except yaml.YAMLError:
            read = []
        if read != tokens:
            raise CannotEdit(f"has a cluster {entry.name!r} that is written in a way that cannot be changed safely")
        return text.encode()

    def client_certificates(self, entry: Entry) -> list[bytes]:
        """The client certificates in PEM that the users of this entry's contexts show; none that cannot be read."""
        found: list[bytes] = []
        names = {
            _text(inner, "user")
            for one in self._list("contexts")
            if _text(one, "name") in entry.contexts and isinstance(inner := _get(one, "context"), yaml.MappingNode)
        }
        for one in self._list("users"):
            user = _get(one, "user")
            if _text(one, "name") in names and isinstance(user, yaml.MappingNode):
                found.append(self._pem(user, "client-certificate") or b"")
        return [pem for pem in found if pem]

    # ------------------------------------------------------------------ which entry

    def _contexts(self) -> dict[str, str]:
        """Each context's cluster."""
        found: dict[str, str] = {}
        for one in self._list("contexts"):
            inner = _get(one, "context")
            found[_text(one, "name")] = _text(inner, "cluster") if isinstance(inner, yaml.MappingNode) else ""
        return found

    def _meant(self, context: str | None, contexts: dict[str, str]) -> str:
        names = [_text(one, "name") for one in self._list("clusters")]
        current = _text(self._root, "current-context")
        if context is not None and context not in contexts:
            raise CannotEdit(f"has no context {context!r}: {_listed(list(contexts))}")
        chosen = context if context is not None else current
        if chosen in contexts:
            if contexts[chosen] not in names:
                raise CannotEdit(f"has no cluster {contexts[chosen]!r}, which its context {chosen!r} names")
            return contexts[chosen]
        if chosen:
            raise CannotEdit(f"has no context {chosen!r}, which it says is the current one; name one with --context")
        if len(names) == 1:
            return names[0]
        if not names:
            raise CannotEdit("has no cluster")
        raise CannotEdit(f"has several clusters and no current context; name one with --context: {_listed(list(contexts))}")

    def _list(self, key: str) -> list[yaml.MappingNode]:
        found = _get(self._root, key)
        return [one for one in found.value if isinstance(one, yaml.MappingNode)] if isinstance(found, yaml.SequenceNode) else []

    def _cluster(self, name: str) -> tuple[list[yaml.Node], yaml.MappingNode]:
        """The mapping of a cluster, and the nodes above it. Raises CannotEdit unless there is one of this name."""
        found = [one for one in self._list("clusters") if _text(one, "name") == name]
        if len(found) != 1:
            raise CannotEdit(f"has {len(found)} clusters of the name {name!r}")
        clusters, inner = self._one(self._root, "clusters")[1], self._one(found[0], "cluster")[1]
        if not isinstance(inner, yaml.MappingNode):
            raise CannotEdit(f"has a cluster {name!r} that is no mapping")
        return [clusters, found[0]], inner

    def _one(self, mapping: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node]:
        """The nodes of a key that stands once, and of its value."""
        found = [(one, value) for one, value in mapping.value if one.value == key]
        if len(found) > 1:
            raise CannotEdit(f"has `{key}` twice in line {found[1][0].start_mark.line + 1}, of which one counts")
        if not found:
            raise CannotEdit(f"has no `{key}` where one is needed, in line {mapping.start_mark.line + 1}")
        return found[0]

    def _pem(self, mapping: yaml.MappingNode, key: str) -> bytes | None:
        """What `key` or its `-data` holds, `b""` where it cannot be read; None where the entry has neither."""
        data, path = _text(mapping, f"{key}-data"), _text(mapping, key)
        if data:
            try:
                return base64.b64decode("".join(data.split()), validate=True)
            except ValueError:
                return b""
        if not path:
            return None
        try:
            with (self._folder / path).open("rb") as file:
                return file.read(LARGEST)
        except OSError:
            return b""

    # ------------------------------------------------------------------ the changes

    def _check_alone(self, node: yaml.Node) -> None:
        """A node that an alias repeats, or that merges another, means more than one place of the file."""
        line = node.start_mark.line + 1
        if self._used[id(node)] > 1:
            raise CannotEdit(f"repeats what line {line} has, by an alias (*): another place would change too; write it out")
        if isinstance(node, yaml.MappingNode) and any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise CannotEdit(f"merges another mapping (<<) into the one in line {line}; write it out")

    def _authority_changes(self, cluster: yaml.MappingNode, server: yaml.Node, data: str) -> list[_Change]:
        keys = [key.value for key, _ in cluster.value]
        if DATA in keys and FILE in keys:
            raise CannotEdit(f"has `{DATA}` beside `{FILE}`, which kubectl does not take; take one of them out")
        if DATA in keys:
            value = self._one(cluster, DATA)[1]
            self._check_alone(value)
            return [self._value(value, data)]
        if FILE in keys:
            key, value = self._one(cluster, FILE)
            self._check_alone(value)
            return [self._value(key, DATA), self._value(value, data)]
        return [self._new(server, data, flow=bool(cluster.flow_style))]

    def _value(self, node: yaml.Node, text: str) -> _Change:
        """Another text for a scalar, in the quotes that it has."""
        number = self._scalars.get(node.end_mark.index) if isinstance(node, yaml.ScalarNode) else None
        if number is None:
            raise CannotEdit(f"has no text to be changed in line {node.start_mark.line + 1}")
        token = self._tokens[number]
        assert isinstance(token, yaml.ScalarToken)
        begin, end = token.start_mark.index, token.end_mark.index
        if token.style in BLOCKS:
            end = begin + len(self._text[begin:end].rstrip())
            if "#" in self._text[begin:end]:
                raise CannotEdit(f"has a comment at the text in line {node.start_mark.line + 1}; write it in one line")
        quote = token.style if token.style in ('"', "'") else ""
        if not quote and "[" in text:
            quote = '"'  # an IPv6 address; brackets are part of no plain text where lists are written so
        return _Change(begin, end, f"{quote}{text}{quote}", number, 1, [(yaml.ScalarToken, text)])

    def _new(self, before: yaml.Node, data: str, *, flow: bool) -> _Change:
        """The CA as a new key before another one, which is a plain key of its mapping."""
        at = before.start_mark.index
        number = self._scalars.get(before.end_mark.index, 0) - 1
        if number < 0 or not isinstance(self._tokens[number], yaml.KeyToken):
            raise CannotEdit(f"has a key in line {before.start_mark.line + 1} beside which none can be put")
        lead = self._text[self._text.rfind("\n", 0, at) + 1 : at]
        newline = "\r\n" if "\r\n" in self._text else "\n"
        seen: list[object] = [yaml.KeyToken, (yaml.ScalarToken, DATA), yaml.ValueToken, (yaml.ScalarToken, data)]
        if flow:
            between = f",{newline}{lead}" if not lead.strip() and "\n" in self._text[:at] else ", "
            return _Change(at, at, f'"{DATA}": "{data}"{between}', number, 0, [*seen, yaml.FlowEntryToken])
        return _Change(at, at, f"{DATA}: {data}{newline}{' ' * before.start_mark.column}", number, 0, seen)


@dataclass(frozen=True)
class _Change:
    """The characters from `begin` to `end` become `text`. As YAML's tokens, `tokens` of them from number `token` on become
    `seen`."""

    begin: int
    end: int
    text: str
    token: int
    tokens: int
    seen: list[object]


def _seen(token: yaml.Token) -> object:
    """A token without its place and its quotes."""
    for name in ("value", "name", "encoding"):
        if (value := getattr(token, name, None)) is not None:
            return type(token), value
    return type(token)


def _uses(root: yaml.Node) -> Counter[int]:
    """How often each node is part of another, by the id of the node."""
    found: Counter[int] = Counter()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        found[id(node)] += 1
        if found[id(node)] == 1 and isinstance(node, yaml.CollectionNode):
            waiting += (part for one in node.value for part in (one if isinstance(one, tuple) else (one,)))
    return found


def _get(mapping: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for one, value in mapping.value if one.value == key), None)


def _text(mapping: yaml.MappingNode, key: str) -> str:
    node = _get(mapping, key)
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"it has {', '.join(map(repr, names[:MOST_NAMED]))}{more}" if names else "it has none"


# ---------------------------------------------------------------------- the file


def rewrite(path: Path, change: Callable[[bytes], bytes], *, make: bool = False) -> bool:
    """Put what `change` makes of a file's bytes into its place, at once and with its mode and owner. Returns whether it is another.
    With `make` a file that is not there is made, with mode 0600, and its folder too.

    It holds kubectl's lock meanwhile (`FILE.lock`, client-go tools/clientcmd/config.go), so that none of both loses what the other
    wrote. A link stays one: the file that it leads to is changed. Raises CannotEdit, and what `change` raises.
    """
    try:
        path = path.resolve()
        if make:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path, make=make):
            before = path.read_bytes() if path.exists() else b""
            after = change(before)
            if after == before:
                return False
            replace_file(path, after)
            return True
    except (OSError, RuntimeError) as error:  # pathlib says RuntimeError of a link that leads to itself
        raise CannotEdit(f"cannot be changed: {told(error)}") from None


@contextlib.contextmanager
def _locked(path: Path, *, make: bool) -> Iterator[None]:
    if not path.is_file() and (path.exists() or not make):
        raise CannotEdit("is no file that is there; a kubeconfig is meant, such as ~/.kube/config")
    lock = path.with_name(f"{path.name}.lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0))
    except FileExistsError:
        raise CannotEdit(f"is being changed by somebody else: {lock} is there; remove it where no kubectl runs") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
