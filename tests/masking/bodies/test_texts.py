"""What is masked in a text: what detectors find and registered values, in order and disjoint."""

from __future__ import annotations

from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.masking.masking import Masking
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import Obligations
from tests.masking.bodies.test_bodies import CONFIGURED

TOKEN = b"ghp_" + b"a1B2c3D4e5F6" * 3
VALUE = b"Corr3ct!horse#battery"


def test_detectors_and_registered_values_are_found_together() -> None:
    registry = Registry(bytes(32), lambda: 0.0)
    registry.register("prod", "d", VALUE)
    act = describe("GET", "/api/v1/namespaces/d/pods/web-0/log")
    reveal = Obligations(reveal=frozenset({"registry"}))
    masks = Masking(bytes(32), CONFIGURED, registry=registry).of_call("prod", act, Principal("ann"), reveal).texts()
    text = b"a " + VALUE + b" b " + TOKEN + b" c"
    first, second = masks.cuts(text)
    assert text[first.start : first.end] == VALUE and text[second.start : second.end] == TOKEN
    assert masks.placeholder(VALUE, first) == f"l7gw-masked-registry-{masks.tagger.tag(VALUE)}"
    assert masks.reveals(first) and not masks.reveals(second)
    assert masks.open_from(b"x " + VALUE[:15]) == 2
