"""What kubectl tells and reads: ExecCredentials of v1 and v1beta1."""

from __future__ import annotations

import json

import pytest

from l7gw.login.exec_credential import API_VERSIONS, read, written


def said(version: str = API_VERSIONS[0], **spec: object) -> str:
    return json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": spec})


@pytest.mark.parametrize("version", API_VERSIONS)
def test_the_answer_is_of_the_version_that_is_asked_for(version: str) -> None:
    asked = read(said(version, interactive=True, cluster={"server": "https://gw:8443/prod"}))
    assert (asked.api_version, asked.server, asked.interactive) == (version, "https://gw:8443/prod", True)
    assert json.loads(written(asked.api_version, "t.o.k", 1_700_000_000.9)) == {
        "apiVersion": version,
        "kind": "ExecCredential",
        "status": {"token": "t.o.k", "expirationTimestamp": "2023-11-14T22:13:20Z"},
    }


@pytest.mark.parametrize("spec", [{}, {"interactive": "true"}, {"interactive": 1}, {"cluster": "x"}, {"cluster": {"server": 7}}])
def test_what_is_not_said_is_no_terminal_and_no_server(spec: dict[str, object]) -> None:
    asked = read(said(**spec))
    assert (asked.server, asked.interactive) == ("", False)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "{}", said("client.authentication.k8s.io/v1alpha1"), '{"apiVersion": ["a"]}', "[" * 99999]
)
def test_another_version_or_nothing_that_can_be_read_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="KUBERNETES_EXEC_INFO"):
        read(text)
