"""The stand-in for AWS: STS, EKS and IAM behind one HTTPS address of loopback. Each service is told by the scope of the signature.

A test asks it through a real SDK with `endpoint_url=aws.url`, through a CONNECT proxy that leads `sts.*.amazonaws.com` here
(`connect_proxy.py`), or with `Host` and SNI of its own. It takes no request whose signature is not good, as AWS does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from l7gw.demo.pki import Authority
from tests.support.aws import bodies
from tests.support.aws.bodies import Refused, RefusedError
from tests.support.aws.eks import Eks
from tests.support.aws.https_server import Answer, Asked, Server
from tests.support.aws.keys import KeyRing, Keys
from tests.support.aws.signatures import said, signer
from tests.support.aws.sts import Sts
from tests.support.aws.sts_hosts import sts_hosts

HELD = 30.0  # seconds after which a held request is answered even so: a test that fails must end
UNSIGNED = frozenset({"AssumeRoleWithWebIdentity"})


@dataclass(frozen=True)
class Visit:
    """One request, and what became of it."""

    service: str  # sts | eks | iam | logs
    action: str  # GetCallerIdentity, AssumeRole, DescribeCluster …
    caller: str  # the ARN that signed it; "" where the signature was not good
    asked: Asked = field(repr=False)
    status: int = 0


@dataclass
class Fault:
    """What goes wrong. `action` "" is any; `where` tells more. `instead` is sent in place of the answer; None sends the answer once
    `until` is set. `times` is how often it still happens; None is always."""

    action: str
    instead: Answer | Refused | None
    where: Callable[[Asked], bool]
    times: int | None
    until: threading.Event | None = None
    came: threading.Event = field(default_factory=threading.Event)  # set when it happened once


class Aws:
    """A running stand-in (`with`). `url` and `port` are where it listens, `certificate_authority` is the file of its authority."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "aws", "Stand-in for AWS")
        self.certificate_authority = self.authority.certificate
        self.shift = 0.0  # seconds that its clock is ahead of ours
        self.ring = KeyRing()
        self.sts = Sts(self.ring, self.now)
        self.eks = Eks()
        self.iam: dict[str, Callable[[Asked], object]] = {}  # action -> what gives its result; it may raise RefusedError
        self.logs: dict[str, Callable[[Asked], object]] = {}
        self.denied: dict[str, str] = {}  # an action (`eks:DescribeCluster`) that nobody may -> AWS's reason, or ""
        self.visits: list[Visit] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = Server(self._answer, self.now, self.authority.server("aws", "localhost", "127.0.0.1", *sts_hosts()))
        self.url, self.port = self._server.url, self._server.port

    def __enter__(self) -> Aws:
        self._server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for fault in self._faults:
            if fault.until is not None:
                fault.until.set()
        self._server.__exit__(kind, error, trace)

    def now(self) -> float:
        """Its clock, in wall seconds."""
        return time.time() + self.shift

    def actions(self, action: str) -> list[Visit]:
        """The requests for one action, in order."""
        with self._lock:
            return [visit for visit in self.visits if visit.action == action]

    @property
    def canaries(self) -> list[str]:
        """Every secret and session token that it ever knew: what must stand in no log, record, metric and error."""
        return [canary for keys in self.ring.all() for canary in keys.canaries]

    @contextlib.contextmanager
    def failing(
        self,
        instead: Answer | Refused,
        action: str = "",
        *,
        where: Callable[[Asked], bool] = lambda _: True,
        times: int | None = None,
    ) -> Iterator[Fault]:
        """Answer so while the block runs (the first `times` requests)."""
        with self._with(Fault(action, instead, where, times)) as fault:
            yield fault

    @contextlib.contextmanager
    def slow(self, action: str = "", *, where: Callable[[Asked], bool] = lambda _: True) -> Iterator[Fault]:
        """Requests wait until the block ends, or until the test sets `until`. `came` is set when one waits."""
        fault = Fault(action, None, where, None, threading.Event())
        with self._with(fault):
            try:
                yield fault
            finally:
                assert fault.until is not None
                fault.until.set()

    @contextlib.contextmanager
    def _with(self, fault: Fault) -> Iterator[Fault]:
        self._faults.insert(0, fault)
        try:
            yield fault
        finally:
            self._faults.remove(fault)

    def _answer(self, asked: Asked) -> Answer:
        service, region = _service(asked)
        action = self._action(service, asked)
        caller: Keys | None = None
        try:
            if action not in UNSIGNED:
                caller = signer(asked, self.ring, self.now())
            answer = self._fault(service, action, asked) or self._of(service, action, asked, region, caller)
        except RefusedError as error:
            answer = _told(service, error.refused, asked)
        with self._lock:
            self.visits.append(Visit(service, action, caller.arn if caller else "", asked, answer.status))
        return answer

    def _action(self, service: str, asked: Asked) -> str:
        if service == "eks":
            return self.eks.operation(asked)[0]
        return asked.header("x-amz-target").partition(".")[2] if service == "logs" else asked.parameters.get("Action", "")

    def _fault(self, service: str, action: str, asked: Asked) -> Answer | None:
        with self._lock:
            fault = next((one for one in self._faults if one.action in ("", action) and one.times != 0 and one.where(asked)), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
        if fault is None:
            return None
        fault.came.set()
        if fault.until is not None:
            fault.until.wait(HELD)
        return _told(service, fault.instead, asked) if isinstance(fault.instead, Refused) else fault.instead

    def _of(self, service: str, action: str, asked: Asked, region: str, caller: Keys | None) -> Answer:
        name = f"{service}:{action}"
        if name in self.denied and caller is not None:
            raise bodies.denied(caller.arn, name, self._resource(service, asked, region, caller), self.denied[name]).error()
        if service == "eks":
            return bodies.json_result(self.eks.answer(asked, region))
        if service == "sts":
            return bodies.query_result("sts", action, self.sts.answer(action, asked, caller), as_json=_wants_json(asked))
        scripted = (self.iam if service == "iam" else self.logs).get(action)
        if scripted is None:
            raise Refused(400, "InvalidAction", f"the stand-in has no answer for {name}: a test gives it").error()
        result = scripted(asked)
        return (
            bodies.query_result("iam", action, result, as_json=_wants_json(asked))
            if service == "iam"
            else bodies.json_result(result)
        )

    def _resource(self, service: str, asked: Asked, region: str, caller: Keys) -> str:
        if service == "eks":
            return f"arn:{caller.partition}:eks:{region}:{caller.account}:cluster/{self.eks.operation(asked)[1]}"
        return asked.parameters.get("RoleArn", "*")


def _service(asked: Asked) -> tuple[str, str]:
    """Service and region, as the signature's scope names them."""
    try:
        signature = said(asked)
    except RefusedError:
        return "sts", ""
    return (signature.service if signature.service in ("sts", "eks", "iam", "logs") else "sts"), signature.region


def _wants_json(asked: Asked) -> bool:
    return "application/json" in asked.header("accept")


def _told(service: str, error: Refused, asked: Asked) -> Answer:
    if service in ("eks", "logs"):
        return bodies.json_error(error)
    return bodies.query_error(service, error, as_json=_wants_json(asked))
