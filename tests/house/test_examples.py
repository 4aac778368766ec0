"""Each example of a deployment can be used as it stands, and `l7gw check` has nothing to say against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from l7gw.cli.main import cli
from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.reference import schema
from l7gw.policy.judge import Policy
from l7gw.policy.keys.file import POLICY
from tests.support.cited_sources import DOCS
from tests.support.examples import EXAMPLES, NAMES, copied

DEPLOYMENTS = {"single-cluster", "several-by-path", "several-by-sni", "agents-in-pods", "behind-a-load-balancer", "eks"}
every_example = pytest.mark.parametrize("name", NAMES)


def test_there_is_an_example_for_each_deployment_and_the_pages_lead_to_it() -> None:
    assert set(NAMES) == DEPLOYMENTS
    own = (EXAMPLES / "README.md").read_text()
    assert all(f"]({name}/l7gw.yaml)" in own for name in NAMES)
    assert "../deploy/examples" in (DOCS / "configuration.md").read_text()


@every_example
def test_an_example_is_checked_without_a_warning(tmp_path: Path, name: str) -> None:
    found = CliRunner().invoke(cli, ["check", "--config", str(copied(name, tmp_path)), "-o", "json"])
    said = json.loads(found.stdout)
    assert (found.exit_code, said["problems"], said["warnings"]) == (0, [], [])


@every_example
def test_an_example_has_tests_and_fits_the_schemas(name: str) -> None:
    policy = EXAMPLES / name / "policy.yaml"
    assert Policy.load(policy).tests >= 3
    for file, root in ((policy, POLICY), (EXAMPLES / name / "l7gw.yaml", FILE_KEYS)):
        assert not [error.message for error in Draft7Validator(schema(root, name)).iter_errors(yaml.safe_load(file.read_text()))]


def test_the_pods_of_an_example_name_what_its_configuration_names() -> None:
    """The agents' token is for the issuer's audience, and the gateway's files lie where its configuration looks for them."""
    folder = EXAMPLES / "agents-in-pods"
    settings = yaml.safe_load((folder / "l7gw.yaml").read_text())
    *_, deployment = yaml.safe_load_all((folder / "gateway.yaml").read_text())
    *_, agent = yaml.safe_load_all((folder / "agent.yaml").read_text())
    (projected,) = agent["spec"]["volumes"][0]["projected"]["sources"]
    assert projected["serviceAccountToken"]["audience"] == settings["identity"][0]["oidc"]["audience"]
    files = {
        item["path"]
        for source in deployment["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"]
        for one in source.values()
        for item in (one.get("items") or [one])
        if "path" in item
    }
    here = settings["clusters"]["here"]
    assert files == {*settings["tls"].values(), here["certificate-authority"], here["credential"]["token-file"]}
