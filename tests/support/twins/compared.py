"""Two gateways, one that remembers what was said and one that does not, get the same traffic: what differs?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from l7gw.limits import USUAL_LIMITS
from l7gw.recording import reader
from l7gw.recording.session import BLOCK
from tests.support.twins.gateway_in_steps import Block, Gateway, Said, Step
from tests.support.twins.house_of_twins import House
from tests.support.twins.policies_of_twins import EVERYTHING
from tests.support.twins.traffic import Traffic

# Lower limits than the product's, which the traffic reaches
WITH = replace(USUAL_LIMITS, runs_known=8, session_unwritten=64 * 1024, unwritten=512 * 1024, attempts_a_day=256 * 1024)
WITHOUT = replace(WITH, remembered=0)
APPENDED = 16 * 1024  # bytes at most of what is appended together
AROUND = 60  # bytes shown on both sides of a difference


@dataclass
class Compared:
    """What two gateways did. `step` is the number of the first one in which they differed; -1: in none."""

    difference: str = ""
    step: int = -1
    ended: Counter[str] = field(default_factory=Counter)
    reopened: int = 0  # connections of clients that the gateway had ended
    recorded: int = 0  # calls that were recorded as those before
    answered: int = 0  # answers that were handed on as those before
    outdated: int = 0  # calls whose head was known, and what it depends on had changed
    blocks: int = 0  # of the journal
    cut_elsewhere: int = 0  # whether the journal's blocks are the same, but in sessions that filled one
    bytes: int = 0  # that were compared, of all places
    digest: str = ""  # of all that the remembering one gave; two processes give the same for the same seed and day


def compare(
    house: House,
    seed: int,
    steps: Sequence[Step],
    *,
    http2: bool,
    policy: str = EVERYTHING,
    gateways: list[Gateway] | None = None,
) -> Compared:
    """Play the steps at both gateways, which are put into `gateways`: the one without memory first."""
    gateways = gateways if gateways is not None else []
    for limits in (WITHOUT, WITH):
        house.begin(policy)
        gateway = Gateway(house, seed, limits, http2=http2)
        gateway.play(list(steps))
        gateways.append(gateway)
    plain, remembering = gateways
    found = Compared(ended=Counter(remembering.ended), reopened=remembering.reopened)
    told = remembering.remembered
    found.recorded, found.answered, found.outdated = told["asked"], told["answered"], told["outdated"]
    found.blocks = len(remembering.blocks)
    found.bytes = sum(len(part) for said in remembering.said for parts in said.values() for part in parts)
    found.bytes += sum(len(block[2]) for block in remembering.blocks)
    words = repr(([sorted(said.items()) for said in remembering.said], remembering.blocks)).replace(str(house.folder), "")
    found.digest = hashlib.sha256(words.encode()).hexdigest()
    assert not plain.remembered, "with `remembered` 0 nothing is"
    for number, (one, other) in enumerate(zip_longest(plain.said, remembering.said, fillvalue={})):
        if one != other:
            found.step, found.difference = number, _in_words(one, other)
            return found
    if plain.blocks != remembering.blocks:
        found.difference = _of_blocks(plain, remembering)
        found.step, found.cut_elsewhere = (len(steps), 0) if found.difference else (-1, 1)
    return found


def _in_words(one: Said, other: Said) -> str:
    lines = []
    for place in one.keys() | other.keys():
        if one.get(place) != other.get(place):
            lines += [f"at {place}:", *_apart(_joined(one.get(place)), _joined(other.get(place)))]
    return "\n".join(lines)


def _joined(parts: list[bytes | str] | None) -> bytes:
    return b"".join(part if isinstance(part, bytes) else f"<{part}>".encode() for part in parts or ())


def _apart(one: bytes, other: bytes) -> list[str]:
    at = next((n for n, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    begin = max(0, at - AROUND)
    return [f"  without memory: {one[begin : at + 4 * AROUND]!r}", f"  with memory:    {other[begin : at + 4 * AROUND]!r}"]


def cut_alike(plain: list[Block], remembering: list[Block]) -> bool:
    """Whether blocks that hold the same events are the same, but those of sessions that filled one. What is appended together, as
    all of an answer that is known, comes into one block; the plain gateway appends it event by event. So a full block may end at
    another event, what is behind it may go to the disk with another one, and the session's further blocks have other numbers."""
    filled = {one[0] for one in plain if len(one[2]) >= BLOCK - APPENDED} & {
        one[0] for one in remembering if len(one[2]) >= BLOCK - APPENDED
    }
    one, other = ([block for block in blocks if block[0] not in filled] for blocks in (plain, remembering))
    return bool(filled) and one == other


def _of_blocks(plain: Gateway, remembering: Gateway) -> str:
    one, other = _events(plain), _events(remembering)
    for session in one.keys() | other.keys():
        for before, (a, b) in enumerate(zip_longest(one.get(session, ()), other.get(session, ()))):
            if a != b:
                return f"the journal, behind {before} events of {session}:\n  without memory: {a!r}\n  with memory:    {b!r}"
    if cut_alike(plain.blocks, remembering.blocks):
        return ""
    for block, same in zip_longest(plain.blocks, remembering.blocks):
        if block != same:
            return f"the journal has the same events in other blocks: {block!r:.300}\n and {same!r:.300}"
    return ""


def _events(gateway: Gateway) -> dict[str, list[object]]:
    """The events of each session."""
    found: dict[str, list[object]] = {}
    for session, about, data, _ in sorted(gateway.blocks, key=lambda block: block[1][0]):
        found.setdefault(session, []).extend(reader.decode(data, about[3]))
    return found


def of_seed(house: House, seed: int, calls: int) -> tuple[Compared, Traffic]:
    """Compare what both do with the traffic of a seed."""
    traffic = Traffic(house, seed, calls)
    return compare(house, seed, traffic.steps, http2=traffic.http2, policy=traffic.policy), traffic


def shortest(house: House, seed: int, traffic: Traffic, found: Compared, tries: int = 60) -> tuple[list[Step], Compared]:
    """Few steps in which the gateways differ, beginning with the prefix up to the first difference."""
    steps = traffic.steps[: found.step + 1]
    size = len(steps) // 2
    while size and tries:
        at = 0
        while at < len(steps) and tries:
            tries -= 1
            fewer = steps[:at] + steps[at + size :]
            try:
                again = compare(house, seed, fewer, http2=traffic.http2, policy=traffic.policy)
            except (AssertionError, KeyError):
                again = Compared()
            if again.difference:
                steps, found = fewer[: again.step + 1], again
            else:
                at += size
        size //= 2
    return steps, found


def in_full(house: House, seed: int, traffic: Traffic, found: Compared, tries: int = 60) -> str:
    """A difference in words: the seed, what differs, and the shortest traffic in which it was found."""
    steps, found = shortest(house, seed, traffic, found, tries)
    listed = "\n".join(f"  {step!r:.400}" for step in steps[-40:])
    desks = "http2" if traffic.http2 else "http/1.1"
    return f"seed {seed}, step {found.step}, clusters of {desks}\n{found.difference}\nthe shortest traffic, {len(steps)} steps:\n{listed}"
