"""No value that must not leave does, whatever the kind, view, encoding and packing of the answer, and wherever the value stands."""

from __future__ import annotations

import itertools

import pytest

from l7gw.masking.masking import Masking
from tests.conftest import missing
from tests.support.go_programs import MissingGo
from tests.support.kubernetes import protobuf
from tests.support.masked_answers import Case, answer, cases, masked
from tests.support.planted import Searched

QUICK, ALL = 1000, 10_000  # cases in `make test`, in `make test-long`
KEY = b"k" * 32


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> None:
    try:
        protobuf.pool()
    except MissingGo as error:
        missing(f"Kubernetes' .proto files lie in Go modules: {error}")


def leaks(case: Case, masking: Masking) -> list[str]:
    """What left in a case, in words."""
    it = answer(case)
    done = masked(masking, it)
    if done.refused:
        return [f"{case}: refused: {done.refused}"]
    searched = Searched(it.values)
    found = [f"{case}: recorded: {words}" for words in searched.found_in(done.recorded)]
    if case.reveal != "everything":
        found += [f"{case}: shown: {words}" for words in searched.found_in(done.shown)]
        if done.shown != done.recorded:
            found.append(f"{case}: the client sees other bytes than the recording")
    told = repr(done.finds).encode()
    found += [f"{case}: in a find: {words}" for words in searched.found_in(told)]
    if not done.finds and it.holds_values:
        found.append(f"{case}: nothing was found")
    return found


@pytest.fixture(scope="module")
def structural() -> Masking:
    """Masks without a registry: it would hide that a copy of a value was missed."""
    return Masking(KEY)


def test_the_cases_hold_every_pair_of_their_words() -> None:
    made = list(cases(QUICK))
    names = ("kind", "view", "encoding", "packing", "split", "reveal")
    for one, other in itertools.combinations(names, 2):
        pairs = {(getattr(case, one), getattr(case, other)) for case in made}
        words = {getattr(case, one) for case in made}, {getattr(case, other) for case in made}
        assert len(pairs) == len(words[0]) * len(words[1]), (one, other)


@pytest.mark.parametrize("part", range(10))
def test_no_value_that_is_secret_by_its_place_leaves_in_an_answer(structural: Masking, part: int) -> None:
    found = [words for case in itertools.islice(cases(QUICK), part * 100, part * 100 + 100) for words in leaks(case, structural)]
    assert not found, "\n".join(found[:20])


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_no_value_that_is_secret_by_its_place_leaves_in_any_of_all_cases(structural: Masking, part: int) -> None:
    found = [words for case in itertools.islice(cases(ALL), part, None, 10) for words in leaks(case, structural)]
    assert not found, "\n".join(found[:20])


def test_the_search_finds_a_value_that_left(structural: Masking) -> None:
    """What the other tests stand on: in an answer that was not masked every value is found."""
    for case in cases(300):
        if case.encoding == "json" and case.view == "get" and case.packing == "plain":
            it = answer(case)
            body = b"".join(it.chunks)
            assert {value for value in it.values if Searched([value]).found_in(body)} == set(it.values) - _packed(it.values), case


def _packed(values: list[bytes]) -> set[bytes]:
    """The values of a Helm release: one lies within gzip within base64 twice, and stands in `values` beside both."""
    return {value for value in values if any(other[:2] == b"\x1f\x8b" for other in values) and value == values[0]}
