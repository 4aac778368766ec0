"""`l7gw config reference` and `schema`: every key, for people, for scripts and for editors."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft7Validator

from l7gw.cli.main import cli
from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.reference import keys_of
from l7gw.policy.keys.file import POLICY


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["config", *words], env={"COLUMNS": "100"})


def test_without_a_key_each_key_of_the_file_has_a_line() -> None:
    lines = run("reference").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [path.rpartition(".")[2] for path, _ in keys_of(FILE_KEYS)]
    assert lines[0].split() == ["listen", "0.0.0.0:8443"] and lines[1].split() == ["tls", "required"]


def test_a_key_is_taught_with_all_that_stands_in_it() -> None:
    said = run("reference", "recording").stdout
    assert [line.split(":")[0] for line in said.splitlines() if line and line[0] != " "] == [
        "recording",
        "recording.durable",
        "recording.reserve",
    ]
    assert "without it: `2GiB`" in said and "    reserve: 10GiB\n" in said
    assert "a mistake: reserve: 2GB" in said and "is answered: `reserve` must be a size such as 2GiB or 64MiB" in said


def test_what_does_not_stand_beside_a_key_is_told() -> None:
    said = run("reference", "clusters.prod.credential.token-file").stdout
    assert "not beside client-certificate, client-key, aws" in said and said.startswith(
        "clusters.NAME.credential.token-file: file\n"
    )
    assert "\n  one of three\n" in said and "\n  required without `eks`\n" in run("reference", "clusters.NAME.server").stdout
    assert "only beside hosts" in run("reference", "clusters.NAME.tls").stdout


def test_keys_of_the_policy_stand_behind_the_key_of_its_file() -> None:
    of_rules = run("reference", "policy.rules.effects").stdout
    assert of_rules.startswith("policy.rules.effects: list of ") and "escalate" in of_rules
    heads = [line.split(":")[0] for line in run("reference", "policy").stdout.splitlines() if line and line[0] != " "]
    assert heads == ["policy", *(f"policy.{path}" for path, _ in keys_of(POLICY) if "." not in path)]


def test_no_line_is_wider_than_the_terminal_but_an_example_and_a_head() -> None:
    lines = [
        line for line in run("reference", "clusters").stdout.splitlines() if line.startswith("  ") and not line.startswith("    ")
    ]
    assert lines and all(len(line) <= 100 for line in lines)


def test_the_json_has_all_keys_of_both_files_or_those_that_are_asked_for() -> None:
    everything = json.loads(run("reference", "-o", "json").stdout)
    assert [one["key"] for one in everything] == [path for path, _ in keys_of(FILE_KEYS)] + [
        f"policy.{path}" for path, _ in keys_of(POLICY)
    ]
    assert all(one["mistake"]["answer"] for one in everything)
    (one,) = json.loads(run("reference", "log.access", "-o", "json").stdout)
    assert one == {
        "key": "log.access",
        "type": "on, off or errors",
        "required": False,
        "default": "on",
        "without_it": "on",
        "says": one["says"],
        "example": "errors",
        "not_beside": [],
        "only_beside": [],
        "mistake": {"value": "sometimes", "answer": "`access` must be on, off or errors"},
    }


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("admin", "l7gw: `admin` is not in this version; it comes with health and metrics"),
        ("clusters.prod.retention", "is not in this version; it comes with retention"),
        ("token-file", "did you mean clusters.NAME.credential.token-file or reviews.slack.token-file?"),
        ("lisen", "there is no key `lisen`; did you mean listen?"),
        ("xyzzy", "there is no key `xyzzy`; `l7gw config reference` lists all keys"),
    ],
)
def test_a_key_that_is_none_is_1_and_what_was_meant(key: str, said: str) -> None:
    found = run("reference", key)
    assert (found.exit_code, found.stdout) == (1, "") and said in found.stderr


@pytest.mark.parametrize(
    ("words", "text", "fits"),
    [
        ([], "{policy: policy.yaml}", False),
        (["--policy"], "{rules: [{name: a, verdict: allow}]}", True),
        (["--policy"], "{rules: [{name: a, verdict: permit}]}", False),
    ],
)
def test_a_schema_is_printed_for_either_file(words: list[str], text: str, fits: bool) -> None:
    assert Draft7Validator(json.loads(run("schema", *words).stdout)).is_valid(yaml.safe_load(text)) == fits


def test_a_shell_completes_keys() -> None:
    env = {"_L7GW_COMPLETE": "bash_complete", "COMP_WORDS": "l7gw config reference policy.rules.re", "COMP_CWORD": "3"}
    found = CliRunner().invoke(cli, [], prog_name="l7gw", env=env).stdout.split()
    assert {"plain,policy.rules.reason", "plain,policy.rules.resources", "plain,policy.rules.reveal"} <= set(found)
