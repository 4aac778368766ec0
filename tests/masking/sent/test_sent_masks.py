"""What a caller sent, as it is recorded; bodies are read strictly."""

from __future__ import annotations

import base64
import json

import pytest

from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.masking.masking import Masking
from l7gw.masking.sent.sent_masks import SentMasks
from l7gw.obligations import NO_OBLIGATIONS

TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
PODS = "/api/v1/namespaces/d/pods"
MASKING = Masking(bytes(32))


def sent(method: str, target: str, upgrade: str = "") -> SentMasks:
    return SentMasks(MASKING.of_call("prod", describe(method, target, upgrade), Principal("ann"), NO_OBLIGATIONS))


def test_a_line_is_masked_in_the_target_and_in_what_was_read_from_it() -> None:
    target = f"{PODS}/web-0/exec?command=login&command={TOKEN}&stdout=true"
    masks = sent("GET", target, "websocket")
    act = describe("GET", target, "websocket")
    recorded, of_record = masks.line(target, act)
    (find,) = masks.finds
    placeholder = f"l7gw-masked-{find.detector}-{find.tag}"
    assert recorded == target.replace(TOKEN, placeholder) and find.where.startswith("target:")
    assert of_record is not None and of_record.argv == ("login", placeholder) and of_record.name == act.name
    assert masks.line(PODS, act) == (PODS, act)


def test_a_secret_is_recorded_masked_and_told_where() -> None:
    masks = sent("POST", "/api/v1/namespaces/d/secrets")
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db"}, "stringData": {"password": "correct horse battery"}}
    recorded = masks.body(json.dumps(secret).encode(), "application/json")
    assert b"correct horse" not in recorded and [find.where for find in masks.finds] == ["stringData.password"]


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b'{"kind":"Secret","kind":"ConfigMap"}', 400),
        ("application/json", b'{"a":NaN}', 400),
        ("application/json", b"{} {}", 400),
        ("application/json", b"[" * 101 + b"]" * 101, 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", b'{"kind":"ConfigMap","apiVersion":"v1"}', 400),
        ("application/vnd.kubernetes.protobuf", b"k8s\0\x0a", 400),
        ("application/yaml", b"kind: Secret\n", 415),
        ("application/apply-patch+yaml", b"kind: Secret\n", 415),
        ("text/plain", b"{}", 415),
    ],
)
def test_a_body_with_two_readings_or_of_a_type_that_nobody_reads_is_refused(content_type: str, body: bytes, code: int) -> None:
    with pytest.raises(Refusal) as error:
        sent("POST", "/api/v1/namespaces/d/secrets").body(body, content_type)
    assert error.value.code == code


SECRET = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db"}, "stringData": {"any": "correct horse battery"}}


def refused(body: object) -> tuple[SentMasks, Refusal]:
    masks = sent("POST", "/api/v1/namespaces/d/pods")
    with pytest.raises(Refusal) as error:
        masks.body(json.dumps(body).encode(), "application/json")
    return masks, error.value


def test_a_body_of_a_kind_that_the_url_does_not_take_is_recorded_as_any_other() -> None:
    masks, refusal = refused(SECRET)
    assert refusal.code == 400
    recorded = json.loads(masks.refused)
    assert recorded["stringData"]["any"].startswith("l7gw-masked-secret-data-")
    assert recorded | {"stringData": SECRET["stringData"]} == SECRET
    assert [find.where for find in masks.finds] == ["stringData.any"]


@pytest.mark.parametrize(
    "body",
    [
        {"Kind": "Secret", **SECRET},
        {"KIND": "Secret", "stringData": SECRET["stringData"]},
        {"kind": "List", "apiVersion": "v1", "items": [{"a": [{"kINd": "Secret", "stringData": SECRET["stringData"]}]}]},
    ],
)
def test_nothing_is_recorded_of_a_body_that_names_kinds_in_other_letters(body: object) -> None:
    masks, refusal = refused(body)
    assert (refusal.code, masks.refused, masks.finds) == (400, b"", [])


def test_apply_in_json_passes_and_a_json_patch_is_no_object() -> None:
    masks = sent("PATCH", "/api/v1/namespaces/d/secrets/db")
    body = b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"}}'
    assert masks.body(body, "application/apply-patch+yaml") == body
    patch = json.dumps(
        [{"op": "add", "path": "/data/password", "value": base64.b64encode(b"correct horse battery").decode()}]
    ).encode()
    assert base64.b64encode(b"correct horse") not in masks.body(patch, "application/json-patch+json") and masks.finds


def test_a_body_for_an_application_is_scanned_for_tokens_alone() -> None:
    masks = sent("POST", "/api/v1/namespaces/d/services/web/proxy/login")
    body = f"user=ann&password=hunter2hunter2&token={TOKEN}".encode()
    recorded = masks.body(body, "application/x-www-form-urlencoded")
    assert TOKEN.encode() not in recorded and b"user=ann" in recorded
    assert masks.finds[-1].where == f"body:{recorded.index(b'l7gw-masked-' + masks.finds[-1].detector.encode())}"


def test_a_client_s_own_words_are_masked() -> None:
    assert TOKEN not in sent("GET", PODS).text(f"kubectl {TOKEN}") and sent("GET", PODS).text("kubectl get") == "kubectl get"
    masks = sent("GET", PODS)
    assert TOKEN not in str(masks.headers((("x-note", TOKEN), ("accept", "*/*")))) and len(masks.finds) == 1
