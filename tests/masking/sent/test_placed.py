"""The value of a JSON patch stands in what its pointer says."""

from __future__ import annotations

from l7gw.kube.objects import json_nodes
from l7gw.masking.sent.placed import placed


def test_a_pointer_becomes_the_objects_and_lists_around_its_value() -> None:
    value = json_nodes.read(b'{"a":"b"}', strict=True)
    whole = placed("/spec/containers/0/env", value)
    containers = whole.at("spec", "containers")
    assert containers is not None and containers.shape == "list"
    assert containers.items()[0].member("env") is value
    assert whole.at("spec", "initContainers") is None
    assert [name for name, _ in whole.members()] == ["spec"]
    assert placed("", value) is value


def test_escaped_names_and_keys_that_are_numbers() -> None:
    value = json_nodes.read(b'{"a":"b"}', strict=True)
    assert placed("/metadata/annotations/a~1b~0c", value).at("metadata", "annotations", "a/b~c") is value
    assert placed("/data/0", value).at("data", "0") is value


def test_what_is_put_in_its_place_goes_to_the_value() -> None:
    patch = json_nodes.read(b'[{"value":"x"},{"value":"y"},{"value":"eA=="}]', strict=True)
    first, second, third = (item.member("value") for item in patch.items())
    assert first and second and third
    placed("/data", first).replace("1")
    placed("/data", third).replace_octets(b"2")
    assert placed("/data", first).edited and not placed("/data", second).edited
    placed("/data", second).remove()
    assert patch.render("recorded") == b'[{"value":"1"},{},{"value":"Mg=="}]'
    assert placed("/data", first).path == "[0].value"
    added = placed("/args/-", first).member("args")
    assert added is not None and list(added.items()) == [first] and added.member("-") is None
