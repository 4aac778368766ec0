"""Which names are one person's."""

from __future__ import annotations

from l7gw.approval.messages import Requester
from l7gw.approval.people import People
from l7gw.config.settings import Person

PEOPLE = People((Person("ann", ("aws:ann", "cert:ann")), Person("bob", ("cert:bob",))))


def test_every_name_of_a_person_is_that_person_and_others_are_themselves() -> None:
    assert [PEOPLE.person(name) for name in ("ann", "aws:ann", "cert:ann", "cert:bob", "eve", "ANN")] == [
        "ann",
        "ann",
        "ann",
        "bob",
        "eve",
        "ANN",
    ]


def test_behind_an_agents_call_stand_the_person_it_acts_for_and_the_agent() -> None:
    assert PEOPLE.behind(Requester(user="aws:ann", kind="agent", actor="cert:bob")) == {"ann", "bob"}
    assert PEOPLE.behind(Requester(user="cert:ann")) == {"ann"}
