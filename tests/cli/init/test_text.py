"""The configuration and the policy that `l7gw init` writes mean what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from l7gw.cli.init.text import configuration, policy
from tests.support.init_wanted import issuer, wanted

HOSTILE = "a\"b'c: {d, e}#f"


def test_paths_that_were_given_and_texts_with_any_sign_are_read_as_they_were_given(tmp_path: Path) -> None:
    pair = (Path(f"/{HOSTILE}.crt"), Path(f"/{HOSTILE}.key"))
    asked = wanted(
        tmp_path, pair=pair, credential=pair, state=f"/{HOSTILE}", issuer=issuer(username=HOSTILE, groups=HOSTILE, audience=HOSTILE)
    )
    found = yaml.safe_load(configuration(asked))
    assert found["tls"] == {"certificate": str(pair[0]), "key": str(pair[1])}
    assert found["clusters"]["prod"]["credential"] == {"client-certificate": str(pair[0]), "client-key": str(pair[1])}
    assert found["state"] == f"/{HOSTILE}"
    oidc = found["identity"][0]["oidc"]
    assert oidc == {"issuer": "https://idp.example.com", "audience": HOSTILE, "username": HOSTILE, "groups": HOSTILE}


@pytest.mark.parametrize("text", ["yes", "1e3", "null", "~", "08", "0x1"])
def test_a_group_or_namespace_that_yaml_would_take_for_something_else_stays_a_text(tmp_path: Path, text: str) -> None:
    [reads, works, *_] = yaml.safe_load(policy(wanted(tmp_path, group=text, namespace=text)))["rules"]
    assert reads["groups"] == [text] and works["namespaces"] == [text]


@pytest.mark.parametrize("agents", [True, False])
def test_agents_are_in_both_files_or_in_none(tmp_path: Path, agents: bool) -> None:
    asked = wanted(tmp_path, agents=agents)
    assert ("kind: agent" in configuration(asked)) == agents == ("kinds: [agent]" in policy(asked))
