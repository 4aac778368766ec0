"""What the header fields of a request say, found out once for the calls of a connection that have the same fields.

Most calls of a client differ in their target alone: an agent asks for one object after the other, and says who it is in the same
words. What is read from the fields, and depends on nothing else, is kept here with them, and a connection keeps the last of these
(`Downstream.said`). Nothing here decides who calls or what he may: identity, policy and masks are asked by each call. Of a call
whose fields came before, 100,000 of 860,000 instructions are saved (callgrind).
"""

from __future__ import annotations

import re

from l7gw.cluster.headers import check_acceptable, passed_on
from l7gw.gateway.known_fields import MOST_VERDICTS, KnownFields
from l7gw.identity.bearer import bearer_of, check_fields, check_target
from l7gw.kube.act import Act
from l7gw.masking.placeholder_search import in_headers
from l7gw.policy.verdict import Verdict
from l7gw.recording.redact import Hide, recorded_headers
from l7gw.wire.events import Headers, Request

# A UUID as kubectl writes it (kubernetes-wire 7), so that no client puts text of its own here
SESSION = "kubectl-session"
LONGEST_RUN = 36  # characters of it
RUN = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Place = tuple[Headers, str, str, tuple[bytes, ...]]  # of `familiar.py`


class HeaderFields:
    """The fields of a request's head. Where a method takes the request, its headers are equal to `headers`."""

    __slots__ = (
        "headers", "kept", "known", "place", "_alone", "_as_another", "_named", "_passed", "_placeholder",
        "_recorded", "_run", "_token",
    )  # fmt: skip

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.kept = False  # whether the connection keeps this for requests to come
        self.place: Place | None = None  # where what is known of calls with these fields is kept for other connections
        self.known: tuple[KnownFields, ...] = ()  # what is known of calls with these fields; the last that was found comes first
        self._token: tuple[str | None] | None = None
        self._alone = False  # whether the token stands in its own place alone
        self._as_another: bool | None = None
        self._placeholder: str | None = None
        self._recorded: tuple[Headers, str] | None = None
        self._named: dict[str, str] | None = None
        self._run: str | None = None
        self._passed: Headers | None = None

    def token(self, request: Request) -> str | None:
        """As `bearer_of`."""
        if self._token is None:
            self._token = (bearer_of(request),)
        return self._token[0]

    def check_alone(self, request: Request) -> None:
        """Refuse a request that holds its own, proven token in a second place (`identity.bearer`)."""
        token = self.token(request)
        if token is None:
            return
        check_target(request.target, token)
        if not self._alone:
            check_fields(self.headers, token)
            self._alone = True

    def asks_as_another(self, request: Request, act: Act) -> bool:
        """As `check_acceptable`."""
        if request.upgrade:  # what is asked then depends on the act
            return check_acceptable(request, act)
        if self._as_another is None:
            self._as_another = check_acceptable(request, act)
        return self._as_another

    def in_run(self, headers: Headers, run: str) -> HeaderFields:
        """What fields say that differ from these in the id of the client process alone, which is `run`, "" where they name none.
        All that was found here is of a caller who was proven."""
        said = HeaderFields(headers)
        said._token, said._alone, said._as_another = self._token, self._alone, self._as_another
        said._placeholder, said._passed, said._run = self._placeholder, self._passed, run
        assert self._recorded is not None
        before, values = self._recorded
        if run:
            before = tuple([(name, run) if name == SESSION else (name, value) for name, value in before])
            values = "\n".join([value for _, value in before])
        said._recorded = before, values
        said.known = tuple([one.in_run(run, said._recorded) for one in self.known])
        return said

    @property
    def size(self) -> int:
        """Bytes of the fields."""
        return sum([len(name) + len(value) for name, value in self.headers])

    @property
    def lasts(self) -> bool:
        """Whether what was found can stand for fields with another process's id: they are recorded, and no token is so short."""
        token = self._token[0] if self._token is not None else None
        return self._recorded is not None and (token is None or len(token) > LONGEST_RUN)

    def knows(self, method: str, verdict: Verdict) -> KnownFields | None:
        """What is known of calls with these fields and this method under this very verdict."""
        for one in self.known:
            if one.verdict is verdict and one.method == method:
                return one
        return None

    def learn(self, found: KnownFields) -> None:
        """Remember what is known of calls with these fields. It stands in the place of what was known under the same verdict."""
        others = [one for one in self.known if one.verdict is not found.verdict or one.method != found.method]
        self.known = (found, *others[: MOST_VERDICTS - 1])

    @property
    def placeholder(self) -> str:
        """Which field holds the placeholder of a masked value, as in `the header NAME`; "" for none."""
        if self._placeholder is None:
            self._placeholder = in_headers(self.headers)
        return self._placeholder

    def recorded(self, hide: Hide, *, proven: bool) -> tuple[Headers, str]:
        """The fields as they are recorded, and their values, each in a line. Of a caller who is proven, `hide` replaces the token
        that these fields have, or nothing, so that the same is recorded each time."""
        if self._recorded is not None and proven:
            return self._recorded
        headers = recorded_headers(self.headers, hide)
        found = headers, "\n".join([value for _, value in headers])
        if proven:
            self._recorded = found
        return found

    @property
    def named(self) -> dict[str, str]:
        """The value of each field, the last where a field stands more than once."""
        if self._named is None:
            self._named = dict(self.headers)
        return self._named

    @property
    def run(self) -> str:
        """The id of the client process, as its first `Kubectl-Session` says it; "" where that is no UUID."""
        if self._run is None:
            named = next((value for name, value in self.headers if name == SESSION), "")
            self._run = named if RUN.fullmatch(named) is not None else ""
        return self._run

    def passed_on(self, request: Request) -> Headers:
        """As `cluster.headers.passed_on`."""
        if request.upgrade:
            return passed_on(request)
        if self._passed is None:
            self._passed = passed_on(request)
        return self._passed
