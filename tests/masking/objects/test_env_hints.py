"""A search of the bytes notices each environment variable that is masked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.detectors.marks import Expression, Marks
from l7gw.masking.objects import secret_names
from l7gw.masking.objects.env_hints import EXACT, PROTOBUF, ROUGH, WORDS
from tests.support.kubernetes.protobuf import message_class
from tests.support.masked import mask

_EXACT, _ROUGH, _PROTOBUF = (Marks([Expression(text, 2) for text in some]) for some in (EXACT, ROUGH, [PROTOBUF]))


def test_each_telling_word_is_noticed() -> None:
    for word in secret_names._TELLING | secret_names._TELLING_AT_THE_END:
        assert any(part in word for part in WORDS), word


NAMES = st.one_of(
    st.sampled_from(["DB_PASSWORD", "apiKey", "a.token", "LOG_LEVEL", "PWD", "X_PASS", 'a"TOKEN"', "MY_KEY,{", "TOKEN\\"]),
    st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126, exclude_characters="="), min_size=1, max_size=20),
)
VALUES = st.one_of(st.text(max_size=40), st.sampled_from(["hunter2!", 'a "b" c', "back\\slash", "line\nend", "br}ace{s"]))
ENVS = st.lists(st.tuples(NAMES, VALUES), max_size=4)


@settings(deadline=None, max_examples=60)
@given(ENVS, st.booleans(), st.integers(0, 2), st.sampled_from([None, 1]))
def test_what_is_masked_in_json_is_noticed(env: list[tuple[str, str]], backwards: bool, nested: int, indent: int | None) -> None:
    """kube-apiserver's own objects, and manifests within them."""
    variables: list[Any] = [{"name": n, "value": v} if not backwards else {"value": v, "name": n} for n, v in env]
    body: Any = {"kind": "Pod", "spec": {"containers": [{"env": variables}]}}
    for _ in range(nested):
        body = {"kind": "Pod", "metadata": {"annotations": {"x": json.dumps(body, ensure_ascii=False, indent=indent)}}}
    data = json.dumps(body, ensure_ascii=False, indent=indent).encode("utf-8", "surrogatepass")
    finds = mask("GET /api/v1/namespaces/shop/pods/x", data).finds
    if finds and b"\\u00" not in data:
        assert nested or _ROUGH.find(data, 0)
        assert _EXACT.find(data, 0)


@pytest.mark.parametrize("between", ["", '"x":1,', '"x":{"a":{"b":1}},', '"valueFrom":null,'])
@pytest.mark.parametrize("quote", ['"', '\\"', '\\\\\\"'])
def test_a_variable_of_a_manifest_is_noticed_with_other_members_between(quote: str, between: str) -> None:
    for variable in (f'{{"name":"A_TOKEN",{between}"value":"x"}}', f'{{"value":"x",{between}"name":"A_TOKEN"}}'):
        assert _EXACT.find(variable.replace('"', quote).encode(), 0)


@settings(deadline=None)
@given(ENVS)
def test_what_is_masked_in_protobuf_is_noticed(env: list[tuple[str, str]]) -> None:
    container: Any = message_class("core/v1.Container")()
    for name, value in env:
        variable = container.env.add()
        variable.name, variable.value = name, value
    told = any(secret_names.says_secret(n) and secret_names.may_be_secret(v) for n, v in env)
    assert not told or _PROTOBUF.find(container.SerializeToString(), 0)


USUAL = [
    b'{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db-secret","key":"password"}}}',
    b'{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db","key":"password"}}},{"name":"LOG","value":"x"}',
    b'{"name":"LOG_LEVEL","value":"information"}',
    b'{"key":"node.kubernetes.io/not-ready","operator":"Exists"},{"name":"kube-api-access-token"}',
]


@pytest.mark.parametrize("data", USUAL)
def test_what_usual_pods_have_is_not(data: bytes) -> None:
    assert not _ROUGH.find(data, 0)
    for quote in (b'"', b'\\"'):
        assert not _EXACT.find(data.replace(b'"', quote), 0)


def test_the_rough_search_may_notice_what_the_exact_one_does_not() -> None:
    data = b'{"secretName":"tokens","value":"x"}'
    assert _ROUGH.find(data, 0) and not _EXACT.find(data, 0)
