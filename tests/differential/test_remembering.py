"""With memory and without, nobody can tell the difference.

Two whole gateways get exactly the same traffic: one remembers nothing (`Limits(remembered=0)`), the other what it usually does.
Everything that can be seen of them must be the same in each step: each byte at each client and at each cluster, each line of the log
and of the access log, and at the end each event and each block of the journal. Clocks and random numbers are the same for both, so
nothing is left out of the comparison but what a journal says of itself (its writer's id, and the hashes that follow from it).

`make differential CALLS=1000000` does so for long.
"""

from __future__ import annotations

import pytest

from tests.support.twins.compared import WITH, compare, in_full, of_seed
from tests.support.twins.gateway_in_steps import Gateway
from tests.support.twins.house_of_twins import House
from tests.support.twins.policies_of_twins import EVERYTHING
from tests.support.twins.traffic import Traffic

CALLS = 2000  # of one seed
pytestmark = pytest.mark.timeout(600)  # where there is a difference, the shortest traffic is looked for


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("twins"))


def alike(house: House, seed: int, calls: int) -> None:
    found, traffic = of_seed(house, seed, calls)
    assert not found.difference, in_full(house, seed, traffic, found, tries=20)
    answered = sum(count for what, count in found.ended.items() if what == "call 200")
    assert answered > calls // 10, "the traffic is of refusals alone"


@pytest.mark.parametrize("seed", range(3))
def test_a_gateway_that_remembers_does_what_one_does_that_remembers_nothing(house: House, seed: int) -> None:
    alike(house, seed, CALLS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 110))
def test_twenty_thousand_calls_are_the_same_with_memory_and_without(house: House, seed: int) -> None:
    alike(house, seed, CALLS)


def test_a_gateway_that_does_one_thing_otherwise_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that cannot fail shows nothing: here one of both sets a field of its answers otherwise, once."""
    from l7gw.gateway import answer_relay

    honest, answers = answer_relay.shown_headers, [0]

    def other(*given: object, **named: object) -> object:
        answers[0] += 1
        shown = honest(*given, **named)  # type: ignore[arg-type]
        return (*shown, ("x-other", "1")) if answers[0] == 60 else shown

    traffic = Traffic(house, 1, 100)
    monkeypatch.setattr(answer_relay, "shown_headers", other)
    found = compare(house, 1, traffic.steps, http2=traffic.http2, policy=traffic.policy)
    assert "x-other" in found.difference and found.step >= 0


def test_calls_that_the_disk_slowed_go_on_in_the_order_in_which_they_were_slowed(house: House) -> None:
    """By the addresses of their objects, two gateways would answer the same traffic in two orders."""
    house.begin(EVERYTHING)
    gateway = Gateway(house, 0, WITH, http2=False)
    gateway.play([])
    told: list[int] = []

    class Slowed:
        def __init__(self, number: int) -> None:
            self._number = number

        def disk_caught_up(self) -> None:
            told.append(self._number)

    for number in range(100):
        gateway.worker.when_written(Slowed(number))
    gateway.worker._written()
    assert told == list(range(100))
