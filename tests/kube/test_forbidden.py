"""Whether a 403 is about the caller or the gateway: sentences of kube-apiserver 1.36, in both encodings, and
sentences that a caller can make it write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.kube.forbidden import NotImpersonated, not_authorized, not_impersonated
from l7gw.kube.status import JSON, PROTOBUF, encode

GATEWAY = 'User "system:serviceaccount:gw:gw"'


def status(message: str, kind: str = "", name: str = "", group: str = "", *, reason: str = "Forbidden") -> bytes:
    details = {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}
    whole = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return json.dumps({**whole, "reason": reason, "details": details, "code": 403}).encode()


REFUSED = [
    (
        f'groups "l7gw:extra" is forbidden: {GATEWAY} cannot impersonate resource "groups" in API group "" at the cluster scope',
        ("groups", "l7gw:extra"),
        NotImpersonated("impersonate", "groups", "l7gw:extra"),
    ),
    (
        'groups "b\u00fcro<&>\\"\\\\" is forbidden: ' + GATEWAY + ' cannot impersonate resource "groups" in API group "" at the cluster scope',
        ("groups", 'b\u00fcro<&>"\\'),
        NotImpersonated("impersonate", "groups", 'b\u00fcro<&>"\\'),
    ),
    (
        f'users "l7gw" is forbidden: {GATEWAY} cannot impersonate resource "users" in API group "" at the cluster scope: RBAC: no role',
        ("users", "l7gw"),
        NotImpersonated("impersonate", "users", "l7gw"),
    ),
    (
        f'userextras.authentication.k8s.io "ann" is forbidden: {GATEWAY} cannot impersonate resource "userextras/l7gw-user" in API group '
        '"authentication.k8s.io" at the cluster scope',
        ("userextras", "ann", "authentication.k8s.io"),
        NotImpersonated("impersonate", "userextras/l7gw-user", "ann"),
    ),
    (
        f'groups.authentication.k8s.io "x" is forbidden: {GATEWAY} cannot impersonate:user-info resource "groups" in API group '
        '"authentication.k8s.io" at the cluster scope',
        ("groups", "x", "authentication.k8s.io"),
        NotImpersonated("impersonate:user-info", "groups", "x"),
    ),
    (
        f'pods "x" is forbidden: {GATEWAY} cannot impersonate-on:user-info:get resource "pods" in API group "" in the namespace "d"',
        ("pods", "x"),
        NotImpersonated("impersonate-on:user-info:get", "pods", "x"),
    ),
    (
        f'pods is forbidden: {GATEWAY} cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "d"',
        ("pods",),
        NotImpersonated("impersonate-on:user-info:list", "pods"),
    ),
    (
        f'forbidden: {GATEWAY} cannot impersonate-on:user-info:get path "/version"',
        (),
        NotImpersonated("impersonate-on:user-info:get"),
    ),
]  # fmt: skip

FORGED = 'groups is forbidden: User "x" cannot impersonate resource "groups"'
QUOTED = FORGED.replace('"', '\\"')
OTHERS = [  # 403s about the caller, who chose parts of some of them
    ('pods is forbidden: User "l7gw" cannot list resource "pods" in API group "" in the namespace "d"', ("pods",)),
    ('forbidden: User "l7gw" cannot impersonate path "/version"', ()),  # for a call with the method IMPERSONATE
    ('groups "x" is forbidden: User "l7gw" cannot  resource "groups" in API group "" at the cluster scope', ("groups", "x")),
    (f'{FORGED} is forbidden: User "l7gw" cannot list resource "{QUOTED}" in API group "" at the cluster scope', (FORGED,)),
    (f'pods "{QUOTED}" is forbidden: User "l7gw" cannot get resource "pods" in API group "" in the namespace "d"', ("pods", FORGED)),
    ('groups "x" is forbidden: User "a\\" cannot impersonate resource \\"groups\\"" cannot get resource "groups" in API group ""', ("groups", "x")),
    ('pods "x" is forbidden: ValidatingAdmissionPolicy \'p\' denied request: User "a" cannot impersonate resource "groups"', ("pods", "x")),
    ('admission webhook "w" denied the request: groups "x" is forbidden: User "a" cannot impersonate resource "groups" in API group ""', ()),
    ('pods "x" is forbidden: User "a" cannot impersonate resource "pods" in API group ""', ("pods", "x")),
    ('groups "x" is forbidden: User "a" cannot impersonate resource "groups" in API group ""', ("pods", "x")),
    ('groups "x" is forbidden: User "a" cannot impersonate resource "groups" in API group ""', ("groups", "x", "example.com")),
    ("", ()),
]  # fmt: skip


def both(message: str, details: tuple[str, ...]) -> list[tuple[str, bytes]]:
    plain = status(message, *details)
    return [(JSON, plain), ("application/json; charset=utf-8", plain), (PROTOBUF, protobuf(message, *details))]


def protobuf(message: str, kind: str = "", name: str = "", group: str = "") -> bytes:
    """A Status in protobuf, by an encoder of this test's own: texts are fields with a length, and the code is a number."""

    def field(number: int, data: bytes) -> bytes:
        assert len(data) < 1 << 14
        length = bytes((len(data),)) if len(data) < 128 else bytes((len(data) & 127 | 128, len(data) >> 7))
        return bytes((number << 3 | 2,)) + length + data

    details = field(1, name.encode()) + field(2, group.encode()) + field(3, kind.encode()) + b"\x28\x00" + field(6, b"")
    whole = field(1, b"") + field(2, b"Failure") + field(3, message.encode()) + field(4, b"Forbidden") + field(5, details)
    return b"k8s\0" + field(1, b"\n\x02v1\x12\x06Status") + field(2, whole + b"\x30\x93\x03") + field(3, b"") + field(4, b"")


@pytest.mark.parametrize(("message", "details", "told"), REFUSED)
def test_a_refusal_to_impersonate_is_known_by_its_sentence(message: str, details: tuple[str, ...], told: NotImpersonated) -> None:
    for content_type, body in both(message, details):
        assert not_impersonated(content_type, body) == told


@pytest.mark.parametrize(("message", "details"), OTHERS)
def test_a_403_about_the_caller_is_never_taken_for_one(message: str, details: tuple[str, ...]) -> None:
    for content_type, body in both(message, details):
        assert not_impersonated(content_type, body) is None


def test_a_403_that_kube_apiserver_sent_as_protobuf_is_read() -> None:
    sent = (
        b'k8s\x00\n\x0c\n\x02v1\x12\x06Status\x12\xcc\x01\n\x06\n\x00\x12\x00\x1a\x00\x12\x07Failure\x1a\x8e\x01groups "l7gw:extra" is '
        b'forbidden: User "system:serviceaccount:gw:gw" cannot impersonate resource "groups" in API group "" at the cluster scope"\t'
        b'Forbidden*\x1a\n\nl7gw:extra\x12\x00\x1a\x06groups(\x002\x000\x93\x03\x1a\x00"\x00'
    )
    assert not_impersonated(PROTOBUF, sent) == REFUSED[0][2]
    for cut in range(len(sent)):
        assert not_impersonated(PROTOBUF, sent[:cut]) in (None, REFUSED[0][2])


def test_a_403_of_another_reason_or_type_tells_nothing_about_impersonation() -> None:
    message, details, _ = REFUSED[0]
    assert not_impersonated(JSON, status(message, *details, reason="NotFound")) is None
    assert not_impersonated("text/plain", status(message, *details)) is None
    assert not_impersonated(*encode("application/json", 403, "Forbidden", message)) is None  # the gateway's own 403


def test_a_403_of_json_nested_without_end_tells_nothing_about_impersonation() -> None:
    assert not_impersonated(JSON, b'{"x":' + b"[" * 8000 + b"]" * 8000 + b"}") is None


@given(st.sampled_from([JSON, PROTOBUF]), st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(b"k8s\0".__add__)))
def test_a_403_of_any_bytes_is_read_without_an_error(content_type: str, body: bytes) -> None:
    assert not_impersonated(content_type, body) is None


@given(
    st.text('agrous"\\ :', max_size=8), st.text('ps"\\ is forbidden:U', max_size=12), st.sampled_from(["get", "list", "create", ""])
)
def test_no_name_or_resource_that_a_caller_chooses_is_taken_for_one(name: str, resource: str, verb: str) -> None:
    """The sentence that the API server writes about a caller. JSON quotes these characters as Go's %q does."""
    quoted = f" {json.dumps(name)}" if name else ""
    message = f'{resource + quoted + " is " if resource else ""}forbidden: User "l7gw" cannot {verb} resource {json.dumps(resource)} in API group ""'
    for content_type, body in both(message, (resource, name)):
        assert not_impersonated(content_type, body) is None


@pytest.mark.parametrize(
    ("message", "kind", "name", "lacks"),
    [
        ('pods is forbidden: User "l7gw" cannot list resource "pods" in API group "" in the namespace "d"', "pods", "", True),
        (
            'pods "x" is forbidden: User "a\\"b" cannot get resource "pods" in API group "" in the namespace "d": why',
            "pods",
            "x",
            True,
        ),
        ('forbidden: User "l7gw" cannot get path "/metrics"', "", "", True),
        ('pods "x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1', "pods", "x", False),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', "pods", "x", False),
        ('admission webhook "w" denied the request: User "l7gw" cannot ', "", "", False),
        ('pods "User \\"a\\" cannot " is forbidden: no', "pods", 'User "a" cannot ', False),
    ],
)
def test_a_right_that_is_missing_is_told_from_admission_and_quotas(message: str, kind: str, name: str, lacks: bool) -> None:
    assert not_authorized(JSON, status(message, kind, name)) is lacks
    assert not not_authorized(JSON, status(message, kind, name, reason="Invalid"))
