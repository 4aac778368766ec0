"""Hooks: what a user's own Python may add to the gateway, and what it is given. docs/hooks.md is the manual.

A hook is a class with one or more of three methods. The gateway makes one object of the class when it reads its configuration, and
calls the methods within its event loop, so each must return at once.

    class Example:
        def act(self, act: Act) -> str | None: ...               # a call that the policy allows: the reason of a denial, or None
        def object(self, view: View) -> Iterable[Mask]: ...      # an object on its way: the values that are to be masked
        def frames(self, stream: Stream) -> Tripwire | None: ... # a channel that opens: what looks at its bytes

What a hook is given is a copy. It holds no credential, and masked data unless the configuration says `raw: true`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, overload

from l7gw.kube.objects.node import item_path, member_path


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `user` and `groups` are as rules of the policy see them."""

    user: str
    groups: tuple[str, ...]
    kind: str  # human, agent or workload
    issuer: str  # the URL of the OIDC issuer, or client-certificate
    actor: str  # the agent that acts for the user; "" for none
    address: str  # the client's IP address


@dataclass(frozen=True, slots=True)
class Act:
    """One call, or one connection inside a port-forward, as the API server understands it.

    Of a call about a resource, `verb` is RBAC's, or exec, attach, portforward, proxy. Of any other call, `verb` is the method in
    lower case and `resource` is "".
    """

    caller: Caller
    cluster: str  # its name in the configuration
    verb: str
    path: str  # percent-encoded, without the query
    group: str  # "" for the core group
    resource: str
    subresource: str  # "" for none
    namespace: str  # "" for the whole cluster, or for all namespaces
    name: str  # "" where the path names no object
    effects: frozenset[str]  # read, write, secrets ...; the table is in docs/configuration.md
    argv: tuple[str, ...] | None  # of an exec; None where no command is known
    container: str
    tty: bool
    stdin: bool
    port: int | None  # of one connection inside a port-forward
    ports: tuple[int, ...] | None  # that the query of a port-forward names
    label_selector: str | None
    field_selector: str | None
    as_user: str | None = None  # whom of the cluster the caller asks to be taken for (`--as`); None: himself
    as_groups: tuple[str, ...] = ()


class View:
    """An object on its way: the body of a request or answer, an item of a list, or the object of one event of a watch.

    `value` is the object as JSON has it, made anew for each hook: dicts, lists, texts, numbers, booleans and None; a field of bytes
    is its text in base64, also where the object travels as protobuf.
    """

    __slots__ = ("_make", "_value", "act", "api_version", "kind", "name", "namespace", "sent")

    def __init__(
        self, act: Act, *, sent: bool, api_version: str, kind: str, namespace: str, name: str, make: Callable[[], Any]
    ) -> None:
        """`make` gives the value. It is called once, when the hook first asks for the value."""
        self.act = act
        self.sent = sent  # whether the caller sends the object; False: the cluster answers with it
        self.api_version = api_version
        self.kind = kind
        self.namespace = namespace  # "" where the object names none
        self.name = name
        self._make = make
        self._value: Any = None

    @property
    def value(self) -> Any:
        if self._value is None:
            self._value = self._make()
        return self._value


@dataclass(frozen=True, slots=True)
class Stream:
    """One channel of an exec, attach, log or port-forward, in one direction."""

    act: Act
    channel: str  # stdin, stdout, stderr, log, port-N
    up: bool  # True: from the client to the cluster


class Mask:
    """Something to mask: `Mask(path)` a value of an object, `Mask(start, end)` bytes of a stream.

    `path` is written as in `sessions show`: `data.password`, `spec.users[3].name`, `metadata.labels."example.com/owner"`. `start`
    and `end` count from the first of the bytes that `feed` was given, and `end` is the first byte that stays.
    """

    __slots__ = ("end", "path", "start")

    path: str  # "" where bytes are meant
    start: int
    end: int

    @overload
    def __init__(self, path: str) -> None: ...

    @overload
    def __init__(self, start: int, end: int) -> None: ...

    def __init__(self, *place: str | int, **named: str | int) -> None:
        """Raises TypeError for anything but a path alone, or a start and an end."""
        names = ("path",) if place and isinstance(place[0], str) else ("start", "end")
        said: dict[str, Any] = {**dict(zip(names, place, strict=False)), **named}
        if len(said) != len(place) + len(named) or said.keys() not in ({"path"}, {"start", "end"}):
            raise TypeError("a mask is Mask(PATH) or Mask(START, END)")
        self.path = said.get("path", "")
        self.start = said.get("start", 0)
        self.end = said.get("end", 0)

    def __repr__(self) -> str:
        return f"Mask({self.path!r})" if self.path else f"Mask({self.start}, {self.end})"


@dataclass(frozen=True, slots=True)
class End:
    """The stream ends here: none of the bytes that `feed` was given go on. `words` say why to whoever watches it."""

    words: str


class Tripwire(Protocol):
    """Looks at the bytes of one channel in one direction."""

    def feed(self, data: bytes, /) -> Iterable[Mask | End]:
        """The next bytes of the channel, before they go on. Gives what is to be masked in them, in any order, or an End."""


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The path and text of every text in the value of a view, for hooks that look into all of them. `path` is where the value
    stands, "" for the object itself."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from texts(member, member_path(path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts(item, item_path(path, number))
