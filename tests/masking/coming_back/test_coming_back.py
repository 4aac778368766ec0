"""A placeholder comes back as the value that it stood for, in the same field of the same object, and nowhere else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from l7gw.kube.act import Act
from l7gw.masking.coming_back.coming_back import must_be_read
from l7gw.masking.sent.sent_body import Format, Sent
from tests.support.coming_back import (
    APPLIED,
    PASSWORD,
    TAGGER,
    TOKEN,
    act,
    b64,
    back,
    deployment,
    hidden,
    main_of,
    refused,
    secret,
    shown,
)

# ---------------------------------------------------------------------- whole objects


def test_an_object_that_is_written_back_as_it_was_read_is_as_it_was_stored() -> None:
    stored = secret(applied={"apiVersion": "v1", "kind": "Secret", "stringData": {"password": PASSWORD}})
    assert hidden(PASSWORD) in json.dumps(shown(stored)["metadata"])
    assert back(stored, shown(stored)) == stored


@pytest.mark.parametrize("form", ["json", "apply"])
def test_an_object_without_a_version_gets_that_of_the_reading(form: Format) -> None:
    stored = secret()
    body = shown(stored)
    del body["metadata"]["resourceVersion"]
    assert back(stored, body, form) == stored
    body["metadata"]["resourceVersion"] = ""
    assert back(stored, body, form) == stored
    body["metadata"] = None
    assert back(stored, body, form)["metadata"] == {"resourceVersion": "7"}


def test_a_version_that_was_sent_stays() -> None:
    stored = secret()
    body = shown(stored)
    body["metadata"]["resourceVersion"] = "3"
    assert back(stored, body)["metadata"]["resourceVersion"] == "3"


def test_a_secrets_string_data_is_its_data() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": hidden(PASSWORD)}}
    assert back(secret(), body)["stringData"] == {"password": PASSWORD}


def test_bytes_that_are_no_text_do_not_come_back_as_one() -> None:
    stored = secret()
    raw = b"\xff\xfe\x00 not a text"
    stored["data"]["raw"] = base64.b64encode(raw).decode()
    body = {"kind": "Secret", "metadata": {"name": "db"}, "stringData": {"raw": TAGGER.placeholder("secret-data", raw)}}
    assert "stringData.raw" in refused(lambda: back(stored, body))
    assert back(stored, shown(stored)) == stored


def test_base64_in_lines_comes_back() -> None:
    body = shown(secret())
    body["data"]["password"] = body["data"]["password"][:20] + "\n" + body["data"]["password"][20:]
    assert back(secret(), body) == secret()


def test_values_beside_the_placeholder_are_the_callers() -> None:
    body = shown(secret())
    body["data"] |= {"token": b64("new"), "more": b64("another")}
    assert back(secret(), body)["data"] == {"password": b64(PASSWORD), "token": b64("new"), "more": b64("another")}


def test_another_object_of_the_name_is_not_the_same() -> None:
    body = shown(secret())
    body["metadata"]["uid"] = "u-2"
    assert "metadata.uid" in refused(lambda: back(secret(), body))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"other": b64(hidden(PASSWORD))}, "data.other"),
        ({"token": b64(hidden(PASSWORD))}, "data.token"),
        ({"password": b64("x" + hidden(PASSWORD))}, "data.password"),
        ({"password": b64(hidden("something else"))}, "data.password"),
        ({"password": b64(hidden(PASSWORD)[:-1])}, "data.password"),
        ({"my.key": b64(b64(hidden(PASSWORD)))}, 'data."my.key"'),
    ],
)
def test_a_placeholder_elsewhere_is_refused_by_its_path_in_the_same_words(data: dict[str, str], path: str) -> None:
    body = {**shown(secret()), "data": data}
    message = refused(lambda: back(secret(), body))
    words = message.partition(path)[2]
    assert message.startswith(path)
    assert words.startswith(
        " holds the placeholder of a masked value, and this field does not hold that value now; write the real value"
    )


def test_a_placeholder_in_another_place_of_the_object_is_refused() -> None:
    for change in (
        {"type": hidden(PASSWORD)},
        {"metadata": {"name": "db", "labels": {"x": hidden(PASSWORD)}}},
        {"metadata": {"name": "db", "annotations": {"x": f"see {hidden(PASSWORD)}"}}},
    ):
        refused(lambda change=change: back(secret(), {**secret(), **change}))  # type: ignore[misc]


def test_a_name_with_a_placeholder_is_refused() -> None:
    for body in ({"data": {hidden(PASSWORD): "eA=="}}, {"metadata": {"labels": {b64(hidden(PASSWORD)): "x"}}}):
        assert "a name in" in refused(lambda body=body: back(secret(), {**secret(), **body}))  # type: ignore[misc]


@pytest.mark.parametrize(
    "asked",
    [
        act(verb="create", name=""),
        act(verb="create", subresource="eviction"),
        act(verb="delete"),
        act(subresource="scale"),
    ],
)
def test_where_there_is_no_stored_object_a_placeholder_is_refused(asked: Act) -> None:
    sent = Sent(act=asked, format="json", body=json.dumps(shown(secret())).encode())
    assert refused(lambda: must_be_read(sent)).startswith("data.password holds the placeholder")


def test_a_body_without_a_placeholder_needs_no_reading() -> None:
    for text in ("plain", "l7gw-masked-DETECTOR", "a\nb", "\u2028", '{"a":"\\u003c"}'):
        sent = Sent(act=act(verb="create", name=""), format="json", body=json.dumps({"data": {"a": text}}).encode())
        assert not must_be_read(sent)


# ---------------------------------------------------------------------- lists


def test_list_items_are_found_by_their_merge_key() -> None:
    stored = deployment()
    body = shown(stored)
    containers = body["spec"]["template"]["spec"]["containers"]
    containers.reverse()
    containers[0]["env"].insert(0, {"name": "NEW", "value": "n"})
    env = back(stored, body)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "NEW", "value": "n"}, {"name": "A", "value": "a"}, {"name": "PASSWORD", "value": PASSWORD}]


def test_a_variable_of_another_name_does_not_get_the_value() -> None:
    body = shown(deployment())
    main_of(body)["env"][1]["name"] = "SHOWN"
    assert "containers[1].env[1].value" in refused(lambda: back(deployment(), body))


def test_a_name_that_stands_twice_tells_no_item() -> None:
    stored = deployment(env=[{"name": "PASSWORD", "value": "first one"}, {"name": "PASSWORD", "value": "second one"}])
    assert main_of(back(stored, shown(stored))) == main_of(stored)  # by index: all beside is equal
    body = shown(stored)
    main_of(body)["env"].reverse()
    refused(lambda: back(stored, body))


def test_items_without_a_key_are_found_by_index_where_all_beside_is_equal() -> None:
    stored = {
        "kind": "Database",
        "metadata": {"name": "db", "resourceVersion": "7"},
        "spec": {"users": [{"user": "a", "pass": "first pass"}, {"user": "b", "pass": "second pass", "tags": ["x"]}]},
    }
    body = shown(stored)
    body["spec"]["users"][1]["tags"] = ["x", "y"]
    assert back(stored, body)["spec"]["users"][1] == {"user": "b", "pass": "second pass", "tags": ["x", "y"]}
    for change in (
        lambda users: users.reverse(),
        lambda users: users.pop(0),
        lambda users: users[0].update(user="c"),
        lambda users: users[0].update(more=1),
        lambda users: users[0].pop("user"),
    ):
        body = shown(stored)
        change(body["spec"]["users"])
        assert "spec.users[0].pass" in refused(lambda body=body: back(stored, body)) or change  # type: ignore[misc]


def test_an_argument_comes_back_only_among_the_same_arguments() -> None:
    body = shown(deployment())
    assert main_of(back(deployment(), body)) == main_of(deployment())
    for args in (["--port=81", body], ["--evil", "--port=80", body], [body]):
        changed = shown(deployment())
        secret_one = main_of(changed)["args"][1]
        main_of(changed)["args"] = [secret_one if one is body else one for one in args]
        refused(lambda changed=changed: back(deployment(), changed))  # type: ignore[misc]


# ---------------------------------------------------------------------- texts of which a part is masked


def config(text: str) -> dict[str, Any]:
    return {
        "kind": "ConfigMap",
        "metadata": {"name": "db", "resourceVersion": "7"},
        "data": {"app": text},
    }


def test_a_text_may_be_edited_around_its_masked_part() -> None:
    stored = config("port=1\npassword=abcdef and\nhost=x")
    body = shown(stored)
    body["data"]["app"] = body["data"]["app"].replace("port=1", "port=2")
    assert back(stored, body)["data"]["app"] == "port=2\npassword=abcdef and\nhost=x"


def test_an_edit_that_would_show_the_masked_part_is_refused() -> None:
    stored = config("port=1\npassword=abcdef and\nhost=x")
    body = shown(stored)
    body["data"]["app"] = body["data"]["app"].replace("password=", "shown: ")
    assert "data.app" in refused(lambda: back(stored, body))
    assert "data.app" in refused(lambda: back(stored, {"data": {"app": body["data"]["app"]}}, "merge-patch"))


# ---------------------------------------------------------------------- the annotation of kubectl apply


def test_fields_in_last_applied_count_as_the_objects_own() -> None:
    stored = secret()
    applied = {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"password": b64(hidden(PASSWORD))},
        "stringData": {"token": hidden(TOKEN)},
    }
    body = {"metadata": {"annotations": {APPLIED: json.dumps(applied)}}}
    sent = back(stored, body, "merge-patch")
    assert json.loads(sent["metadata"]["annotations"][APPLIED]) == {
        "apiVersion": "v1", "kind": "Secret", "data": {"password": b64(PASSWORD)}, "stringData": {"token": TOKEN},
    }  # fmt: skip
    assert sent["metadata"]["resourceVersion"] == "7"


def test_what_only_the_stored_annotation_holds_comes_back_in_it() -> None:
    stored = secret(applied={"kind": "Secret", "data": {"password": b64("an old password")}})
    body = shown(stored)
    applied = json.loads(body["metadata"]["annotations"][APPLIED])
    body["metadata"]["annotations"][APPLIED] = json.dumps({**applied, "type": "Opaque"}, indent=1)
    sent = json.loads(back(stored, body)["metadata"]["annotations"][APPLIED])
    assert sent["data"] == {"password": b64("an old password")}


@pytest.mark.parametrize("form", ["json", "merge-patch", "strategic-patch"])
def test_an_annotation_that_says_another_kind_is_refused(form: Format) -> None:
    applied = {"kind": "Pod", "data": {"password": b64(hidden(PASSWORD))}}
    body = {"kind": "Secret", "metadata": {"name": "db", "annotations": {APPLIED: json.dumps(applied)}}}
    refused(lambda: back(secret(), body, form))


def test_the_annotation_under_another_name_is_refused() -> None:
    applied = json.dumps({"kind": "Secret", "data": {"password": b64(hidden(PASSWORD))}})
    refused(lambda: back(secret(), {"metadata": {"annotations": {"mine": applied}}}, "merge-patch"))


@pytest.mark.parametrize("form", ["json", "merge-patch", "strategic-patch"])
@pytest.mark.parametrize("place", [("spec",), ("metadata", "labels"), ("spec", "template", "metadata", "annotations")])
def test_the_annotation_elsewhere_than_in_the_objects_own_metadata_is_refused(form: Format, place: tuple[str, ...]) -> None:
    stored = deployment()
    body: Any = {APPLIED: json.dumps(shown(stored))}
    for name in reversed(place):
        body = {name: body}
    message = refused(lambda: back(stored, {"kind": "Deployment", **body}, form))
    assert "last-applied-configuration" in message


# ---------------------------------------------------------------------- merge and strategic patches


@pytest.mark.parametrize("form", ["merge-patch", "strategic-patch"])
def test_a_patch_leaves_out_what_the_field_holds_already(form: Format) -> None:
    body = {"data": {"password": b64(hidden(PASSWORD)), "new": "eA=="}, "stringData": {"token": hidden(TOKEN)}}
    assert back(secret(), body, form) == {"data": {"new": "eA=="}, "stringData": {}}
    body["data"] = {"password": b64(hidden(TOKEN))}
    assert "data.password" in refused(lambda: back(secret(), body, form))


def containers(*env: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": list(env), **more}]}}}}


HIDDEN = {"name": "PASSWORD", "value": hidden(PASSWORD, "env")}


def test_a_strategic_patch_leaves_out_in_merged_lists() -> None:
    assert back(deployment(), containers(HIDDEN), "strategic-patch") == containers({"name": "PASSWORD"})


def test_a_merge_patch_replaces_lists_and_is_restored_in_them() -> None:
    sent = back(deployment(), containers({"name": "A", "value": "b"}, HIDDEN), "merge-patch")
    assert sent == {
        **containers({"name": "A", "value": "b"}, {"name": "PASSWORD", "value": PASSWORD}),
        "metadata": {"resourceVersion": "7"},
    }


def test_a_strategic_patch_that_replaces_is_restored() -> None:
    body = containers(HIDDEN)
    body["spec"]["template"]["$patch"] = "replace"
    sent = back(deployment(), body, "strategic-patch")
    assert sent["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "PASSWORD", "value": PASSWORD}]
    assert sent["metadata"] == {"resourceVersion": "7"}


def test_a_strategic_patch_of_a_list_without_a_key_is_restored() -> None:
    args = main_of(shown(deployment()))["args"]
    sent = back(deployment(), containers(args=args), "strategic-patch")
    assert sent["spec"]["template"]["spec"]["containers"][0]["args"] == main_of(deployment())["args"]
    assert sent["metadata"] == {"resourceVersion": "7"}


# ---------------------------------------------------------------------- the cost


def test_a_body_with_too_many_placeholders_is_refused() -> None:
    stored = secret(**{f"k{index}": f"value {index}" for index in range(1001)})
    assert "more than 1000 places" in refused(lambda: back(stored, shown(stored)))


def test_three_megabytes_of_placeholders_are_refused_at_the_first() -> None:
    text = hidden(PASSWORD) * 94_000
    assert len(text) > 3_000_000
    for body in ({"data": {"password": text}}, {"data": {"password": b64(text)}}, {"data": {"x": [hidden(PASSWORD)] * 60_000}}):
        refused(lambda body=body: back(secret(), {**secret(), **body}))  # type: ignore[misc]
