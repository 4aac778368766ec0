"""A failure that quotes a value is masked so that its field and its reason stay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.masking.objects.statuses import WHOLE_WARNING
from l7gw.obligations import Obligations
from tests.support.masked import b64, mask, placeholder

SECRET = "PATCH /api/v1/namespaces/shop/secrets/db"
POD = "PATCH /api/v1/namespaces/shop/pods/web"
CONFIG_MAP = "PATCH /api/v1/namespaces/shop/configmaps/web"


def quoted(text: str) -> str:
    return json.dumps(text)


def invalid(kind: str, name: str, *errors: tuple[str, str]) -> dict[str, Any]:
    """A 422 as AM pkg/api/errors/errors.go (NewInvalid) writes it. `errors` are pairs of field and message."""
    texts = list(dict.fromkeys(f"{field}: {message}" for field, message in errors))
    joined = ", ".join(texts) if len(texts) == 1 else f"[{', '.join(texts)}]"
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f'{kind} "{name}" is invalid: {joined}',
        "reason": "Invalid",
        "details": {
            "name": name,
            "kind": kind,
            "causes": [{"reason": "FieldValueInvalid", "message": m, "field": f} for f, m in errors],
        },
        "code": 422,
    }


def failure(message: str, code: int = 400, reason: str = "BadRequest") -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


WHOLE = quoted(json.dumps({"kind": "Secret", "data": {"a": b64("hunter2!"), "b": "%%"}}))


def test_a_stored_secret_that_a_422_quotes_is_masked_and_the_field_and_reason_stay() -> None:
    body = invalid("", "", ("patch", f"Invalid value: {WHOLE}: illegal base64 data at input byte 0"))
    got = mask(SECRET, body)
    hidden = placeholder("secret-data", WHOLE)
    assert got.shown["message"] == f' "" is invalid: patch: Invalid value: {hidden}: illegal base64 data at input byte 0'
    assert got.shown["details"]["causes"][0]["message"] == f"Invalid value: {hidden}: illegal base64 data at input byte 0"
    assert got.places == {"message": "secret-data", "details.causes[0].message": "secret-data"}


def test_several_causes_are_masked_each_in_its_place() -> None:
    body = invalid(
        "Secret",
        "db",
        ("data[a]", 'Invalid value: "hunter2!": is bad'),
        ("metadata.name", 'Invalid value: "D_B": a lowercase RFC 1123 subdomain must consist of ...'),
        ("data[a]", 'Invalid value: "hunter2!": is bad'),
        ("data[!]", "Invalid value: \"!\": a valid config key must consist of alphanumeric characters, '-'"),
        ("data[b]", "Required value"),
        ("data", "Too long: may not be more than 1048576 bytes"),
        ("type", 'Invalid value: "Opaque": field is immutable'),
        ("data", 'Invalid value: {"a":"hunter2!"}: field is immutable'),
    )
    got = mask(SECRET, body)
    text = got.shown["message"]
    assert "hunter2!" not in text
    assert 'metadata.name: Invalid value: "D_B": a lowercase RFC 1123 subdomain must consist of ...' in text
    assert 'data[!]: Invalid value: "!": a valid config key' in text
    assert "data[b]: Required value, data: Too long: may not be more than 1048576 bytes, " in text
    assert 'type: Invalid value: "Opaque": field is immutable' in text
    assert (
        f"data: Invalid value: {placeholder('secret-data', json.dumps({'a': 'hunter2!'}, separators=(',', ':')))}: field is immutable]"
        in text
    )


@pytest.mark.parametrize(
    "message",
    [
        'secrets "db" not found',
        'secrets "db" already exists',
        'secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" in the namespace "shop"',
        'secrets "db" is forbidden: User "ann" cannot get resource "secrets" in API group "" in the namespace "shop": RBAC: clusterrole not found',
        'Operation cannot be fulfilled on secrets "db": the object has been modified; please apply your changes to the latest version and try again',
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.password',
        'Apply failed with 2 conflicts: conflicts with "a":\n- .data.a\n- .data.b\nconflicts with "b" using v1:\n- .data.c',
        "the server rejected our request due to an error in our request",
        'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 3',
        'Secret in version "v1" cannot be handled as a Secret: json: cannot unmarshal number into Go struct field Secret.stringData of type string',
        'secrets "db" is forbidden: exceeded quota: objects, requested: secrets=1, used: secrets=5, limited: secrets=5',
        'namespaces "shop" not found',
    ],
)
def test_forms_that_hold_no_value_stay(message: str) -> None:
    assert mask(SECRET, failure(message)).shown["message"] == message


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("hunter2! is what it holds", ""),
        (
            'Secret in version "v1" cannot be handled as a Secret: near hunter2!',
            'Secret in version "v1" cannot be handled as a Secret: ',
        ),
        ("error decoding patch: invalid character hunter2!", "error decoding patch: "),
        ('Internal error occurred: failed with {"a":"hunter2!"}', "Internal error occurred: "),
        ('Secret "db" is invalid: hunter2!', 'Secret "db" is invalid: '),
        (
            'the object provided is unrecognized (must be of type Secret): x ({"data":{"a":"hunter2! ...)',
            "the object provided is unrecognized (must be of type Secret): ",
        ),
    ],
)
def test_any_other_words_about_a_secret_are_masked_behind_their_beginning(message: str, kept: str) -> None:
    assert mask(SECRET, failure(message)).shown["message"] == kept + placeholder("secret-data", message[len(kept) :])


def test_a_message_that_is_masked_whole_is_told_by_a_warning() -> None:
    whole, part = failure("anything hunter2 at all"), failure("Internal error occurred: hunter2")
    assert mask(SECRET, whole).done.warnings == [WHOLE_WARNING.format("secret-data")]
    assert mask(SECRET, part).done.warnings == []
    assert mask(SECRET, whole, obligations=Obligations(reveal=frozenset({"secret-data"}))).done.warnings == []


def test_an_admission_plugin_keeps_its_words_and_loses_what_it_quotes() -> None:
    message = 'admission webhook "p.example.com" denied the request: the value "hunter2!" of key password is in the list of leaks'
    text = mask(SECRET, failure(message, 403, "Forbidden")).shown["message"]
    assert "hunter2!" not in text
    assert text.startswith('admission webhook "p.example.com" denied the request: the value l7gw-masked-secret-data-')
    assert text.endswith(" of key password is in the list of leaks")


def test_the_kind_in_the_details_is_enough() -> None:
    body = invalid("Secret", "db", ("data[a]", 'Invalid value: "hunter2!"'))
    assert b"hunter2!" not in mask("POST /apis/example.com/v1/things", body).bytes_shown


def test_a_template_that_a_job_quotes_is_masked_where_it_has_an_environment() -> None:
    template = json.dumps({"spec": {"containers": [{"env": [{"name": "A_PASSWORD", "value": "hunter2!"}]}]}})
    body = invalid("Job.batch", "x", ("spec.template", f"Invalid value: {template}: field is immutable"))
    got = mask("PATCH /apis/batch/v1/namespaces/shop/jobs/x", body)
    assert (
        got.shown["message"]
        == f'Job.batch "x" is invalid: spec.template: Invalid value: {placeholder("env", template)}: field is immutable'
    )
    selector = '{"matchLabels":{"app":"a"}}'
    other = invalid("Deployment.apps", "x", ("spec.selector", f"Invalid value: {selector}: field is immutable"))
    assert mask("PATCH /apis/apps/v1/namespaces/shop/deployments/x", other).shown == other


def test_the_differences_that_a_pod_update_quotes_are_masked_behind_the_reason() -> None:
    words = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`\n  core.PodSpec{\n"
    detail = words + '  Env: []core.EnvVar{\n- {Name: "A", Value: "hunter2!"},\n'
    text = mask(POD, invalid("Pod", "web", ("spec", detail))).shown["message"]
    assert "hunter2!" not in text and "`spec.containers[*].image`" in text


def test_a_stored_config_map_that_a_422_quotes_is_masked() -> None:
    whole = quoted(json.dumps({"data": {"a_password": "hunter2!"}}))
    body = invalid("", "", ("patch", f"Invalid value: {whole}: json: cannot unmarshal"))
    text = mask(CONFIG_MAP, body).shown["message"]
    assert "hunter2!" not in text and text.startswith(' "" is invalid: patch: Invalid value: l7gw-masked-config-map-')


def test_a_value_of_an_environment_is_masked_by_its_field() -> None:
    body = invalid("Pod", "web", ("spec.containers[0].env[1].value", 'Invalid value: "hunter2!": x'))
    assert b"hunter2!" not in mask(POD, body).bytes_shown


def test_a_status_in_a_watch_is_masked_as_one_of_the_urls_kind() -> None:
    got = mask("GET /api/v1/secrets?watch=1", {"type": "ERROR", "object": failure("hunter2!")})
    assert got.places == {"object.message": "secret-data"}


def test_a_success_stays() -> None:
    body = {"kind": "Status", "status": "Success", "details": {"name": "db", "kind": "secrets", "uid": "x"}}
    assert mask("DELETE /api/v1/namespaces/shop/secrets/db", body).shown == body
