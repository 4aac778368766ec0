"""The traffic that both gateways get, drawn from a seed: who calls on which connections, heads that repeat and heads that differ in
one byte, the cluster's answers, and what changes between calls.

Everything is bytes and numbers before the first gateway begins, so that both get the same. What a client sends does not depend on
what it is answered: one whose connection the gateway has ended talks to nobody until the traffic opens another.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import hpack

from tests.support.twins.answers_of_twins import answer_for
from tests.support.twins.far_answers import frame
from tests.support.twins.heads_of_twins import Asked, Heads, as_http1, mutated
from tests.support.twins.house_of_twins import BEGINS, CLUSTERS, House, token
from tests.support.twins.policies_of_twins import CONFIGURATIONS, EVERYTHING, POLICIES, WITH_DESKS, with_identity

Step = tuple[Any, ...]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = frame(4, 0, 0, b"\x00\x04\x00\x7f\xff\xff") + frame(8, 0, 0, (2**30).to_bytes(4, "big"))
SMALL_WINDOWS = frame(4, 0, 0, b"\x00\x04\x00\x00\x10\x00")
WINDOW = (1 << 16).to_bytes(4, "big")
PEOPLE = (
    ("ann", ("engineers", "team-a"), {"kind": "person"}),
    ("bob", ("engineers",), {"kind": "person"}),
    ("eve", (), {"kind": "person"}),
    ("bot", ("agents",), {"kind": "bot"}),
)  # fmt: skip
# what a step of each kind varies, as `Traffic.varied` counts it
VARIED = {
    "open": "connections of clients",
    "leave": "clients that leave",
    "reads": "clients that cease or begin to read",
    "answers": "answers that change",
    "cluster down": "clusters that are down or up again",
    "cluster token": "clusters that take another token",
    "policy": "policies reloaded",
    "configured": "configurations reloaded",
    "credential": "credentials renewed",
    "advance": "times that pass",
    "set_clock": "clocks that are set",
    "disk_is": "disks that fail or are mended",
    "grants": "grants given or ended",
    "ends": "calls of somebody ended",
}


@dataclass
class Connection:
    """A client's connection, as the traffic sees it. `user` is whose token it sends most of the time."""

    number: int
    http2: bool
    user: int
    certificates: str
    left: int  # calls until it is left
    packer: hpack.Encoder = field(default_factory=hpack.Encoder)
    stream: int = 1
    streams: list[int] = field(default_factory=list)
    unended: list[int] = field(default_factory=list)  # streams whose request is whole, but for its end
    server_name: str = ""
    address: str = ""
    indexes: bool = False  # whether its header blocks have a dynamic table; such a connection cannot go on as another one
    dead: bool = False
    said: dict[str, Asked] = field(default_factory=dict)  # what it repeats
    varies: float = 0.1  # how often it asks something near what it asked before
    roams: float = 0.0  # how often it asks the same of another object
    huffman: bool = False  # how it writes most of its fields
    repeats: Asked | None = None  # what another connection asked, of one that comes for this alone


class Traffic:
    """`steps` is the whole traffic of a seed; `calls` is how many calls it has."""

    def __init__(self, house: House, seed: int, calls: int) -> None:
        self._draw = random.Random(seed)
        self._house = house
        self._now = BEGINS
        self._heads = Heads(self._draw)
        self._open: list[Connection] = []
        self._count = 0
        self._last: Connection | None = None  # a client asks several things, one behind the other
        self._restless = self._draw.choice((0.002, 0.005, 0.01, 0.03))  # how often something happens between calls
        self._answering = self._draw.choice((0.02, 0.05, 0.15))  # how often a cluster answers otherwise than before
        self._variety = self._draw.choice((1, 2, 4))  # how many heads a connection repeats
        self._careless = self._draw.choice((0.0, 0.005, 0.02))  # how often a head is one byte off
        self._slow: set[int] = set()
        self.desks = self._draw.random() < 0.25
        self.http2 = self._draw.random() < 0.5  # whether the clusters speak it
        self.policy = EVERYTHING
        self.calls = 0
        self.varied = Counter[str]()  # what the traffic has of each kind
        self.steps: list[Step] = []
        self._changed: dict[str, Any] = {}
        self._well = True
        self._tokens: list[list[tuple[str, float]]] = [[] for _ in PEOPLE]
        self._sent = set[bytes]()  # heads, as their bytes
        self._heard: list[tuple[Asked, bool, str, str, str, str]] = []  # what was asked, and on what a connection
        while self.calls < calls:
            self._one()
        self.varied["different heads"] = len(self._sent)
        kinds = Counter(step[0] if step[0] != "cluster" else f"cluster {step[2]}" for step in self.steps)
        self.varied.update({words: kinds[kind] for kind, words in VARIED.items()})

    # ------------------------------------------------------------------ one thing after the other

    def _one(self) -> None:
        draw = self._draw
        if len(self._open) < 3 or (len(self._open) < 8 and draw.random() < 0.05):
            self._connect()
        elif self._heard and len(self._open) < 16 and draw.random() < 0.15:
            self._connect(once=True)
        elif not self._well and draw.random() < 0.3:
            self._mend()
        elif draw.random() < self._restless:
            self._happen()
        else:
            if self._last not in self._open or draw.random() < 0.3:
                self._last = draw.choice(self._open)
            self._ask(self._last)

    def _connect(self, *, once: bool = False) -> None:
        draw = self._draw
        self._count += 1
        one = Connection(
            self._count,
            draw.random() < 0.4,
            draw.randrange(len(PEOPLE)),
            draw.choice(("", "", "", "", "carl", "cleo", "stan")),
            int(draw.expovariate(1 / 400)) + 3,
        )
        one.indexes = draw.random() < 0.15
        one.varies = draw.choice((0.005, 0.02, 0.08))
        one.roams = draw.choice((0.0, 0.02, 0.3))
        one.huffman = draw.random() < 0.5
        if one.indexes:
            one.left = min(one.left, 60)
        one.server_name = draw.choice(("", "", "", "prod.example.com", "dev.example.com", "PROD.example.com"))
        address = draw.choice(("10.1.0.1", "10.1.0.1", "10.1.0.2", "2001:db8::1"))
        spoken = "h2" if one.http2 else draw.choice(("http/1.1", ""))
        if once:
            self._comes_for_one_call(one)
            if draw.random() < 0.9:
                one.repeats, one.http2, spoken, address, one.certificates, one.server_name = draw.choice(self._heard)
        one.address = address
        greeting = PREFACE + (SMALL_WINDOWS if draw.random() < 0.1 else SETTINGS) + frame(4, 1, 0) if one.http2 else b""
        self.steps.append(("open", one.number, spoken, address, one.certificates, one.server_name, greeting))
        self._open.append(one)

    def _comes_for_one_call(self, one: Connection) -> None:
        """The connection asks what another one asked, and is left, as each command of kubectl makes one."""
        draw = self._draw
        one.repeats = draw.choice(self._heard)[0]
        one.left = draw.choice((1, 1, 2))
        one.huffman, one.indexes = draw.choice(((True, True), (True, False), (False, False)))
        self._last = one
        self.varied["connections for one call"] += 1

    def _token(self, user: int) -> str:
        """A token of this person that holds, most of the time."""
        draw, mine = self._draw, self._tokens[user]
        good = [text for text, until in mine if until > self._now]
        if mine and draw.random() < 0.03:
            return draw.choice(mine)[0]
        if good and draw.random() < 0.9:
            return good[-1]
        name, groups, claims = PEOPLE[user]
        lasts = draw.choice((60, 600, 3600, 3600))
        made = token(name, groups, begins=self._now, lasts=lasts, **claims, jti=str(draw.getrandbits(16)))
        mine.append((made, self._now + lasts))
        self.varied["tokens"] += 1
        return made

    # ------------------------------------------------------------------ calls

    def _ask(self, one: Connection) -> None:
        draw = self._draw
        count = 1 if draw.random() < 0.85 else draw.randrange(2, 6)
        asked = [self._asked(one) for _ in range(count)]
        for each in asked:
            self._answered(one, each)
        if one.http2:
            pieces = [self._over_http2(one, each) for each in asked]
        else:
            pieces = [self._over_http1(one, each) for each in asked]
        data = b"".join(pieces)
        if draw.random() < 0.25:
            marks = sorted({0, len(data), *(draw.randrange(len(data)) for _ in range(draw.randrange(1, 4)))})
            pieces = [data[a:b] for a, b in itertools.pairwise(marks)]
            for piece in pieces:  # each read is handled, before the next one comes
                self.steps.append(("feed", one.number, piece))
        else:
            self.steps.append(("feed", one.number, data))
        self.calls += count
        one.left -= count
        self._leaves(one, asked)

    def _asked(self, one: Connection) -> Asked:
        """What is asked: what this connection asked before, something near it, or something else."""
        draw = self._draw
        if one.repeats is not None and draw.random() < 0.95:
            asked = one.repeats
            if draw.random() < 0.5 and any(name == "kubectl-session" for name, _ in asked.headers):
                asked = self._heads.in_run(asked)
            elif draw.random() < one.varies:
                asked = self._heads.near(asked)
            return self._by_who_is_known(one, asked)
        prefix = "" if one.server_name and draw.random() < 0.95 else "/" + draw.choice(CLUSTERS[:1] * 5 + CLUSTERS)
        before = list(one.said.values())
        if before and draw.random() < 1.0 - one.varies / 2:
            asked = draw.choice(before)
            if draw.random() < one.varies:
                self.varied["heads near another"] += 1
                asked = self._heads.near(asked)
            elif not asked.body and draw.random() < one.roams:
                self.varied["heads with another target"] += 1
                asked = self._heads.elsewhere(asked)
            else:
                return self._by_who_is_known(one, asked)
            once = draw.random() < 0.7  # else it is repeated from now on
        else:
            asked = self._heads.any(prefix)
            if one.certificates and draw.random() < 0.5:
                bearer = ""
            else:
                user = one.user if draw.random() < 0.9 else draw.randrange(len(PEOPLE))
                bearer = self._token(user)
            asked, once = self._heads.by(asked, bearer), False
        asked = self._by_who_is_known(one, asked)
        if once:
            return asked
        if asked.key not in one.said and len(one.said) > self._variety:
            one.said.pop(draw.choice(list(one.said)))
        one.said[asked.key] = asked
        if not asked.stands:
            spoken = "h2" if one.http2 else "http/1.1"
            self._heard = [*self._heard[-3:], (asked, one.http2, spoken, one.address, one.certificates, one.server_name)]
        return asked

    def _by_who_is_known(self, one: Connection, asked: Asked) -> Asked:
        """The same, most of the time with another token where its own has expired."""
        draw = self._draw
        good = any(asked.bearer == text and until > self._now for mine in self._tokens for text, until in mine)
        if not asked.bearer or good or draw.random() < 0.2:
            return asked
        new = self._heads.again(asked, self._token(one.user))
        if one.said.pop(asked.key, None) is not None:
            one.said[new.key] = new
        return new

    def _answered(self, one: Connection, asked: Asked) -> None:
        if self._draw.random() < self._answering:
            self.steps.append(("answers", _cluster(one, asked), asked.target, answer_for(self._draw, asked)))

    def _over_http1(self, one: Connection, asked: Asked) -> bytes:
        data = as_http1(asked)
        self._sent.add(data)
        if self._draw.random() < self._careless:
            data = mutated(self._draw, data)
            self.varied["heads with one byte changed"] += 1
            one.dead = self._draw.random() < 0.5
        return data + asked.body

    def _over_http2(self, one: Connection, asked: Asked) -> bytes:
        draw, stream = self._draw, one.stream
        one.stream += 2
        fields = asked.fields_of_http2()
        if draw.random() < self._careless:
            at = draw.randrange(len(fields))
            name, value = fields[at]
            self.varied["heads with one byte changed"] += 1
            fields[at] = (name, draw.choice((value + " ", value[:-1], value.upper(), value + "\x00", value + "x")))
        if not one.indexes or draw.random() < 0.3:  # so that the same bytes may mean something else, and other bytes the same
            block = bytes(
                one.packer.encode(
                    [hpack.NeverIndexedHeaderTuple(*pair) for pair in fields], huffman=one.huffman is (draw.random() < 0.97)
                )
            )
        else:
            block = bytes(one.packer.encode(fields))
        self._sent.add(block)
        if draw.random() < 0.005:
            self.varied["heads with one byte changed"] += 1
            block = mutated(draw, block)
            one.dead = True
        end = 0 if asked.body else 1
        if end and draw.random() < 0.06:
            end = 0
            one.unended.append(stream)
        if draw.random() < 0.1 and len(block) > 2:
            at = draw.randrange(1, len(block))
            frames = frame(1, end, stream, block[:at]) + frame(9, 4, stream, block[at:])
        else:
            frames = frame(1, end | 4, stream, block)
        if asked.body:
            half = draw.randrange(len(asked.body) + 1)
            frames += frame(0, 0, stream, asked.body[:half]) + frame(0, 1, stream, asked.body[half:])
        one.streams.append(stream)
        return frames

    def _leaves(self, one: Connection, asked: list[Asked]) -> None:
        """What becomes of a connection behind a call."""
        draw = self._draw
        if any(each.stands for each in asked) and draw.random() < 0.7:
            each = next(each for each in asked if each.stands)
            self.steps.append(("goes_on", _cluster(one, each), each.target))
        if one.unended and draw.random() < 0.5:
            self.steps.append(("feed", one.number, frame(0, 1, one.unended.pop())))
        if one.http2 and draw.random() < 0.04:
            self.steps.append(("feed", one.number, frame(3, 0, draw.choice(one.streams), b"\0\0\0\x08")))
        if one.http2 and draw.random() < 0.05:
            self.steps.append(("feed", one.number, frame(8, 0, 0, WINDOW) + frame(8, 0, one.streams[-1], WINDOW)))
        if draw.random() < 0.02:
            self.steps.append(("reads", one.number, False))
            self._slow.add(one.number)
        elif one.number in self._slow and draw.random() < 0.3:
            self.steps.append(("reads", one.number, True))
            self._slow.discard(one.number)
        if one.left <= 0 or one.dead or draw.random() < 0.002:
            self.steps.append(("leave", one.number, draw.choice(("end", "end", "reset"))))
            self._open.remove(one)

    # ------------------------------------------------------------------ what happens between calls

    def _happen(self) -> None:
        draw = self._draw
        what = draw.choices(
            (
                self._time,
                self._new_policy,
                self._configure,
                self._far,
                self._disk,
                self._issuer,
                self._grants,
                self._clock,
                self._kill,
            ),
            (60, 20, 12, 12, 8, 1, 10 if self.desks else 2, 4, 4),
        )[0]
        what()

    def _pass(self, seconds: float) -> None:
        self._now += seconds
        self.steps += [("advance", seconds), ("tick",)]

    def _time(self) -> None:
        draw = self._draw
        seconds = draw.choices(
            (0.05, 0.2, 1.0, 31.0, 61.0, 130.0, 601.0, 1000.0, 3700.0, 90_000.0), (30, 30, 20, 6, 4, 3, 3, 2, 1, 0.3)
        )[0]
        if seconds > 1:
            self._pass(seconds)
        else:
            self.steps.append(("advance", seconds))
            self._now += seconds
            if draw.random() < 0.5:
                self.steps.append(("tick",))

    def _new_policy(self) -> None:
        draw = self._draw
        choices = POLICIES + WITH_DESKS if self.desks else POLICIES
        self.steps += [("policy", draw.choice(choices)), ("tick",)]
        self._well = False

    def _configure(self) -> None:
        draw = self._draw
        if draw.random() < 0.2:
            changed = with_identity(self._house.settings(), draw.randrange(4))
        else:
            changed = dict(draw.choice(CONFIGURATIONS))
        self.steps.append(("configured", changed))
        self._changed = changed
        self._well = False

    def _far(self) -> None:
        draw = self._draw
        cluster = draw.choice(("prod", "prod", *CLUSTERS))
        what = draw.randrange(6)
        if what == 0:
            self.steps.append(("cluster", cluster, "down", True))
        elif what == 1:
            self.steps.append(("cluster", cluster, "token", "gateway-token-two"))
        elif what == 2:
            self.steps += [("credential", draw.randrange(2)), ("tick",)]
        elif what == 3:
            self.steps.append(("cluster", cluster, "reviews", False))
        elif what == 4:
            self.steps.append(("cluster", cluster, "indexes", draw.random() < 0.5))
        else:
            self.steps.append(("cluster", cluster, "forbids", True))
        self._well = False

    def _disk(self) -> None:
        how = self._draw.choice(("full", "sync", "stuck", "stuck", "low"))
        self.steps += [("disk_is", how), ("advance", 0.2)]
        if how == "low" or self._draw.random() < 0.3:
            self.steps.append(("tick",))
        self._now += 0.2
        self._well = False

    def _issuer(self) -> None:
        self.steps.append(("issuer", self._draw.choice(("down", "withdrawn"))))
        if self._draw.random() < 0.5:
            self._pass(601.0)
        self._well = False

    def _grants(self) -> None:
        draw = self._draw
        if draw.random() < 0.3:
            self.steps.append(("end_grant", "g-oncall-" + draw.choice(("ann", "bob", "bot"))))
            return
        given = [
            (group, user, kind, cluster, lasts)
            for group in ("oncall", "team-a")
            for user, kind in (("ann", "human"), ("bob", "human"), ("bot", "agent"))
            for cluster in ("prod", "dev")
            if draw.random() < 0.5
            for lasts in (draw.choice((10.0, 600.0)),)
        ]
        self.steps.append(("grants", *given))

    def _clock(self) -> None:
        ahead = self._draw.choice((-3600.0, -5.0, 0.5, 5.0, 7200.0))
        self.steps += [("set_clock", ahead), ("tick",)]
        self._now += ahead

    def _kill(self) -> None:
        self.steps.append(("ends", self._draw.choice(PEOPLE)[0]))

    def _mend(self) -> None:
        """Everything is well again."""
        self.steps += [
            ("cluster", name, what, value)
            for name in CLUSTERS
            for what, value in (("down", False), ("token", ""), ("reviews", True), ("forbids", False))
        ]
        self.steps += [
            ("disk_is", ""),
            ("issuer", "well"),
            ("grants",),
            ("policy", EVERYTHING if self._draw.random() < 0.6 else self._draw.choice(POLICIES[:-2])),
        ]
        if self._changed:
            self.steps.append(("configured", {}))
            self._changed = {}
        self._pass(self._draw.choice((1.0, 1.0, 1.0, 301.0)))
        self._pass(1.0)
        self._well = True


def _cluster(one: Connection, asked: Asked) -> str:
    """The cluster to which a request goes."""
    if one.server_name:
        return one.server_name.partition(".")[0].lower()
    return asked.prefix[1:] if asked.prefix[1:] in CLUSTERS else "prod"
