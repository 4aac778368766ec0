"""A search of the bytes notices each environment variable that is masked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.objects import secret_names
from l7gw.masking.objects.env_hints import WORDS, may_hold_env
from tests.support.kubernetes.protobuf import message_class
from tests.support.masked import mask


def test_each_telling_word_is_noticed() -> None:
    for word in secret_names._TELLING | secret_names._TELLING_AT_THE_END:
        assert any(part in word for part in WORDS), word


NAMES = st.one_of(
    st.sampled_from(["DB_PASSWORD", "apiKey", "a.token", "LOG_LEVEL", "PWD", "X_PASS"]),
    st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126, exclude_characters="=,"), min_size=1, max_size=20),
)
VALUES = st.one_of(st.text(max_size=40), st.sampled_from(["hunter2!", 'a "b" c', "back\\slash", "line\nend"]))
ENVS = st.lists(st.tuples(NAMES, VALUES), max_size=4)


@settings(deadline=None, max_examples=40)
@given(ENVS, st.booleans(), st.integers(0, 2))
def test_what_is_masked_in_json_is_noticed(env: list[tuple[str, str]], backwards: bool, nested: int) -> None:
    variables: list[Any] = [{"name": n, "value": v} if not backwards else {"value": v, "name": n} for n, v in env]
    body: Any = {"kind": "Pod", "spec": {"containers": [{"env": variables}]}}
    for _ in range(nested):
        body = {"kind": "Pod", "metadata": {"annotations": {"x": json.dumps(body, ensure_ascii=False)}}}
    data = json.dumps(body, ensure_ascii=False, indent=nested or None).encode("utf-8", "surrogatepass")
    finds = mask("GET /api/v1/namespaces/shop/pods/x", data).finds
    assert not finds or may_hold_env(data)


@settings(deadline=None)
@given(ENVS)
def test_what_is_masked_in_protobuf_is_noticed(env: list[tuple[str, str]]) -> None:
    container: Any = message_class("core/v1.Container")()
    for name, value in env:
        variable = container.env.add()
        variable.name, variable.value = name, value
    told = any(secret_names.says_secret(n) and secret_names.may_be_secret(v) for n, v in env)
    assert not told or may_hold_env(container.SerializeToString())


@pytest.mark.parametrize(
    "data",
    [
        b'{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db-secret","key":"password"}}}',
        b'{"name":"LOG_LEVEL","value":"information"}',
        b'{"key":"node.kubernetes.io/not-ready","operator":"Exists"},{"name":"kube-api-access-token"}',
        b'{"secretName":"tokens","value":"x"}',
    ],
)
def test_what_usual_pods_have_is_not(data: bytes) -> None:
    assert not may_hold_env(data)
